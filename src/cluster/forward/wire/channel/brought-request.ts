/** A request that came on a channel, as the routes know requests. */

const post = { method: 'POST' } as const

export class BroughtRequest extends Request {
  readonly #headers: Headers
  readonly #text: string
  #givenUp: AbortController | null = null
  #isGivenUp = false

  /** A POST to this URL. The headers may be those of others as well. */
  constructor(url: string, headers: Headers, text: string) {
    super(url, post)
    this.#headers = headers
    this.#text = text
  }

  /** Says what `content-length` does, which is not among the headers. */
  get bodyBytes(): number {
    return Buffer.byteLength(this.#text)
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
