/**
 * Reads and writes event streams (`text/event-stream`).
 *
 * Lines are found in the bytes and decoded whole, so that a character which the network cut in two
 * stays whole; LF, CR and CRLF all end a line; a byte order mark is skipped. Pure: no I/O, no clock,
 * never throws, memory bounded by `eventBytesMax`.
 *
 * Spec: WHATWG HTML, server-sent events, "Interpreting an event stream".
 * Cases: test/protocol/sse-frames.test.ts
 */
import { PartialLine } from './partial-line.ts'

/** Who gets what the stream says. */
export interface SseSink {
  /** One event. `type` is `message` unless the stream named another; `data` may be empty. */
  event(type: string, data: string): void
  /** The stream asks for this delay before a reconnect. */
  retry(delayMs: number): void
  /** An event larger than `eventBytesMax` was left out: the first and last characters of its data. */
  oversized(head: string, tail: string): void
}

export interface SseParser {
  push(chunk: Uint8Array): void
  /** Leaves out the event of which something is held, as one that is too large. */
  drop(): void
  /**
   * The stream has ended. Browsers drop an event that lacks its blank line, because it may be cut; here one whose
   * data is whole JSON is handed over, as a server that forgets the line has said all the same what it had to say.
   */
  end(): void
  /** The id of the last complete event that carried one, or an empty string: for `Last-Event-ID`. */
  readonly lastEventId: string
  /** Lines so far. */
  readonly lines: number
  /** Bytes so far that did not become data of an event: comments, other fields, what was left out. */
  readonly surplusBytes: number
  /** Bytes that are held of an event which has not ended. */
  readonly heldBytes: number
}

const lineFeed = 0x0a
const carriageReturn = 0x0d
const space = 0x20
const colon = 0x3a
const dataField = Buffer.from('data')
const byteOrderMark = Buffer.from('\ufeff')
const nothing = Buffer.alloc(0)
/** Longer ids are not kept: they would have to be sent back in a header. */
const idCharsMax = 8_192

/** Lines of data are joined in two steps: the text that grows by each of millions would take gigabytes. */
const joinedLines = 1_024
/** How much of the data of an oversized event is kept at each end. */
const edgeChars = 256

/** `eventBytesMax` counts all lines of one event. */
export function createSseParser(eventBytesMax: number, sink: SseSink): SseParser {
  return new Parser(eventBytesMax, sink)
}

/** Both ends of a text. */
interface Ends {
  /** null before anything has come. */
  head: string | null
  tail: string
  /** The head is all that has come. */
  whole: boolean
}

class Parser implements SseParser {
  lastEventId = ''
  lines = 0
  surplusBytes = 0
  readonly #eventBytesMax: number
  readonly #sink: SseSink
  readonly #partial: PartialLine
  #atStart = true
  /** The last chunk ended with CR: a LF at the start of the next one belongs to it. */
  #swallowLineFeed = false
  #type = ''
  /** The first line of data, and those that follow it. */
  #data: string | null = null
  #more: string[] = []
  #joined: string[] = []
  #id: string | null = null
  #eventBytes = 0
  /** Both ends of the data of an event that is over the bound; the rest was thrown away. */
  #oversized: Ends | null = null

  constructor(eventBytesMax: number, sink: SseSink) {
    this.#eventBytesMax = eventBytesMax
    this.#sink = sink
    this.#partial = new PartialLine(eventBytesMax)
  }

  get heldBytes(): number {
    const { length, oversized } = this.#partial
    return (this.#oversized === null ? this.#eventBytes : 0) + (oversized ? 0 : length)
  }

  drop(): void {
    this.surplusBytes += this.heldBytes
    this.#partial.skip()
    this.#keepEnds()
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    let from = this.#swallowLineFeed && bytes[0] === lineFeed ? 1 : 0
    this.#swallowLineFeed = false
    let nextReturn = bytes.indexOf(carriageReturn, from)
    for (;;) {
      if (nextReturn >= 0 && nextReturn < from) nextReturn = bytes.indexOf(carriageReturn, from)
      const nextFeed = bytes.indexOf(lineFeed, from)
      const ends = nextReturn >= 0 && (nextFeed < 0 || nextReturn < nextFeed) ? nextReturn : nextFeed
      if (ends < 0) break
      this.#endLine(bytes.subarray(from, ends))
      from = ends + 1
      if (ends === nextReturn) {
        if (from === bytes.length) this.#swallowLineFeed = true
        else if (bytes[from] === lineFeed) from++
      }
    }
    if (from < bytes.length) this.#addPartial(bytes.subarray(from))
  }

  #addPartial(bytes: Buffer): void {
    const partial = this.#partial
    const wasOversized = partial.oversized
    partial.add(bytes)
    if (partial.oversized) this.surplusBytes += wasOversized ? bytes.length : partial.length
  }

  end(): void {
    if (this.#partial.length > 0) this.#endLine(nothing)
    const text = this.#oversized === null ? this.#text() : null
    if (text !== null && isJson(text)) this.#dispatch()
  }

  #endLine(bytes: Buffer): void {
    const partial = this.#partial
    this.lines++
    if (partial.length === 0 && bytes.length <= this.#eventBytesMax) {
      this.#line(bytes)
      return
    }
    this.#addPartial(bytes)
    if (partial.oversized) this.#longLine(partial)
    else this.#line(partial.view())
    partial.clear()
  }

  /** A line of which only both ends were kept; its bytes are paid for. */
  #longLine({ head, tail, length }: PartialLine): void {
    const start = this.#atStart ? head.replace(/^\ufeff/, '') : head
    this.#atStart = false
    // A comment is no part of the event around it.
    if (start.startsWith(':')) return
    if (this.#oversized === null) this.surplusBytes += this.#eventBytes
    this.#eventBytes += length
    this.#keepEnds()
    if (start.startsWith('data:')) this.#appendEnds(start.replace(/^data: ?/, ''), tail, false)
  }

  #line(bytes: Buffer): void {
    const line = this.#atStart ? withoutMark(bytes) : bytes
    this.#atStart = false
    if (line.length === 0) {
      this.#dispatch()
      return
    }
    if (line[0] === colon) {
      this.surplusBytes += line.length
      return
    }
    this.#count(line.length)
    if (isData(line)) this.#appendData(decodeValue(line))
    else this.#field(line.toString('utf8'))
  }

  /** Any field but the usual form of `data`; off the hot path. */
  #field(line: string): void {
    if (this.#oversized === null) this.surplusBytes += line.length
    const at = line.indexOf(':')
    const name = at < 0 ? line : line.slice(0, at)
    const value = at < 0 ? '' : line.slice(line[at + 1] === ' ' ? at + 2 : at + 1)
    if (name === 'data') this.#appendData(value)
    else if (name === 'event') this.#type = value
    else if (name === 'id') {
      if (!value.includes('\0') && value.length <= idCharsMax) this.#id = value
    } else if (name === 'retry' && /^\d{1,9}$/.test(value)) this.#sink.retry(Number(value))
  }

  #appendData(value: string): void {
    if (this.#oversized !== null) this.#appendEnds(value, value, true)
    else if (this.#data === null) this.#data = value
    else if (this.#more.push(value) === joinedLines) {
      this.#joined.push(this.#more.join('\n'))
      this.#more = []
    }
  }

  /** The data of the event, null when it has none. */
  #text(): string | null {
    if (this.#data === null || (this.#more.length === 0 && this.#joined.length === 0)) return this.#data
    return [this.#data, ...this.#joined, ...this.#more].join('\n')
  }

  /** Counts bytes of the event. What is thrown away of it was for nothing. */
  #count(bytes: number): void {
    this.#eventBytes += bytes
    if (this.#oversized !== null) this.surplusBytes += bytes
    else if (this.#eventBytes > this.#eventBytesMax) {
      this.surplusBytes += this.#eventBytes
      this.#keepEnds()
    }
  }

  /** From here on only both ends of the data are kept, which say whose it was; the other fields count as ever. */
  #keepEnds(): void {
    if (this.#oversized !== null) return
    this.#oversized = { head: null, tail: '', whole: true }
    if (this.#data !== null)
      for (const part of [this.#data, ...this.#joined, ...this.#more]) this.#appendEnds(part, part, true)
    this.#clearData()
  }

  /** Data of which the first and last characters are known. */
  #appendEnds(first: string, last: string, whole: boolean): void {
    const ends = this.#oversized
    if (ends === null) return
    const between = ends.head === null ? '' : '\n'
    if (ends.whole) {
      const head = (ends.head ?? '') + between + first.slice(0, edgeChars)
      ends.whole = whole && first.length <= edgeChars && head.length <= edgeChars
      ends.head = head.slice(0, edgeChars)
    }
    ends.tail = (ends.tail + between + last.slice(-edgeChars)).slice(-edgeChars)
  }

  #clearData(): void {
    this.#data = null
    if (this.#more.length > 0) this.#more = []
    if (this.#joined.length > 0) this.#joined = []
  }

  #dispatch(): void {
    const [type, data, oversized] = [this.#type, this.#text(), this.#oversized]
    if (this.#id !== null) this.lastEventId = this.#id
    this.#type = ''
    this.#clearData()
    this.#id = null
    this.#eventBytes = 0
    this.#oversized = null
    if (oversized !== null) this.#sink.oversized(oversized.head ?? '', oversized.tail)
    else if (data !== null) this.#sink.event(type === '' ? 'message' : type, data)
  }
}

function withoutMark(line: Buffer): Buffer {
  return line.subarray(0, byteOrderMark.length).equals(byteOrderMark)
    ? line.subarray(byteOrderMark.length)
    : line
}

/** True for `data:`, the one field whose value may be large. */
function isData(line: Buffer): boolean {
  return line[4] === colon && line.compare(dataField, 0, 4, 0, 4) === 0
}

function decodeValue(line: Buffer): string {
  return line.toString('utf8', line[5] === space ? 6 : 5)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text.trim())
    return true
  } catch {
    return false
  }
}
