/** The health probe: a real round trip on the connection that calls use, so that it costs no process and no session. */
import { GatewayError, reasonOf } from '../errors.ts'
import type { Lane } from './lane.ts'

/** Null when the server answered within the time, whatever it said; else why it counts as silent. */
export async function probeLane(lane: Lane, timeoutMs: number): Promise<string | null> {
  try {
    await lane.ask(lane.era === 'modern' ? 'server/discover' : 'ping', undefined, timeoutMs)
    return null
  } catch (thrown) {
    const silent = thrown instanceof GatewayError && thrown.code === 'UPSTREAM_TIMEOUT'
    return silent ? `health probe failed: ${reasonOf(thrown)}` : null
  }
}
