/** One attempt to open a lane, from the wire to the end of the handshake. */
import { GatewayError, reasonOf } from '../../errors.ts'
import { deadline } from '../../runtime/patience.ts'
import type { Connection } from '../connection/connection.ts'

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
    connect: () => Connection,
    shakeHands: (connection: Connection, timeoutMs: number) => Promise<void>,
    opened: (connection: Connection) => void,
  ): Promise<GatewayError | null> {
    const untilMs = performance.now() + startTimeoutMs
    const stop = deadline(startTimeoutMs, () => this.#givenUp.abort())
    try {
      const connection = connect()
      this.#connection = connection
      await connection.transport.open(connection, this.#givenUp.signal)
      await shakeHands(connection, Math.max(1, untilMs - performance.now()))
      if (connection.closedBy) throw connection.closedBy
      opened(connection)
      return null
    } catch (thrown) {
      const fault =
        thrown instanceof GatewayError ? thrown : new GatewayError('SERVER_UNAVAILABLE', reasonOf(thrown))
      const error = this.#givenUpBy ?? fault
      await this.#connection?.close(error)
      return error
    } finally {
      stop()
    }
  }

  /** Ends the attempt with this error. */
  giveUp(error: GatewayError): void {
    this.#givenUpBy ??= error
    this.#givenUp.abort()
    void this.#connection?.close(error)
  }
}
