/** The health probe: a real round trip on the connection that calls use, so that it costs no process and no session. */
import { GatewayError } from '../../errors.ts'
import { modernErrorCodes } from '../../protocol/eras.ts'
import { RpcAnswerError } from '../connection/calls.ts'
import { EraMismatch } from '../connection/handshake.ts'
import { HttpStatusError } from '../transports/http/failure.ts'
import type { Lane } from './lane.ts'

export interface ProbeFailure {
  /**
   * `silent`: no answer in time; it may wake up. `unreachable`: nobody is there to answer. `changed`: another
   * server answers, of another era.
   */
  readonly kind: 'silent' | 'unreachable' | 'changed'
  readonly error: GatewayError
}

/** What a reverse proxy answers in place of a server that it cannot reach. */
const proxyStatuses = [502, 503, 504]

/** Null when the server answered within the time, whatever it said; else what is wrong. */
export async function probeLane(lane: Lane, timeoutMs: number): Promise<ProbeFailure | null> {
  try {
    await lane.probe(timeoutMs)
    return null
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) return null
    const kind = kindOf(thrown)
    const error = new GatewayError(thrown.code, `health probe failed: ${thrown.details}`)
    return kind && { kind, error }
  }
}

function kindOf(error: GatewayError): ProbeFailure['kind'] | null {
  if (error instanceof EraMismatch) return 'changed'
  // An answer at last, but one that only a stateless server gives.
  if (error instanceof RpcAnswerError) return modernErrorCodes.has(error.upstreamRpcCode) ? 'changed' : null
  if (error instanceof HttpStatusError)
    return proxyStatuses.includes(error.upstreamStatus) ? 'unreachable' : null
  if (error.code === 'UPSTREAM_TIMEOUT') return 'silent'
  return error.code === 'UPSTREAM_CLOSED' || error.code === 'SERVER_UNAVAILABLE' ? 'unreachable' : null
}
