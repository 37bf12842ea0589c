/**
 * Reads HTTP/1.1 responses from the bytes of a connection, one after the other (RFC 9112).
 *
 * Pure: no input or output, no clock, never throws. Strict where a lenient reading could take bytes of one
 * response for another: two lengths that differ, folded lines, codings that are not known are faults, and
 * after a fault nothing more is read. Whatever waits for its end here has a bound.
 * Cases: test/net/http1-response.test.ts
 */
import { type ResponseHead, readHead } from './http1-head.ts'

/** Who takes a response as it comes. Called synchronously from `push` and `close`; must not throw. */
export interface ResponseSink {
  /** The final head; interim ones (1xx) are not reported. */
  head(head: ResponseHead): void
  /** The next bytes of the body, at least one: a part of the chunk that was pushed, not a copy. */
  piece(bytes: Uint8Array): void
}

/** The status line and all header lines together, those of interim responses included. */
const headBytesMax = 64 * 1024
/** The size of a chunk with its extensions, which nobody reads. */
const sizeLineBytesMax = 4 * 1024
const trailerBytesMax = 64 * 1024
/** Heads are short: as much is looked at first, so that a large body is not decoded along with them. */
const headWindowBytes = 2 * 1024

/** 13 digits are the most that a number keeps exactly. */
const sizeLine = /^0*([0-9a-f]{1,13})[ \t]*(?:;.*)?$/i

type State = 'idle' | 'head' | 'counted' | 'size' | 'chunk' | 'chunkEnd' | 'trailer' | 'untilClose' | 'fault'

/** Heads, lines and chunks that are read at a time: a millisecond or two. */
const stepsMax = 3_000
/** So many bytes of a line or a head count as another step. */
const framingBytesOfStep = 64

const ignored: ResponseSink = { head() {}, piece() {} }

export class Http1Responses {
  #state: State = 'idle'
  #sink: ResponseSink = ignored
  #head: ResponseHead | null = null
  #fault: string | null = null
  /** The part of a head or of a line that has come so far. */
  #text = ''
  /** Bytes left of what may still come: of a counted body, a chunk, or the bound of a head or trailer. */
  #left = 0
  #surplus = false
  /** The head before: responses in a row mostly have the same, and comparing is cheaper than reading. */
  #lastText = ''
  #lastHead: ResponseHead | null = null

  /** The next response goes to `sink`. To be called when none is being read. */
  begin(sink: ResponseSink): void {
    if (this.#state !== 'idle') return
    this.#sink = sink
    this.#head = null
    this.#text = ''
    this.#left = headBytesMax
    this.#state = 'head'
  }

  /** True when the response has come to its end, or none was begun. */
  get done(): boolean {
    return this.#state === 'idle'
  }

  /** True when another request may be sent on the connection (RFC 9112, 9.3). */
  get reusable(): boolean {
    return this.#state === 'idle' && !this.#surplus && this.#head?.persistent === true
  }

  /** How long the server keeps the connection after the response that was read, when it says so. */
  get keepAliveSeconds(): number | null {
    return this.#head?.keepAliveSeconds ?? null
  }

  /**
   * How many of the bytes that were pushed last were not taken: a body in chunks of a byte each would keep
   * everybody else waiting. They are to be pushed again, in front of all others.
   */
  leftBytes = 0

  /** Takes the next bytes of the connection. Returns what is wrong with them, in a few words, or null. */
  push(chunk: Buffer): string | null {
    let at = 0
    let steps = 0
    this.leftBytes = 0
    while (at < chunk.length) {
      if (this.#state === 'idle') {
        // Nobody asked for them: whose answer would they be (RFC 9112, 9.2)?
        this.#surplus = true
        break
      }
      if (this.#state === 'fault') break
      if (++steps > stepsMax) {
        this.leftBytes = chunk.length - at
        break
      }
      const framing = this.#state !== 'chunk' && this.#state !== 'counted'
      const next = this.#step(chunk, at)
      if (framing && next - at > framingBytesOfStep) steps += (next - at) / framingBytesOfStep
      at = next
    }
    return this.#fault
  }

  /** The connection was closed in good order. Returns what is missing, or null. */
  close(): string | null {
    if (this.#state === 'untilClose') this.#end()
    else if (this.#state !== 'idle') this.#fail('the connection was closed within a response')
    this.#surplus = true
    return this.#fault
  }

  #step(chunk: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#headBytes(chunk, at)
      case 'counted':
      case 'chunk':
        return this.#bodyBytes(chunk, at)
      case 'untilClose':
        this.#sink.piece(at === 0 ? chunk : chunk.subarray(at))
        return chunk.length
      default:
        return this.#lineBytes(chunk, at)
    }
  }

  #headBytes(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; ) {
      const before = this.#text.length
      const until = Math.min(chunk.length, at + headWindowBytes)
      const text = this.#text + chunk.toString('latin1', at, until)
      const end = text.indexOf('\r\n\r\n', Math.max(0, before - 3))
      if (end >= 0) {
        this.#text = ''
        this.#headText(text.slice(0, end))
        return at + end + 4 - before
      }
      // Lines that end in LF alone would be waited on for ever.
      if (text.indexOf('\n\n', Math.max(0, before - 1)) >= 0)
        return this.#fail('a line does not end in CR LF')
      // The last three may belong to the blank line at its end.
      if (text.length - 3 > this.#left) return this.#fail('the headers are too long')
      this.#text = text
      at = until
    }
    return chunk.length
  }

  #headText(text: string): void {
    this.#left -= text.length
    if (this.#left < 0) {
      this.#fail('the headers are too long')
      return
    }
    const head = this.#lastHead !== null && text === this.#lastText ? this.#lastHead : readHead(text)
    if (typeof head === 'string') {
      this.#fail(head)
      return
    }
    // Interim: the response proper is still to come (RFC 9110, 15.2).
    if (head.status < 200) return
    this.#lastText = text
    this.#lastHead = head
    this.#head = head
    this.#sink.head(head)
    if (head.body === 'chunked') this.#state = 'size'
    else if (head.body === 'untilClose') this.#state = 'untilClose'
    else if (head.body === 0) this.#end()
    else {
      this.#left = head.body
      this.#state = 'counted'
    }
  }

  #bodyBytes(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left)
    this.#left -= end - at
    this.#sink.piece(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end))
    if (this.#left === 0) {
      if (this.#state === 'counted') this.#end()
      else this.#state = 'chunkEnd'
    }
    return end
  }

  /** The lines between chunks and behind the last one (RFC 9112, 7.1). */
  #lineBytes(chunk: Buffer, at: number): number {
    const feed = chunk.indexOf(0x0a, at)
    const end = feed < 0 ? chunk.length : feed + 1
    const bytesMax = this.#state === 'trailer' ? this.#left : sizeLineBytesMax
    if (this.#text.length + end - at > bytesMax) return this.#fail('a chunk or trailer line is too long')
    this.#text += chunk.toString('latin1', at, end)
    if (feed < 0) return end
    const text = this.#text
    this.#text = ''
    if (!text.endsWith('\r\n')) return this.#fail('a line does not end in CR LF')
    this.#line(text.slice(0, -2))
    return end
  }

  #line(line: string): void {
    if (this.#state === 'size') {
      const digits = sizeLine.exec(line)?.[1]
      if (digits === undefined) {
        this.#fail('the size of a chunk cannot be read')
        return
      }
      const bytes = Number.parseInt(digits, 16)
      this.#left = bytes === 0 ? trailerBytesMax : bytes
      this.#state = bytes === 0 ? 'trailer' : 'chunk'
    } else if (this.#state === 'chunkEnd') {
      if (line === '') this.#state = 'size'
      else this.#fail('a chunk is longer than its size')
    } else if (line === '') this.#end()
    else this.#left -= line.length + 2
  }

  #end(): void {
    this.#state = 'idle'
    this.#sink = ignored
  }

  /** Returns a place that ends the reading of any chunk. */
  #fail(fault: string): number {
    this.#state = 'fault'
    this.#fault = fault
    this.#sink = ignored
    this.#text = ''
    return Number.POSITIVE_INFINITY
  }
}
