/**
 * Whether a server that is up can be taken to stay up. No I/O.
 *
 * One that ends every few seconds and is started again would be told as connected in each round, and whoever looks
 * would see it well every other time. From its second early end on it counts as up only when it has stayed up twice
 * as long as it did before it ended.
 */

/** A server that stays up for so long is steady: what was before is forgotten. */
export const steadyUptimeMs = 60_000
/** However soon it ended, a server that stays up for so long is told as up. */
const provenMsMin = 10_000

export class CrashLoop {
  /** How often it ended in a row, each time before it was steady. */
  #ends = 0
  #firstEndMs = 0
  #longestUpMs = 0

  /** It has ended after it was up for `upMs`. */
  ended(upMs: number, nowMs: number): void {
    if (upMs >= steadyUptimeMs) {
      this.#ends = 0
      this.#longestUpMs = 0
    } else this.#longestUpMs = Math.max(this.#longestUpMs, upMs)
    if (this.#ends === 0) this.#firstEndMs = nowMs
    this.#ends++
  }

  get ends(): number {
    return this.#ends
  }

  /** When it ended the first time (`performance.now()`). */
  get sinceMs(): number {
    return this.#firstEndMs
  }

  /** True while it is in the loop: it is down, or up for too short a time (`upMs`; 0 while it is down) to be believed. */
  isIn(upMs: number): boolean {
    const provenMs = Math.min(steadyUptimeMs, Math.max(provenMsMin, 2 * this.#longestUpMs))
    return this.#ends > 1 && upMs < provenMs
  }
}
