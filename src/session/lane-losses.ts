/** When to look again for a server that was lost. */
import { GatewayError } from '../errors.ts'

const RETRY_MS_MIN = 250
const RETRY_MS_MAX = 30_000
/** A lane that lived this long was no failure of the attempt to have one. */
const SUSTAINED_MS = 60_000

/** The pause that a failed attempt asks for, in milliseconds, within bounds. */
export function retryMs(thrown: unknown): number {
  const seconds = thrown instanceof GatewayError ? (thrown.retryAfterSeconds ?? 1) : 1
  return Math.min(RETRY_MS_MAX, Math.max(RETRY_MS_MIN, seconds * 1000))
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
    if (nowMs - this.#lastMs >= SUSTAINED_MS) this.#inARow = 0
    this.#lastMs = nowMs
    const before = this.#inARow++
    return before === 0 ? 0 : Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(before, 16))
  }
}
