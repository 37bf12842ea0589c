/** A request that came on a channel, as the routes know requests. */

/** Before the path of a request that came on no address of its own. */
export const broughtOrigin = 'http://gateway'

const post = { method: 'POST' } as const

export class BroughtRequest extends Request {
  readonly #headers: Headers
  readonly #text: string
  #givenUp: AbortController | null = null
  #isGivenUp = false

  /** A POST to this path and query. */
  constructor(target: string, headers: Readonly<Record<string, string>>, text: string) {
    super(broughtOrigin + target, post)
    this.#headers = new Headers(headers)
    // By which the routes hold it to their bound.
    this.#headers.set('content-length', String(Buffer.byteLength(text)))
    this.#text = text
  }

  // Properties of the class above, whose types let no accessor take their place.
  static {
    const own = {
      headers: { get: (request: BroughtRequest) => request.#headers },
      signal: { get: (request: BroughtRequest) => request.#signalOf() },
    }
    for (const [name, { get }] of Object.entries(own))
      Object.defineProperty(BroughtRequest.prototype, name, {
        get(this: BroughtRequest) {
          return get(this)
        },
      })
    Object.defineProperty(BroughtRequest.prototype, 'text', {
      value(this: BroughtRequest) {
        return Promise.resolve(this.#text)
      },
    })
  }

  /** Made when it is asked for: most requests are answered before anybody wants to know whether their client is gone. */
  #signalOf(): AbortSignal {
    if (this.#givenUp === null) {
      this.#givenUp = new AbortController()
      if (this.#isGivenUp) this.#givenUp.abort()
    }
    return this.#givenUp.signal
  }

  get isGivenUp(): boolean {
    return this.#isGivenUp
  }

  /** Nobody waits for its answer any more. */
  giveUp(): void {
    this.#isGivenUp = true
    this.#givenUp?.abort()
  }
}
