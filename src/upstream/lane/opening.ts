/** How a lane begins, how the session on it is put back once the server has forgotten it, and how one asks whether it has. */
import { GatewayError, gatewayErrorOf, reasonOf } from '../../errors.ts'
import { deadline } from '../../runtime/patience.ts'
import { GatewayCall, RpcAnswerError } from '../connection/calls.ts'
import type { Connection } from '../connection/connection.ts'
import { ask } from '../connection/own-requests.ts'
import type { LaneSubscriptions } from './subscriptions.ts'

/**
 * One attempt to open a lane. A server may take minutes to answer (npx, uvx), so the attempt can be given up
 * while it runs: by the removal of the server, by the end of the gateway, by the end of the one client that it
 * is for. Whatever ends it, nothing of it is left.
 */
export class LaneOpening {
  readonly #givenUp = new AbortController()
  #connection: Connection | null = null
  #givenUpBy: GatewayError | null = null

  /** What failed it, once nothing is left of it; null when it succeeded and `opened` has run. */
  async run(
    startTimeoutMs: number,
    connect: () => Promise<Connection>,
    shakeHands: (connection: Connection, timeoutMs: number) => Promise<void>,
    opened: (connection: Connection) => void,
  ): Promise<GatewayError | null> {
    const untilMs = performance.now() + startTimeoutMs
    const stop = deadline(startTimeoutMs, () => this.#givenUp.abort())
    try {
      const connection = await connect()
      this.#connection = connection
      // Whatever came while its transport was loaded met no connection.
      if (this.#givenUp.signal.aborted)
        throw new GatewayError('UPSTREAM_CLOSED', 'The start of the server was given up.')
      await connection.transport.open(connection, this.#givenUp.signal)
      // A process has its time from when it runs, however many are started before it.
      const restMs = connection.transport.pid === null ? untilMs - performance.now() : startTimeoutMs
      await shakeHands(connection, Math.max(1, restMs))
      if (connection.closedBy) throw connection.closedBy
      opened(connection)
      return null
    } catch (thrown) {
      const error = this.#givenUpBy ?? this.#explained(thrown)
      await this.#connection?.close(error)
      return error
    } finally {
      stop()
    }
  }

  #explained(thrown: unknown): GatewayError {
    if (!(thrown instanceof GatewayError)) return new GatewayError('SERVER_UNAVAILABLE', reasonOf(thrown))
    const { silence } = this
    if (thrown.code !== 'UPSTREAM_TIMEOUT' || silence === '') return thrown
    return new GatewayError(thrown.code, `${thrown.details}; ${silence}`)
  }

  /** What the server does instead of answering, as far as that is known. */
  get silence(): string {
    return this.#connection?.transport.silence() ?? ''
  }

  /** Ends the attempt with this error. */
  giveUp(error: GatewayError): void {
    this.#givenUpBy ??= error
    this.#givenUp.abort()
    void this.#connection?.close(error)
  }
}

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
