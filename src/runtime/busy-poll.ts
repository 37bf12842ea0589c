/**
 * Keeps the event loop turning for a moment when the next event is due any moment.
 *
 * A process that sleeps must be woken, and on an idle machine that takes longer than all that the gateway does for
 * a call: once until a request is seen, and again until its answer is. Where calls come one after another the loop
 * therefore looks for the next event instead of sleeping, for at most `WINDOW_MS` at a time. The processor time is
 * about the same: sleeping and waking cost as much as the looking.
 *
 * It must cost nothing where it does not help. Waiting for a server's answer and for a client's next request are
 * told apart, and a wait in which nothing came is a miss: the next chance of its kind is let go, after another miss
 * two, then four and so on. An agent that calls once a second and a server that thinks for a second are waited for
 * in this way one time in 256. With more calls under way the loop hardly ever sleeps.
 */

/** Quick servers answer, and quick clients ask again, within this; most of it is the waking of their processors. */
const windowMs = 0.15
/** With twice as many there is nothing left to gain, and their processors are better used by others. */
const inFlightMax = 4
const skippedMax = 256

/** The event loop, as far as this needs it. */
export interface Turns {
  nowMs(): number
  /** Runs it in the next turn of the loop, which then does not sleep before. */
  next(run: () => void): void
}

const eventLoop: Turns = { nowMs: () => performance.now(), next: (run) => void setImmediate(run) }

export class BusyPoll {
  readonly #turns: Turns
  readonly #answers = new Chances()
  readonly #requests = new Chances()
  /** What is being waited for; null when the loop may sleep. */
  #awaited: Chances | null = null
  #untilMs = 0
  #turning = false

  constructor(turns: Turns = eventLoop) {
    this.#turns = turns
  }

  /** A request has come or was answered, and so many are under way now. */
  stir(inFlight: number): void {
    this.#awaited?.hit()
    const chances = inFlight === 0 ? this.#requests : this.#answers
    this.#awaited = inFlight <= inFlightMax && chances.take() ? chances : null
    if (this.#awaited === null) return
    this.#untilMs = this.#turns.nowMs() + windowMs
    if (this.#turning) return
    this.#turning = true
    this.#turns.next(this.#turn)
  }

  readonly #turn = (): void => {
    if (this.#awaited !== null && this.#turns.nowMs() < this.#untilMs) {
      this.#turns.next(this.#turn)
      return
    }
    this.#awaited?.miss()
    this.#awaited = null
    this.#turning = false
  }
}

/** The waits of one kind: which of them are taken, by how the last ones went. */
class Chances {
  #skipAfterMiss = 1
  #toSkip = 0

  take(): boolean {
    if (this.#toSkip === 0) return true
    this.#toSkip--
    return false
  }

  hit(): void {
    this.#skipAfterMiss = 1
  }

  miss(): void {
    this.#toSkip = this.#skipAfterMiss
    this.#skipAfterMiss = Math.min(this.#skipAfterMiss * 2, skippedMax)
  }
}
