/**
 * How soon a session that a server has forgotten may be renewed. The first time at once: the server was started
 * anew. One that is lost again while it is young and nobody has used it is renewed after a pause, and then given
 * up: a server of several replicas without affinity would be asked for sessions without end. No I/O.
 *
 * Cases: test/upstream/lane/session-renewals.test.ts
 */
import { GatewayError } from '../../errors.ts'

/** A session that is lost sooner than this was not lost to a restart. */
const youngMs = 10_000
/**
 * Pauses before the renewals in a row. With the pauses of the supervisor behind them a server hears at most five
 * `initialize` within ten seconds.
 */
const pausesMs: readonly number[] = [0, 4_000]

export class SessionRenewals {
  #renewedAtMs = Number.NEGATIVE_INFINITY
  #inARow = 0

  /**
   * The session is lost: how long to wait before the next one, or null when there should be none. `used` is true
   * when a client has sent a request in it, which it may have ended. `nowMs` is monotonic.
   */
  pauseMs(nowMs: number, used: boolean): number | null {
    this.#inARow = !used && nowMs - this.#renewedAtMs < youngMs ? this.#inARow + 1 : 0
    return pausesMs[this.#inARow] ?? null
  }

  renewed(nowMs: number): void {
    this.#renewedAtMs = nowMs
  }
}

/** A request was lost with its session, sent again in the new one, and lost with that. */
export class SessionLostAgain extends GatewayError {
  constructor() {
    super('UPSTREAM_CLOSED', 'the server forgot its session twice in a row')
  }
}

/** The server loses each session as soon as it has given it out. */
export class SessionForgotten extends GatewayError {
  constructor() {
    super(
      'UPSTREAM_CLOSED',
      'the server forgot its session again as soon as it was renewed; if it runs as several replicas, each session must stay with one of them (affinity by Mcp-Session-Id or by cookie)',
    )
  }
}
