/**
 * Reads a request body once, within a bound.
 *
 * A client chooses how many bytes it sends; the gateway chooses how many it holds. The announced
 * length is judged before anything is read, and a chunked body, which announces nothing, is counted
 * as it arrives and dropped at the bound.
 */
import { GatewayError, reasonOf } from '../errors.ts'
import { noteBodyRead } from './context.ts'

/** A request; one that another member of a cluster has brought says itself how long its body is. */
type WithBody = Request & { readonly bodyBytes?: number }

/**
 * The body as text (UTF-8; invalid bytes become U+FFFD, a leading byte order mark is dropped).
 * Rejects with PAYLOAD_TOO_LARGE past `bodyBytesMax` bytes, with BAD_REQUEST when it cannot be read.
 */
export async function readBodyText(request: WithBody, bodyBytesMax: number): Promise<string> {
  const announced = request.bodyBytes ?? request.headers.get('content-length')
  let text = ''
  if (announced === null) {
    const { body } = request
    if (body !== null) text = await readCounted(body, bodyBytesMax)
  } else {
    // Bun has refused malformed lengths and takes no byte more than announced, so one call is enough.
    if (!(Number(announced) <= bodyBytesMax)) throw tooLarge(bodyBytesMax)
    try {
      text = await request.text()
    } catch (error) {
      throw unreadable(error)
    }
  }
  noteBodyRead(request)
  return text
}

/** Whether much of a body may still be on its way after the answer, which Bun takes and throws away. */
export function hasUnreadBody(request: Request, response: Response): boolean {
  // A body that was begun was read to its end, unless it was too large.
  if (request.bodyUsed && response.status !== 413) return false
  const { headers } = request
  return headers.get('transfer-encoding') !== null || Number(headers.get('content-length')) > leftoverBytesMax
}

/** This much is let be: it comes with the headers or soon after, and the connection is worth keeping. */
const leftoverBytesMax = 64 * 1024

/** The error for a body past the bound, the same words whether announced or counted. */
export function tooLarge(bodyBytesMax: number): GatewayError {
  return new GatewayError(
    'PAYLOAD_TOO_LARGE',
    `The request body may have at most ${bodyBytesMax} bytes (limits.body_bytes_max).`,
  )
}

function unreadable(error: unknown): GatewayError {
  return new GatewayError('BAD_REQUEST', `The request body could not be read: ${reasonOf(error)}`)
}

async function readCounted(body: ReadableStream<Uint8Array>, bodyBytesMax: number): Promise<string> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  const parts: string[] = []
  let bytes = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      bytes += value.byteLength
      if (bytes > bodyBytesMax) throw tooLarge(bodyBytesMax)
      parts.push(decoder.decode(value, { stream: true }))
    }
  } catch (error) {
    // Not awaited: a peer that has gone may never settle the cancel.
    reader.cancel().catch(() => {})
    throw error instanceof GatewayError ? error : unreadable(error)
  }
  parts.push(decoder.decode())
  return parts.join('')
}
