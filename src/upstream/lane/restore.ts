/** A server that lost its sessions (a restart, a time-out) is greeted again, unseen by the clients of the lane. */
import { GatewayError, reasonOf } from '../../errors.ts'
import type { Connection } from '../connection/connection.ts'
import { ask } from '../connection/own-requests.ts'
import type { LaneSubscriptions } from './subscriptions.ts'

/** Longest wait for a request of the gateway's own that no client waits for. */
export const OWN_REQUEST_MS = 30_000

/** Initialises again and puts back what the session had set; answers what kept it from that, or null. */
export async function restoreSession(
  connection: Connection,
  demands: LaneSubscriptions,
  shakeHands: () => Promise<void>,
): Promise<GatewayError | null> {
  try {
    await shakeHands()
    const { level } = demands
    if (level) await ask(connection, 'logging/setLevel', { level }, OWN_REQUEST_MS)
    for (const uri of demands.uris()) await ask(connection, 'resources/subscribe', { uri }, OWN_REQUEST_MS)
    return null
  } catch (thrown) {
    return thrown instanceof GatewayError ? thrown : new GatewayError('UPSTREAM_CLOSED', reasonOf(thrown))
  }
}
