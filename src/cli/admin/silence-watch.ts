/** How long a command waits for a gateway that says nothing: as long as that answers anything to anybody. */
import { directWhenLocal, unreachableReason } from '../gateway-fetch.ts'

/** Silence after which the gateway is asked whether it lives, and the longest wait for a word to that. */
const silenceMs = 5_000
const livingMsMax = 5_000

/** Why nothing at all answers there, null where something does; a gateway that was stopped takes connections and says nothing. */
export async function whyUnanswered(base: string): Promise<string | null> {
  try {
    const signal = AbortSignal.timeout(livingMsMax)
    const response = await fetch(`${base}/livez`, { redirect: 'manual', signal, ...directWhenLocal(base) })
    await response.body?.cancel()
    return null
  } catch (thrown) {
    return unreachableReason(thrown)
  }
}

/**
 * Ends a request to a gateway that hangs. A long silence is none of its own: calls, starts and logs have their time, and
 * the gateway answers others meanwhile.
 */
export class SilenceWatch implements Disposable {
  readonly #base: string
  readonly #ended = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined
  #disposed = false
  #heardCount = 0

  constructor(base: string) {
    this.#base = base
    this.heard()
  }

  /** Aborted, with a reason that reads as one of time, when nobody answers any more. */
  get signal(): AbortSignal {
    return this.#ended.signal
  }

  /** To be called with each byte. */
  heard(): void {
    this.#heardCount += 1
    clearTimeout(this.#timer)
    if (!this.#disposed) this.#timer = setTimeout(() => void this.#look(), silenceMs)
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    clearTimeout(this.#timer)
  }

  async #look(): Promise<void> {
    const before = this.#heardCount
    const answers = (await whyUnanswered(this.#base)) === null
    if (this.#disposed || before !== this.#heardCount) return
    if (answers) this.heard()
    else this.#ended.abort(new DOMException('it does not answer', 'TimeoutError'))
  }
}
