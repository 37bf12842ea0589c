/** The answer to a request that fetch has carried: over TLS, or through an outgoing proxy. */
import { GatewayError } from '../../../../errors.ts'
import { mediaTypeOf } from '../../../../net/http1-head.ts'
import type { OutgoingProxy } from '../../../../net/outgoing-proxy.ts'
import type { MessagePieces } from '../../../../protocol/large-answer.ts'
import { type AnswerRoom, ArrivingBytes, type HttpAnswer, networkError } from './answer/answer.ts'
import type { Cancellation } from './answer/cancellation.ts'

/** In PEM form. What fetch keeps open is kept apart by all of it: a connection that one has made serves no other. */
export interface TlsMaterial {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

export interface FetchedRequest {
  readonly method: string
  readonly headers: Headers
  readonly body: string | null
  readonly cancellation: Cancellation
  readonly proxy: OutgoingProxy | null
  /** Authorities and a certificate of the gateway's for this origin alone; null for none. */
  readonly tls: TlsMaterial | null
  /** True for a connection that no request has used before. */
  readonly fresh: boolean
}

/** Rejects with what fetch rejects with. `url` is the one with the name, `href` where the request goes. */
export async function fetchAnswer(url: URL, href: string, request: FetchedRequest): Promise<HttpAnswer> {
  const { method, headers, body, cancellation, proxy, tls, fresh } = request
  const aborter = new AbortController()
  const listener = { cancelled: () => aborter.abort() }
  cancellation.add(listener)
  const over = (): void => cancellation.remove(listener)
  try {
    const response = await fetch(href, {
      method,
      headers,
      signal: aborter.signal,
      redirect: 'manual',
      // The answer of a tool may take an hour; bounds on time belong to the connection.
      timeout: false,
      // Bytes are counted as they come: a small compressed body must not unfold into gigabytes.
      decompress: false,
      body,
      keepalive: !fresh,
      ...(proxy === null ? {} : { proxy: proxy.href }),
      ...(tls === null ? {} : { tls }),
    } as RequestInit)
    return new FetchedAnswer(url, response, proxy?.name ?? null, over)
  } catch (thrown) {
    over()
    throw thrown
  }
}

class FetchedAnswer implements HttpAnswer {
  readonly url: URL
  readonly proxy: string | null
  readonly #response: Response
  /** Takes the answer off the list of those to be told of a cancel. */
  readonly #over: () => void
  #reader: { read(): Promise<{ value?: Uint8Array | undefined }>; cancel(): Promise<void> } | null = null

  constructor(url: URL, response: Response, proxy: string | null, over: () => void) {
    this.url = url
    this.proxy = proxy
    this.#response = response
    this.#over = over
    if (response.body === null) over()
  }

  get status(): number {
    return this.#response.status
  }

  get mediaType(): string {
    return mediaTypeOf(this.header('content-type') ?? '')
  }

  header(name: string): string | null {
    return this.#response.headers.get(name)
  }

  async pieces(
    bytesMax: number,
    room: AnswerRoom | null = null,
    requestId = 0,
  ): Promise<MessagePieces | null> {
    const announced = this.header('content-length')
    if (announced !== null && Number(announced) > bytesMax) {
      this.discard()
      return null
    }
    const held = new ArrivingBytes(room, requestId)
    try {
      if (announced === null) return await held.collect(this, bytesMax)
      held.grow(Number(announced))
      return [await this.#response.bytes()]
    } catch (thrown) {
      if (thrown instanceof GatewayError) {
        this.discard()
        throw thrown
      }
      throw networkError(this.url, thrown, this.proxy)
    } finally {
      held.close()
      this.#over()
    }
  }

  async next(): Promise<Uint8Array | null> {
    const { body } = this.#response
    if (body === null) return null
    this.#reader ??= body.getReader()
    try {
      const { value } = await this.#reader.read()
      if (value === undefined) this.#over()
      return value ?? null
    } catch (thrown) {
      this.#over()
      throw networkError(this.url, thrown, this.proxy)
    }
  }

  discard(): void {
    this.#over()
    // A body with a reader can be cancelled by that alone. Rejects when it has ended by itself.
    const body = this.#reader ?? this.#response.body
    body?.cancel().catch(() => {})
  }
}
