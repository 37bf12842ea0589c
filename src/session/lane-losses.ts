/** When to look again for a server that was lost. */
import { GatewayError } from '../errors.ts'

const retryMsMin = 250
const retryMsMax = 30_000
/** A lane that lived this long was no failure of the attempt to have one. */
const sustainedMs = 60_000

/** The pause that a failed attempt asks for, in milliseconds, within bounds. */
export function retryMs(thrown: unknown): number {
  const seconds = thrown instanceof GatewayError ? (thrown.retryAfterSeconds ?? 1) : 1
  return Math.min(retryMsMax, Math.max(retryMsMin, seconds * 1000))
}

/**
 * The pauses of one client that loses its lane again and again. A server may greet a client and die of what
 * comes next; without a pause it would be started as fast as the machine can.
 */
export class LaneLosses {
  /** True while a new lane is looked for. */
  seeking = false
  #inARow = 0
  #lastMs = 0

  /** Notes a loss; answers how long to wait before the next lane: nothing after the first loss. */
  pauseMs(nowMs: number): number {
    if (nowMs - this.#lastMs >= sustainedMs) this.#inARow = 0
    this.#lastMs = nowMs
    const before = this.#inARow++
    return before === 0 ? 0 : Math.min(retryMsMax, retryMsMin * 2 ** Math.min(before, 16))
  }
}
