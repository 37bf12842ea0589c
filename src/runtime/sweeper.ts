/**
 * One timer for everything that expires: calls, sessions, lanes, heartbeats.
 *
 * A timer per call costs the hot path; a sweep over what is open costs a few microseconds four times a second.
 * Whoever owns expiring state adds one function and gets the time handed in, in monotonic milliseconds.
 */
import { readingMs, standstillMs } from './patience.ts'

const sweepIntervalMs = 250

export class Sweeper {
  readonly #failed: (thrown: unknown) => void
  readonly #late: (lateMs: number) => void
  readonly #sweeps = new Set<(nowMs: number) => void>()
  #timer: ReturnType<typeof setInterval> | null = null
  #ranAtMs = 0
  #waitUntilMs = 0

  /**
   * `failed` is told what a sweep has thrown: a fault in one must not keep the others from expiring anything. `late`
   * is told how late the event loop was for each.
   */
  constructor(failed: (thrown: unknown) => void, late: (lateMs: number) => void = () => {}) {
    this.#failed = failed
    this.#late = late
  }

  /** Calls `sweep` about four times a second until the returned function is called. */
  add(sweep: (nowMs: number) => void): () => void {
    this.#sweeps.add(sweep)
    if (this.#timer === null) this.#start()
    return () => {
      this.#sweeps.delete(sweep)
      if (this.#sweeps.size === 0) this.stop()
    }
  }

  #start(): void {
    this.#ranAtMs = performance.now()
    this.#timer = setInterval(() => this.#run(), sweepIntervalMs)
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
  }

  #run(): void {
    const nowMs = performance.now()
    const lateMs = Math.max(0, nowMs - this.#ranAtMs - sweepIntervalMs)
    const stoodStill = lateMs >= standstillMs
    this.#late(lateMs)
    this.#ranAtMs = nowMs
    // What came while the process stood still is read before anything is judged (patience.ts), but not for ever.
    if (stoodStill && nowMs - this.#waitUntilMs >= readingMs) this.#waitUntilMs = nowMs + readingMs
    if (nowMs < this.#waitUntilMs) return
    for (const sweep of this.#sweeps) {
      try {
        sweep(nowMs)
      } catch (thrown) {
        this.#failed(thrown)
      }
    }
  }
}
