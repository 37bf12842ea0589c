/** The answer to one HTTP request, whoever has carried it, and what can go wrong on its way. */
import { errorCode, GatewayError } from '../../../../../errors.ts'
import { type MessagePieces, textOf } from '../../../../../protocol/large-answer.ts'

/**
 * Its body is read once: as a whole, piece by piece, or not at all. Whoever does none of these keeps a
 * connection. Promises are only made where something must be waited for.
 */
export interface HttpAnswer {
  readonly status: number
  /** What was asked, with the name of the server where the connection was made to an address. */
  readonly url: URL
  /** The value of a header, its name in lower case; several are joined by a comma. */
  header(name: string): string | null
  /** The whole body; null when it has more than `bytesMax`. Rejects with a GatewayError when it breaks off. */
  pieces(bytesMax: number): MessagePieces | null | Promise<MessagePieces | null>
  /**
   * The next bytes of the body, null behind the last. Rejects with a GatewayError when it breaks off. Not to
   * be called again before it was answered. Bytes that nobody asks for block the server, within a bound.
   */
  next(): Uint8Array | null | Promise<Uint8Array | null>
  /** Gives the connection back, or up, without what is unread. */
  discard(): void
}

/** The text of a body, or null when it is larger than `bytesMax`. Rejects as `pieces` does. */
export async function readBody(answer: HttpAnswer, bytesMax: number): Promise<string | null> {
  const pieces = await answer.pieces(bytesMax)
  return pieces && textOf(pieces)
}

/** The media type of an answer, lower case, without parameters. */
export function mediaType(answer: HttpAnswer): string {
  const value = answer.header('content-type')
  // What nearly all servers write.
  if (value === 'application/json' || value === null) return value ?? ''
  const end = value.indexOf(';')
  return (end < 0 ? value : value.slice(0, end)).trim().toLowerCase()
}

/** What the system says when it could not even connect, so that nothing was sent. */
const unconnected: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
])

/** True for an error after which nothing was sent. */
export function neverConnected(thrown: unknown): boolean {
  return unconnected.has(errorCode(thrown) ?? '')
}

/** Seconds after which a server that could not be reached may be tried again, when nothing better is known. */
const retryAfterSeconds = 1

/** What the system or fetch reports, as data. The message of fetch itself may hold the URL. */
export function networkError(url: URL, thrown: unknown): GatewayError {
  const code = errorCode(thrown)
  if (neverConnected(thrown)) {
    const details = `${url.host} cannot be reached (${code}).`
    return new GatewayError('SERVER_UNAVAILABLE', details, retryAfterSeconds)
  }
  return brokenConnection(url, code ?? (thrown instanceof Error ? thrown.name : 'unknown reason'))
}

/** `why` is a code of the system, or a few words that hold nothing of what was sent. */
export function brokenConnection(url: URL, why: string): GatewayError {
  return new GatewayError('UPSTREAM_CLOSED', `The connection to ${url.host} failed (${why}).`)
}

/** The server answered with something else, in a few words. */
export function notAnAnswer({ url }: HttpAnswer, what: string): GatewayError {
  const details = `${url.host} answered with ${what} where a JSON-RPC message was due.`
  return new GatewayError('UPSTREAM_ERROR', details)
}

/** What a request ends with that was given up, on every way. */
export const givenUp = 'AbortError'
