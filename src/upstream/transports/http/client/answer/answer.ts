/** The answer to one HTTP request, whoever has carried it, and what can go wrong on its way. */
import { errorCode, GatewayError, noRoomError } from '../../../../../errors.ts'
import { type MessagePieces, textOf } from '../../../../../protocol/large-answer.ts'
import { heldBytesMin, type LedgerEntry } from '../../../../../runtime/byte-ledger.ts'
import { largeGarbage } from '../../../../../runtime/large-garbage.ts'
import { meansUnsent, reachRemedy } from './remedy.ts'

/**
 * Its body is read once: as a whole, piece by piece, or not at all. Whoever does none of these keeps a
 * connection. Promises are only made where something must be waited for.
 */
export interface HttpAnswer {
  readonly status: number
  /** What was asked, with the name of the server where the connection was made to an address. */
  readonly url: URL
  /** HOST:PORT of the outgoing proxy that has brought it; null or absent when none has. */
  readonly proxy?: string | null
  /** The value of a header, its name in lower case; several are joined by a comma. */
  header(name: string): string | null
  /** Lower case, without parameters; empty when the answer names none. */
  readonly mediaType: string
  /**
   * The whole body; null when it has more than `bytesMax`. Rejects with a GatewayError when it breaks off, or when
   * `room` for the large answer to a request is asked for and there is none.
   */
  pieces(
    bytesMax: number,
    room?: AnswerRoom | null,
    requestId?: number,
  ): MessagePieces | null | Promise<MessagePieces | null>
  /**
   * The next bytes of the body, null behind the last. Rejects with a GatewayError when it breaks off. Not to
   * be called again before it was answered. Bytes that nobody asks for block the server, within a bound.
   */
  next(): Uint8Array | null | Promise<Uint8Array | null>
  /**
   * The reader will not come back for a while: the server blocks at once, until all that has come is taken and `next`
   * is called again. Answers how many bytes that are. Absent where the way that brings the answer cannot be stopped.
   */
  stall?(): number
  /** Gives the connection back, or up, without what is unread. */
  discard(): void
}

/** For whom a body arrives: the bytes of a large one are held in the name of that client. */
export interface AnswerRoom {
  /** An entry for the answer to this request, or null when it is no client's. */
  openEntry(requestId: number): LedgerEntry | null
}

/** Bytes of a large answer while it arrives, in the name of whoever waits for it. */
export class ArrivingBytes {
  readonly #room: AnswerRoom | null
  readonly #requestId: number
  #entry: LedgerEntry | null = null

  constructor(room: AnswerRoom | null, requestId: number) {
    this.#room = room
    this.#requestId = requestId
  }

  /** Throws BYTES_EXHAUSTED when so many cannot be held. */
  grow(bytes: number): void {
    if (bytes < heldBytesMin || this.#room === null) return
    this.#entry ??= this.#room.openEntry(this.#requestId)
    if (this.#entry?.resize(bytes) === false) throw noRoomError()
  }

  /** The body of an answer whose size nobody has announced; null, and the rest unread, when it is larger. */
  async collect(answer: HttpAnswer, bytesMax: number): Promise<MessagePieces | null> {
    const pieces: Uint8Array[] = []
    let bytes = 0
    for (let piece = await answer.next(); piece !== null; piece = await answer.next()) {
      bytes += piece.length
      if (bytes > bytesMax) {
        largeGarbage.discarded(bytes)
        answer.discard()
        return null
      }
      this.grow(bytes)
      pieces.push(piece)
    }
    return pieces
  }

  /** The answer is whole, or will not be. */
  close(): void {
    this.#entry?.close()
  }
}

/** The text of a body, or null when it is larger than `bytesMax`. Rejects as `pieces` does. */
export async function readBody(answer: HttpAnswer, bytesMax: number): Promise<string | null> {
  const pieces = await answer.pieces(bytesMax)
  return pieces && textOf(pieces)
}

/** Who answered, for people: a proxy in between may have written the answer itself. */
export function answererOf({ url, proxy }: Pick<HttpAnswer, 'url' | 'proxy'>): string {
  return proxy === undefined || proxy === null ? url.host : `${url.host}, through the proxy ${proxy},`
}

/** True for an error after which nothing was sent. */
export function neverConnected(thrown: unknown): boolean {
  return meansUnsent(errorCode(thrown) ?? '')
}

/** Seconds after which a server that could not be reached may be tried again, when nothing better is known. */
const retryAfterSeconds = 1

/**
 * What the system or fetch reports, as data. The message of fetch itself may hold the URL. `proxy` is the HOST:PORT
 * of the outgoing proxy that was to carry the request.
 */
export function networkError(url: URL, thrown: unknown, proxy: string | null = null): GatewayError {
  const code = errorCode(thrown)
  if (neverConnected(thrown)) {
    const way = proxy === null ? '' : ` through the proxy ${proxy}`
    const remedy = reachRemedy(code ?? '', url, proxy !== null)
    const details = `${url.host} cannot be reached${way} (${unreachedBecause(code, thrown)})${remedy === '' ? '' : `: ${remedy}`}.`
    return new GatewayError('SERVER_UNAVAILABLE', details, retryAfterSeconds)
  }
  return brokenConnection(url, code ?? (thrown instanceof Error ? thrown.name : 'unknown reason'), proxy)
}

function unreachedBecause(code: string | undefined, thrown: unknown): string {
  if (code === 'UnsupportedProxyProtocol') return 'it is neither an http nor an https proxy'
  if (code !== 'ERR_PROXY_TUNNEL') return code ?? ''
  // Of what fetch says of the proxy's answer, the status alone: the rest is the proxy's own words.
  const status = /: ([1-5]\d\d)\b/.exec(thrown instanceof Error ? thrown.message : '')?.[1]
  return status === '407' ? proxyCredentials : `the proxy answered CONNECT with HTTP ${status ?? 'nothing'}`
}

/** What to do about HTTP 407, which only a proxy answers. */
export const proxyCredentials =
  'the proxy answered HTTP 407: put its user and password into the URL in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY'

/** `why` is a code of the system, or a few words that hold nothing of what was sent. */
export function brokenConnection(url: URL, why: string, proxy: string | null = null): GatewayError {
  const way = proxy === null ? '' : ` through the proxy ${proxy}`
  return new GatewayError('UPSTREAM_CLOSED', `The connection to ${url.host}${way} failed (${why}).`)
}

/** The server answered with something else than a message. */
export class NotAnAnswer extends GatewayError {}

/** The server answered with something else, in a few words. */
export function notAnAnswer(answer: HttpAnswer, what: string): NotAnAnswer {
  const details = `${answererOf(answer)} answered with ${what} where a JSON-RPC message was due.`
  return new NotAnAnswer('UPSTREAM_ERROR', details)
}

/** What a request ends with that was given up, on every way. */
export const givenUp = 'AbortError'
