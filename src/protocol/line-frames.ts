/**
 * Cuts a byte stream into lines, the framing of MCP over stdio.
 *
 * Bytes are split before they are decoded, so that a character which the pipe cut in two stays whole;
 * `\r\n` counts as `\n`. A chunk of many lines is decoded once and cut as text (twice as fast as
 * decoding every line). Pure: no I/O, no clock, never throws, memory bounded by `lineBytesMax`.
 *
 * Spec: 2025-11-25, Transports, stdio. Cases: test/protocol/line-frames.test.ts
 */
import { PartialBytes } from './partial-bytes.ts'

/** Who gets the lines. */
export interface LineSink {
  /** One line without its line break. May be empty. */
  line(text: string): void
  /** The current line has passed `lineBytesMax` and is being skipped: its first characters. Once a line. */
  overflow(head: string): void
  /** The skipped line has ended: its last characters and its whole size. Once a line. */
  skipped(tail: string, lineBytes: number): void
}

export interface LineSplitter {
  push(chunk: Uint8Array): void
  /** Hands over what stands after the last line break, for a stream that has ended. */
  end(): void
}

const newline = 0x0a
/** How much of an oversized line is kept at each end: enough to recognise whose answer it was. */
const edgeBytes = 256

/** `lineBytesMax` counts the bytes of one line without its line break. */
export function createLineSplitter(lineBytesMax: number, sink: LineSink): LineSplitter {
  const partial = new PartialBytes()
  let skippedBytes = 0
  let tail: Buffer = Buffer.alloc(0)

  function skip(bytes: Buffer): void {
    if (skippedBytes === 0) {
      skippedBytes = partial.length
      tail = Buffer.from(partial.view().subarray(-edgeBytes))
      const head = Buffer.concat([partial.view().subarray(0, edgeBytes), bytes.subarray(0, edgeBytes)])
      partial.clear()
      sink.overflow(head.toString('utf8', 0, Math.min(edgeBytes, head.length)))
    }
    skippedBytes += bytes.length
    tail = Buffer.concat([tail, bytes.subarray(-edgeBytes)])
    tail = Buffer.from(tail.subarray(-edgeBytes))
  }

  /** Bytes of the current line that do not end it. */
  function carry(bytes: Buffer): void {
    if (bytes.length === 0) return
    // One byte of slack for the `\r` of a line break whose `\n` has not come yet.
    if (skippedBytes > 0 || partial.length + bytes.length > lineBytesMax + 1) skip(bytes)
    else partial.add(bytes)
  }

  /** Bytes that end the current line. */
  function finish(bytes: Buffer): void {
    carry(bytes)
    if (skippedBytes > 0) endSkip()
    else emit(partial.view())
    partial.clear()
  }

  function endSkip(): void {
    const lineBytes = skippedBytes
    skippedBytes = 0
    sink.skipped(tail.toString('utf8'), lineBytes)
  }

  function emit(bytes: Buffer): void {
    const end = bytes.length > 0 && bytes[bytes.length - 1] === 0x0d ? bytes.length - 1 : bytes.length
    if (end > lineBytesMax) {
      skip(bytes)
      endSkip()
    } else sink.line(bytes.toString('utf8', 0, end))
  }

  function push(chunk: Uint8Array): void {
    const bytes = asBuffer(chunk)
    let from = 0
    if (partial.length > 0 || skippedBytes > 0) {
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
    carry(bytes.subarray(from))
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
    if (partial.length > 0 || skippedBytes > 0) finish(Buffer.alloc(0))
  }

  return { push, end }
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
  return at > from && text.charCodeAt(at - 1) === 0x0d ? at - 1 : at
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
