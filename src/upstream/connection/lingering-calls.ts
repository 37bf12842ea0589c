/** Answered calls whose task goes on and may still report progress (2025-11-25, basic/utilities/tasks). */
import type { UpstreamCall } from './calls.ts'

const CALLS_MAX = 256

export class LingeringCalls {
  readonly #byId = new Map<number, UpstreamCall>()

  /** Keeps a call; the oldest goes when there are too many. */
  add(id: number, call: UpstreamCall): void {
    if (this.#byId.size >= CALLS_MAX) {
      for (const oldest of this.#byId.keys()) {
        this.#byId.delete(oldest)
        break
      }
    }
    this.#byId.set(id, call)
  }

  get(id: number): UpstreamCall | undefined {
    return this.#byId.get(id)
  }

  clear(): void {
    this.#byId.clear()
  }
}
