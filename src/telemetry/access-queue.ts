/**
 * Access lines that wait to be formed. An answer need not wait for its own line, and lines formed in a row cost
 * less than each by itself between two requests.
 */
import type { AccessEntry } from './access-line.ts'

/** As long as the sink gathers lines for one write. */
const gatherMs = 20
/** So many are formed at once, whatever the time. */
const entriesMax = 128

export class AccessQueue {
  readonly #form: (entries: readonly AccessEntry[]) => void
  #entries: AccessEntry[] = []
  #timer: ReturnType<typeof setTimeout> | null = null

  /** `form` is given the entries in the order in which they came, never none. */
  constructor(form: (entries: readonly AccessEntry[]) => void) {
    this.#form = form
  }

  add(entry: AccessEntry): void {
    if (this.#entries.push(entry) >= entriesMax) this.drain()
    else this.#timer ??= setTimeout(() => this.drain(), gatherMs)
  }

  /** Forms now what waits, so that another line can follow it. */
  drain(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#entries.length === 0) return
    const entries = this.#entries
    this.#entries = []
    this.#form(entries)
  }
}
