/**
 * Who was refused at the door, without a flood: whoever is not let in must not fill the disk. Each refusal has a line
 * as long as few have come; those beyond are counted, and told together once a minute.
 */

const windowMs = 60_000
/** Lines for one address within a minute, and for all of them together. */
const perAddressMax = 10
const linesMax = 60

/** Refusals of one minute that had no line, by code. */
export type UntoldRefusals = Readonly<Record<string, number>>

export class Refusals {
  /** When this minute ends, which the first refusal begins; null where none has come. */
  #untilMs: number | null = null
  #lines = 0
  /** Of those that have lines, so that they are few. */
  readonly #byAddress = new Map<string, number>()
  #untold: Record<string, number> = {}

  /** Whether this one has a line of its own. `code` is of the catalogue, `nowMs` monotonic. */
  note(address: string, code: string, nowMs: number): boolean {
    this.#untilMs ??= nowMs + windowMs
    const lines = this.#byAddress.get(address) ?? 0
    if (this.#lines < linesMax && lines < perAddressMax) {
      this.#lines++
      this.#byAddress.set(address, lines + 1)
      return true
    }
    this.#untold[code] = (this.#untold[code] ?? 0) + 1
    return false
  }

  /** At the end of a minute those that had no line; null when there are none, or it is not over yet. */
  sweep(nowMs: number): UntoldRefusals | null {
    return this.#untilMs === null || nowMs < this.#untilMs ? null : this.end()
  }

  /** The same at once, and a new minute begins. */
  end(): UntoldRefusals | null {
    const untold = this.#untold
    this.#untilMs = null
    this.#untold = {}
    this.#lines = 0
    this.#byAddress.clear()
    return Object.keys(untold).length === 0 ? null : untold
  }
}
