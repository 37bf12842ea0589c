/**
 * Slows a server down that says more than anybody wants to hear.
 *
 * One that floods its output would otherwise keep the whole gateway busy: at 100 MB/s other servers' calls were
 * seen to take 60 times as long. What was asked for is free: answers and progress of calls, however large. The
 * rest is read at a bounded rate, and the server waits on its pipe meanwhile, as on any reader that is slow.
 */

/** What may be said at once: a start-up in debug mode, a large list of changes. */
const burstBytes = 16 * 1024 * 1024
const bytesPerSecond = 8 * 1024 * 1024
/** Shorter pauses cost more than they slow down. */
const pauseMsMin = 20

/** A stream that can be stopped for a while. */
export interface Pausable {
  pause(): void
  resume(): void
}

export class FloodGuard {
  readonly #stream: Pausable
  #onSlowed: (() => void) | null
  #allowedBytes = burstBytes
  #chargedAtMs = performance.now()
  #resume: ReturnType<typeof setTimeout> | null = null
  #stopped = false

  /** `onSlowed` is called the first time that the stream has to wait. */
  constructor(stream: Pausable, onSlowed: (() => void) | null = null) {
    this.#stream = stream
    this.#onSlowed = onSlowed
  }

  /** Notes bytes that nobody asked for. */
  charge(bytes: number): void {
    const nowMs = performance.now()
    const earned = ((nowMs - this.#chargedAtMs) / 1000) * bytesPerSecond
    this.#chargedAtMs = nowMs
    this.#allowedBytes = Math.min(burstBytes, this.#allowedBytes + earned) - bytes
    if (this.#allowedBytes >= 0 || this.#resume !== null || this.#stopped) return
    this.#stream.pause()
    this.#onSlowed?.()
    this.#onSlowed = null
    const pauseMs = Math.max(pauseMsMin, (-this.#allowedBytes / bytesPerSecond) * 1000)
    this.#resume = setTimeout(() => {
      this.#resume = null
      this.#stream.resume()
    }, pauseMs)
    this.#resume.unref()
  }

  /** The stream has ended, or what it still holds is wanted. */
  stop(): void {
    this.#stopped = true
    if (this.#resume === null) return
    clearTimeout(this.#resume)
    this.#resume = null
    this.#stream.resume()
  }
}
