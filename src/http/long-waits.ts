/**
 * Lets requests wait without a time limit, once they have waited for a while.
 *
 * The runtime cuts a connection on which nothing happens for the idle time, and a call to a server may take as
 * long as it takes. Lifting the limit for each request and setting it again costs a small call as much as its
 * session does, so it is lifted only for what is still unanswered after a part of that time.
 */
import { Roster } from '../runtime/in-flight.ts'
import type { RequestContext } from './context.ts'

export class LongWaits {
  readonly #afterMs: number
  readonly #timer: ReturnType<typeof setInterval>
  readonly #waiting = new Roster<RequestContext>()

  /** Keeps no process alive. */
  constructor(idleSeconds: number) {
    this.#afterMs = idleSeconds * 250
    this.#timer = setInterval(() => this.#look(performance.now()), this.#afterMs / 2)
    this.#timer.unref()
  }

  /** A request whose answer takes longer than this turn of the event loop. */
  add(context: RequestContext): void {
    this.#waiting.add(context)
  }

  /** It is answered. */
  delete(context: RequestContext): void {
    this.#waiting.delete(context)
  }

  /** Requests under way whose limit still stands. */
  get count(): number {
    return this.#waiting.size
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** While a body is on its way, the limit stays: it bounds how long a client may take to send it. */
  #look(nowMs: number): void {
    for (const context of this.#waiting.list()) {
      if (!context.bodyRead || nowMs - context.startedAtMs < this.#afterMs) continue
      this.#waiting.delete(context)
      context.untimed = true
      context.idleTimer?.timeout(context.request, 0)
    }
  }
}
