/** How a session that the server has forgotten is put back as it was, and how the server is asked whether it has. */
import { GatewayError, gatewayErrorOf, reasonOf } from '../../errors.ts'
import { GatewayCall, RpcAnswerError } from '../connection/calls.ts'
import type { Connection } from '../connection/connection.ts'
import { ask } from '../connection/own-requests.ts'
import type { LaneSubscriptions } from './subscriptions.ts'

/** Longest wait for a request of the gateway's own that no client waits for. */
export const ownRequestMs = 30_000

/** Initialises again and puts back what the session had set; answers what kept it from that, or null. */
export async function restoreSession(
  connection: Connection,
  subscriptions: LaneSubscriptions,
  shakeHands: () => Promise<void>,
): Promise<GatewayError | null> {
  try {
    await shakeHands()
    const { level } = subscriptions
    if (level) await ask(connection, 'logging/setLevel', { level }, ownRequestMs, undefined, false)
    for (const uri of subscriptions.uris())
      await ask(connection, 'resources/subscribe', { uri }, ownRequestMs, undefined, false)
    return null
  } catch (thrown) {
    return thrown instanceof GatewayError ? thrown : new GatewayError('UPSTREAM_CLOSED', reasonOf(thrown))
  }
}

/** Of several replicas behind one address the first may be the one that knows the session. */
const questions = 3

/**
 * Asks the server whether it knows the session. A lost one is found out by the way that every request is told of
 * it, and renewed; the answer is then false.
 */
export async function sessionIsKnown(connection: Connection): Promise<boolean> {
  for (let asked = 0; asked < questions; asked++) {
    const call = await ask(connection, 'ping', undefined, ownRequestMs).catch(gatewayErrorOf)
    if (call instanceof GatewayError && !(call instanceof RpcAnswerError)) return false
    if (call instanceof GatewayCall && call.resent) return false
  }
  return true
}
