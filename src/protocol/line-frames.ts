/**
 * Cuts a byte stream into lines, the framing of MCP over stdio.
 *
 * Bytes are split before they are decoded, so that a character which the pipe cut in two stays whole;
 * `\r\n` counts as `\n`. A chunk of many lines is decoded once and cut as text (twice as fast as
 * decoding every line). Pure: no I/O, no clock, never throws, memory bounded by `lineBytesMax`.
 *
 * Spec: 2025-11-25, Transports, stdio. Cases: test/protocol/line-frames.test.ts
 */
import { largeAnswerBytesMin, type MessagePieces } from './large-answer.ts'
import { edgeBytes, PartialLine } from './partial-line.ts'

/** Who gets the lines. */
export interface LineSink {
  /** One line without its line break. May be empty. */
  line(text: string): void
  /**
   * Instead of `line` for one of `largeAnswerBytesMin` bytes and more that came in several chunks: its bytes,
   * not decoded.
   */
  large?(pieces: MessagePieces): void
  /** The current line has passed `lineBytesMax` and is being skipped: its first characters. Once a line. */
  overflow(head: string): void
  /** The skipped line has ended: its last characters and its whole size. Once a line. */
  skipped(tail: string, lineBytes: number): void
}

export interface LineSplitter {
  push(chunk: Uint8Array): void
  /** Hands over what stands after the last line break, for a stream that has ended. */
  end(): void
  /** Bytes that are held of a line which has not ended. */
  heldBytes(): number
}

const newline = 0x0a
const carriageReturn = 0x0d
/**
 * `lineBytesMax` counts the bytes of one line without its line break. A line that comes in pieces and cannot be
 * JSON is skipped from `noiseBytesMax` on: nobody would want the rest.
 */
export function createLineSplitter(
  lineBytesMax: number,
  sink: LineSink,
  noiseBytesMax = lineBytesMax,
): LineSplitter {
  // One byte of slack for the `\r` of a line break whose `\n` has not come yet.
  const partial = new PartialLine(lineBytesMax + 1, noiseBytesMax + 1)

  /** Bytes of the current line that do not end it. */
  function carry(bytes: Buffer): void {
    if (bytes.length === 0) return
    const before = partial.oversized
    partial.add(bytes)
    if (partial.oversized && !before) sink.overflow(partial.head)
  }

  /** Bytes that end the current line. */
  function finish(bytes: Buffer): void {
    carry(bytes)
    if (partial.oversized) sink.skipped(partial.tail, partial.length)
    else if (sink.large && partial.length >= largeAnswerBytesMin && partial.length <= lineBytesMax)
      sink.large(withoutReturn(partial.pieces()))
    else emit(partial.view())
    partial.clear()
  }

  function emit(bytes: Buffer): void {
    const end = bytes[bytes.length - 1] === carriageReturn ? bytes.length - 1 : bytes.length
    if (end <= lineBytesMax) {
      sink.line(bytes.toString('utf8', 0, end))
      return
    }
    sink.overflow(bytes.toString('utf8', 0, edgeBytes))
    sink.skipped(bytes.toString('utf8', Math.max(0, end - edgeBytes), end), end)
  }

  function push(chunk: Uint8Array): void {
    const bytes = asBuffer(chunk)
    let from = 0
    if (partial.length > 0) {
      const first = bytes.indexOf(newline)
      if (first < 0) {
        carry(bytes)
        return
      }
      finish(bytes.subarray(0, first))
      from = first + 1
    }
    const last = bytes.lastIndexOf(newline)
    if (last >= from) {
      if (last - from > lineBytesMax) emitEach(bytes, from, last)
      else emitDecoded(bytes.toString('utf8', from, last), sink)
      from = last + 1
    }
    if (from < bytes.length) carry(bytes.subarray(from))
  }

  /** The slow way, for a chunk in which one line alone may be over the cap. */
  function emitEach(bytes: Buffer, from: number, last: number): void {
    for (let start = from; start <= last; ) {
      const end = bytes.indexOf(newline, start)
      emit(bytes.subarray(start, end))
      start = end + 1
    }
  }

  function end(): void {
    if (partial.length > 0) finish(Buffer.alloc(0))
  }

  function heldBytes(): number {
    return partial.oversized ? 0 : partial.length
  }

  return { push, end, heldBytes }
}

function withoutReturn(pieces: Uint8Array[]): Uint8Array[] {
  const last = pieces.at(-1)
  if (last?.at(-1) === carriageReturn) pieces.splice(-1, 1, last.subarray(0, -1))
  return pieces
}

/** `text` is a run of whole lines without the last line break. */
function emitDecoded(text: string, sink: LineSink): void {
  let from = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
    sink.line(text.slice(from, endOfLine(text, from, at)))
    from = at + 1
  }
  sink.line(text.slice(from, endOfLine(text, from, text.length)))
}

function endOfLine(text: string, from: number, at: number): number {
  return at > from && text.charCodeAt(at - 1) === carriageReturn ? at - 1 : at
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
