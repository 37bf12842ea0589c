/**
 * Recognises a large response in its bytes and gives it another id, without decoding or parsing the
 * megabytes between: SDKs write the id either right at the start or as the very last member.
 *
 * Pure, never throws. What is not recognised for certain gives null and goes the usual way, as text.
 * Cases: test/protocol/large-answer.test.ts
 */

import { scanMessage } from './jsonrpc.ts'
import { type AnswerKind, givesToolResult, integerAt, kindOfAnswer } from './response.ts'

/** One message as the pieces in which its bytes came, in order. */
export type MessagePieces = readonly Uint8Array[]

/** From this size on decoding, joining and encoding a text costs more than all the rest of a call. */
export const largeAnswerBytesMin = 64 * 1024

/** How much of each end is looked at. */
const edgeBytes = 256

const idFirst =
  /^(\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*)("?\d[\d.eE+-]{0,30}"?)\s*,\s*"(result|error)"/
const resultFirst = /^\s*\{\s*"(result|error)"/
/** The comma keeps out a key that merely ends in `\"id"`. */
const idLast = /,\s*"id"\s*:\s*("?\d[\d.eE+-]{0,30}"?)(\s*\}\s*)$/
/** Behind a result they mean nothing, and strict readers refuse them: the usual way takes them out. */
const voidLast = /"(?:error|method)"\s*:\s*null\s*[,}]/
const objectEnd = /\}\s*$/

/** Whose answer a message is, seen from its two ends. */
interface Ends {
  readonly id: number
  readonly failed: boolean
  /** Where the digits begin: from the start of the message, or from its end when negative. */
  readonly at: number
  readonly digits: number
}

function readEnds(head: string, tail: string): Ends | null {
  const first = idFirst.exec(head)
  if (first !== null) {
    const [, before = '', digits = '', member] = first
    return endsOf(digits, member === 'error', before.length)
  }
  const result = resultFirst.exec(head)
  const last = result && idLast.exec(tail)
  if (!result || !last) return null
  const [, digits = '', after = ''] = last
  return endsOf(digits, result[1] === 'error', -after.length - digits.length)
}

function endsOf(digits: string, failed: boolean, at: number): Ends | null {
  const id = integerAt(digits, 0, digits.length)
  return id < 0 ? null : { id, failed, at, digits: digits.length }
}

/**
 * Whose answer a text was, of which only the first and the last characters are known. null when that
 * cannot be said for certain.
 */
export function requestIdOfAnswer(head: string, tail: string): number | null {
  return readEnds(head, tail)?.id ?? null
}

/** A large response that is no error, and where its id stands in its bytes. */
export interface LargeAnswer {
  readonly id: number
  readonly idStart: number
  readonly idEnd: number
}

/** Recognises one; null for everything else, and for what carries an id at both ends. */
export function largeAnswer(pieces: MessagePieces): LargeAnswer | null {
  const bytes = lengthOf(pieces)
  const tail = edge(pieces, bytes - edgeBytes, bytes)
  const ends = readEnds(edge(pieces, 0, edgeBytes), tail)
  if (ends === null || ends.failed || !objectEnd.test(tail)) return null
  if ((ends.at >= 0 && idLast.test(tail)) || voidLast.test(tail)) return null
  const idStart = ends.at < 0 ? bytes + ends.at : ends.at
  return { id: ends.id, idStart, idEnd: idStart + ends.digits }
}

/** `isError` as the last member of a result, in front of what may follow that in a response. */
const errorMemberLast = /"isError":(true|false)\}(?:,"jsonrpc":"2\.0")?(?:,"id":"?\d[\d.eE+-]{0,30}"?)?\}\s*$/
const errorMember = Buffer.from('"isError"')
const errorSaid = Buffer.from('"isError":true')
const inputRequired = Buffer.from('"input_required"')
const inputAsked = Buffer.from('"resultType":"input_required"')
/** A larger answer is not read as text to be sure of these words: that would keep all others waiting. */
const readBytesMax = 1024 * 1024

/**
 * What a large response that is no error makes of its request (`kindOfAnswer`). It is decoded only where the words
 * that matter stand somewhere in its middle; of a very large one they are believed wherever they stand.
 */
export function kindOfLarge(method: string, pieces: MessagePieces, mayAsk: boolean): AnswerKind {
  const ofTool = givesToolResult(method)
  if (!ofTool && !mayAsk) return 'ok'
  const bytes = lengthOf(pieces)
  const last = ofTool ? errorMemberLast.exec(edge(pieces, bytes - edgeBytes, bytes)) : null
  if (last !== null) return last[1] === 'true' ? 'tool_error' : 'ok'
  if (bytes > readBytesMax) {
    if (mayAsk && contains(pieces, inputAsked)) return 'input_required'
    return ofTool && contains(pieces, errorSaid) ? 'tool_error' : 'ok'
  }
  const worthALook = (ofTool && contains(pieces, errorMember)) || (mayAsk && contains(pieces, inputRequired))
  const message = worthALook ? scanMessage(textOf(pieces)) : null
  return message === null ? 'ok' : kindOfAnswer(method, message, mayAsk)
}

/** Whether these bytes stand in a message, also across the pieces that it came in, however small they are. */
function contains(pieces: MessagePieces, wanted: Buffer): boolean {
  const seamBytes = wanted.length - 1
  /** The end of what came before. */
  let before: Uint8Array = new Uint8Array(0)
  for (const piece of pieces) {
    const seam = Buffer.concat([before, piece.subarray(0, seamBytes)])
    if (seam.includes(wanted) || bufferOf(piece).includes(wanted)) return true
    before = piece.length < seamBytes ? seam.subarray(-seamBytes) : bufferOf(piece).subarray(-seamBytes)
  }
  return false
}

function bufferOf(piece: Uint8Array): Buffer {
  return Buffer.from(piece.buffer, piece.byteOffset, piece.length)
}

const encoder = new TextEncoder()

/** The same message with the bytes from `start` to `end` replaced. */
export function replaceBytes(
  pieces: MessagePieces,
  start: number,
  end: number,
  replacement: string,
): Uint8Array[] {
  const before = sliceOf(pieces, 0, start)
  return [...before, encoder.encode(replacement), ...sliceOf(pieces, end, lengthOf(pieces))]
}

/** The text of a message; bytes that are no UTF-8 become U+FFFD. */
export function textOf(pieces: MessagePieces): string {
  const [only, second] = pieces
  const whole = only && second === undefined ? bufferOf(only) : null
  return (whole ?? Buffer.concat(pieces)).toString('utf8')
}

/** The number of bytes in all pieces. */
export function lengthOf(pieces: MessagePieces): number {
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  return bytes
}

function* sliceOf(pieces: MessagePieces, start: number, end: number): Iterable<Uint8Array> {
  let at = 0
  for (const piece of pieces) {
    const from = Math.max(0, start - at)
    const to = Math.min(piece.length, end - at)
    if (from < to) yield piece.subarray(from, to)
    at += piece.length
  }
}

/** One character a byte: the patterns match ASCII alone, so a place in the text is a place in the bytes. */
function edge(pieces: MessagePieces, start: number, end: number): string {
  let text = ''
  for (const piece of sliceOf(pieces, Math.max(0, start), end)) text += String.fromCharCode(...piece)
  return text
}
