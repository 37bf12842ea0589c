/**
 * What two members tell each other on a channel: small requests and their answers, many in one text.
 *
 * | from | kind | value | head | body |
 * | --- | --- | --- | --- | --- |
 * | front | `R` a request | | the id in the logs, then what it comes with | the message |
 * | front | `C` it is given up | | | |
 * | front | `W` its reader has taken so much more | bytes | | |
 * | owner | `A` the whole answer | status | headers | text |
 * | owner | `H` its head; pieces follow | status | headers | |
 * | owner | `E` the last piece has come | | | |
 * | owner | `X` it broke off | | | |
 *
 * Between them an owner sends pieces of answers as bytes: the number of the request, and what has come. Each front
 * counts its requests itself. Both ends count characters as JavaScript does, so that nothing is escaped.
 *
 * Pure.
 */

export type FrameKind = 'R' | 'C' | 'W' | 'A' | 'H' | 'E' | 'X'

export interface Frame {
  readonly kind: FrameKind
  /** The request that it is about. */
  readonly id: number
  readonly value: number
  readonly head: string
  readonly body: string
}

export function frameText(kind: FrameKind, id: number, value = 0, head = '', body = ''): string {
  return `${kind}${id} ${value} ${head.length} ${body.length}\n${head}${body}`
}

/** By the character that it begins with. */
const kinds: ReadonlyMap<string, FrameKind> = new Map(
  (['R', 'C', 'W', 'A', 'H', 'E', 'X'] as const).map((kind) => [kind, kind]),
)
const digitsMax = 15
const zero = 0x30
const space = 0x20
const lineFeed = 0x0a

/** The frames of a text in their order; null where it is none. */
export function readFrames(text: string): readonly Frame[] | null {
  const frames: Frame[] = []
  const numbers = new Numbers(text)
  for (let at = 0; at < text.length; ) {
    const kind = kinds.get(text.charAt(at))
    const id = numbers.read(at + 1, space)
    const value = numbers.read(numbers.next, space)
    const headChars = numbers.read(numbers.next, space)
    const bodyChars = numbers.read(numbers.next, lineFeed)
    const body = numbers.next + headChars
    if (kind === undefined || numbers.failed || body + bodyChars > text.length) return null
    const head = text.slice(numbers.next, body)
    frames.push({ kind, id, value, head, body: text.slice(body, body + bodyChars) })
    at = body + bodyChars
  }
  return frames
}

/** Reads numbers out of a text, each up to the character behind it. */
class Numbers {
  readonly #text: string
  /** Behind the last one and its end. */
  next = 0
  failed = false

  constructor(text: string) {
    this.#text = text
  }

  /** Zero where there is none. */
  read(from: number, end: number): number {
    let number = 0
    for (let at = from; at <= from + digitsMax; at++) {
      const unit = this.#text.charCodeAt(at)
      if (unit === end && at > from) {
        this.next = at + 1
        return number
      }
      // NaN, behind the end of the text, is none either.
      if (!(unit >= zero && unit <= zero + 9)) break
      number = number * 10 + unit - zero
    }
    this.failed = true
    return 0
  }
}

/** In front of the bytes of a piece: the number of its request. */
export const pieceHeadBytes = 6

export function pieceBytes(id: number, piece: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(pieceHeadBytes + piece.length)
  bytes.writeUIntBE(id, 0, pieceHeadBytes)
  bytes.set(piece, pieceHeadBytes)
  return bytes
}

/** The piece in these bytes; null where there is none. */
export function readPiece(bytes: Buffer): { readonly id: number; readonly piece: Buffer } | null {
  if (bytes.length <= pieceHeadBytes) return null
  return { id: bytes.readUIntBE(0, pieceHeadBytes), piece: bytes.subarray(pieceHeadBytes) }
}

/** So much of an answer may be on its way before its reader has taken something. */
export const windowBytes = 128 * 1024
/** A message, and what it comes with, in a frame at most; what is larger goes another way. */
export const bodyCharsMax = 64 * 1024
export const headCharsMax = 32 * 1024
/** A text is sent once it is so long. With the longest frame, in bytes, it stays below `textBytesMax`. */
export const textCharsMax = 128 * 1024
export const textBytesMax = 1024 * 1024
