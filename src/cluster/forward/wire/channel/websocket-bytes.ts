/**
 * The bytes of a WebSocket at its client's end (RFC 6455): messages to send, and those that have come. The key with
 * which a client masks what it sends is zero, which changes nothing: masks keep the scripts of a web page from writing
 * what a proxy takes for a request, and no script is here.
 *
 * Pure.
 */

const opcodes = { text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const
const isFinal = 0x80
const isMasked = 0x80
const maskBytes = 4
const longest = { short: 125, medium: 0xffff } as const
const medium = 126
const long = 127

export type WebSocketMessage =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'binary' | 'ping'; readonly bytes: Buffer }
  | { readonly kind: 'close' }

/** A text as one message. */
export function textMessage(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const bytes = message(opcodes.text, length)
  bytes.write(text, bytes.length - length)
  return bytes
}

/** The answer to a ping. */
export function pongMessage(ping: Uint8Array): Buffer {
  const bytes = message(opcodes.pong, ping.length)
  bytes.set(ping, bytes.length - ping.length)
  return bytes
}

/** With room for so many bytes at its end. */
function message(opcode: number, length: number): Buffer {
  const extended = length <= longest.short ? 0 : length <= longest.medium ? 2 : 8
  const bytes = Buffer.allocUnsafe(2 + extended + maskBytes + length)
  bytes[0] = isFinal | opcode
  if (extended === 0) bytes[1] = isMasked | length
  else if (extended === 2) {
    bytes[1] = isMasked | medium
    bytes.writeUInt16BE(length, 2)
  } else {
    bytes[1] = isMasked | long
    bytes.writeUIntBE(0, 2, 2)
    bytes.writeUIntBE(length, 4, 6)
  }
  bytes.fill(0, 2 + extended, 2 + extended + maskBytes)
  return bytes
}

export class WebSocketReader {
  readonly #bytesMax: number
  #pieces: Buffer[] = []
  #bytes = 0
  /** So many must be there before anything can be read. */
  #needed = 2

  /** No message of the other end has more bytes. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** The messages that these bytes complete; null where they are none of this protocol, after which nothing is read. */
  push(chunk: Buffer): readonly WebSocketMessage[] | null {
    this.#pieces.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#needed) return []
    let rest = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces)
    const messages: WebSocketMessage[] = []
    for (;;) {
      const head = headOf(rest)
      if (head !== null && (head.length > this.#bytesMax || (rest[1] ?? 0) >= isMasked)) return null
      if (head === null || rest.length < head.bytes + head.length) {
        this.#needed = head === null ? rest.length + 1 : head.bytes + head.length
        break
      }
      const message = messageOf(rest[0] ?? 0, rest.subarray(head.bytes, head.bytes + head.length))
      if (message === null) return null
      if (message !== 'ignored') messages.push(message)
      rest = rest.subarray(head.bytes + head.length)
    }
    this.#pieces = rest.length === 0 ? [] : [rest]
    this.#bytes = rest.length
    return messages
  }
}

/** How long the head of a message is, and the message; null while that is not known. */
function headOf(bytes: Buffer): { readonly bytes: number; readonly length: number } | null {
  if (bytes.length < 2) return null
  const short = (bytes[1] ?? 0) & 0x7f
  if (short < medium) return { bytes: 2, length: short }
  if (short === medium) return bytes.length < 4 ? null : { bytes: 4, length: bytes.readUInt16BE(2) }
  if (bytes.length < 10) return null
  // More than six bytes say is beyond every bound.
  const length = bytes.readUInt16BE(2) > 0 ? Number.POSITIVE_INFINITY : bytes.readUIntBE(4, 6)
  return { bytes: 10, length }
}

/** Messages in several parts are not sent by the other end. */
function messageOf(first: number, bytes: Buffer): WebSocketMessage | 'ignored' | null {
  switch (first ^ isFinal) {
    case opcodes.text:
      return { kind: 'text', text: bytes.toString() }
    case opcodes.binary:
      return { kind: 'binary', bytes }
    case opcodes.ping:
      return { kind: 'ping', bytes }
    case opcodes.pong:
      return 'ignored'
    case opcodes.close:
      return { kind: 'close' }
    default:
      return null
  }
}
