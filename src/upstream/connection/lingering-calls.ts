/** Answered calls whose task goes on and may still report progress (2025-11-25, basic/utilities/tasks). */
import type { Call } from './calls.ts'

const CALLS_MAX = 256

export class LingeringCalls {
  readonly #byId = new Map<number, Call>()

  /** Keeps a call; the oldest goes when there are too many. */
  add(id: number, call: Call): void {
    if (this.#byId.size >= CALLS_MAX) {
      for (const oldest of this.#byId.keys()) {
        this.#byId.delete(oldest)
        break
      }
    }
    this.#byId.set(id, call)
  }

  get(id: number): Call | undefined {
    return this.#byId.get(id)
  }

  clear(): void {
    this.#byId.clear()
  }
}
