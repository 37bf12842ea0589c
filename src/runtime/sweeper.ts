/**
 * One timer for everything that expires: calls, sessions, lanes, heartbeats.
 *
 * A timer per call costs the hot path; a sweep over what is open costs a few microseconds four times a second.
 * Whoever owns expiring state adds one function and gets the time handed in.
 */

const sweepIntervalMs = 250

export class Sweeper {
  readonly #failed: (thrown: unknown) => void
  readonly #sweeps = new Set<(nowMs: number) => void>()
  #timer: ReturnType<typeof setInterval> | null = null

  /** `failed` is told what a sweep has thrown: a fault in one must not keep the others from expiring anything. */
  constructor(failed: (thrown: unknown) => void) {
    this.#failed = failed
  }

  /** Calls `sweep` about four times a second until the returned function is called. */
  add(sweep: (nowMs: number) => void): () => void {
    this.#sweeps.add(sweep)
    this.#timer ??= setInterval(() => this.#run(), sweepIntervalMs)
    return () => {
      this.#sweeps.delete(sweep)
      if (this.#sweeps.size === 0) this.stop()
    }
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
  }

  #run(): void {
    const nowMs = Date.now()
    for (const sweep of this.#sweeps) {
      try {
        sweep(nowMs)
      } catch (thrown) {
        this.#failed(thrown)
      }
    }
  }
}
