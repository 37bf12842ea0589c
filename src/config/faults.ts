/**
 * Collects what is wrong with a configuration, so that a person sees all of it at once and not one fault a start.
 * Bounded: a file of another kind, given by mistake, has as many faults as lines.
 */
import { ConfigError } from '../errors.ts'

/** How many are told: whoever has mended these looks again. */
export const faultsMax = 20
/** Keys of a file stand in its faults, and may be of any length. */
const lineLengthMax = 1_000

export class Faults {
  readonly #lines: string[] = []
  #more = 0
  #unread = false
  #exitCode: 1 | 2 = 1

  get any(): boolean {
    return this.#lines.length > 0
  }

  /** Each a line for a person; the last one counts those that are left out. */
  get lines(): readonly string[] {
    if (this.#unread) return [...this.#lines, 'and more']
    return this.#more === 0 ? this.#lines : [...this.#lines, `and ${this.#more} more`]
  }

  /** Notes that not everything was looked at, because there are more faults than are told anyway. */
  stopCounting(): void {
    this.#unread = true
  }

  /**
   * @param fault the line, or what makes it: to look for a near name is dear, and done only for those that are told.
   * @param exitCode 2 for a fault of the command line, which then is that of the process.
   */
  add(fault: string | (() => string), exitCode: 1 | 2 = 1): void {
    if (exitCode === 2) this.#exitCode = 2
    if (this.#lines.length === faultsMax) {
      this.#more += 1
      return
    }
    const line = typeof fault === 'string' ? fault : fault()
    this.#lines.push(line.length > lineLengthMax ? `${line.slice(0, lineLengthMax - 1)}…` : line)
  }

  /** What `read` resolves with; undefined where it rejects with a ConfigError, whose faults are kept. */
  async attempt<T>(read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read()
    } catch (thrown) {
      if (!(thrown instanceof ConfigError)) throw thrown
      for (const line of thrown.faults) this.add(line, thrown.exitCode)
      return undefined
    }
  }

  /** Throws a ConfigError with all of them, if there are any. */
  raise(): void {
    if (this.any) throw new ConfigError(this.lines, this.#exitCode)
  }
}
