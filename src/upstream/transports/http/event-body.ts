/** Reads the event stream in the body of one response. */
import { noRoomError } from '../../../errors.ts'
import { createSseParser, type SseParser, type SseSink } from '../../../protocol/sse-frames.ts'
import { heldBytesMin, type LedgerEntry } from '../../../runtime/byte-ledger.ts'
import { costs, type ServerBudget } from '../flood-guard.ts'
import { messagesIn } from '../message-text.ts'
import type { HttpAnswer } from './client/answer/answer.ts'
import { type Cancellation, wait } from './client/answer/cancellation.ts'

/** What a stream has said about resuming it; outlives the responses that carried it. */
export interface StreamCursor {
  /** For `Last-Event-ID`; empty when no event carried an id. */
  lastEventId: string
  /** The delay that the server asks for before a reconnect, or null. */
  retryMs: number | null
}

/** How a stream is read, and what it costs. */
export interface StreamReading {
  readonly eventBytesMax: number
  /** Shut while the stream is not to be read. */
  readonly gate: ReadGate
  readonly cancellation: Cancellation
  readonly budget: ServerBudget
  /** True for the response of a call, which waits for room; else an event that finds none is left out. */
  readonly expected: boolean
  /** An entry for the bytes of a large event while it arrives; null, or absent, when it is no one client's. */
  openEntry?(): LedgerEntry | null
  /** So much was spent on what is no event (flood-guard.ts). */
  unasked(units: number): void
}

/** Longest delay that a server may ask for: `retry` must be respected, but not into the next day. */
const retryMsMax = 10 * 60_000
/** Bytes between two looks at the gate, the rest of their last line aside: a chunk may hold tens of thousands of events. */
const sliceBytes = 2 * 1024
/** The same for a server that owes: it has as many streams as clients, and each goes on once in a while. */
const smallSliceBytes = 1024
const [lineFeed, carriageReturn] = [0x0a, 0x0d]
const noBytes = Buffer.alloc(0)
/** From this size on a chunk is worth the waiting. */
const largeChunkBytes = 16 * 1024
/** A stream that found no room asks again after this. */
const roomMs = 100
/** Costs are told in portions: the framing of a single answer is not worth a look at the clock. */
const portionUnits = 4 * 1024

/**
 * Resolves when the stream ends; rejects with a GatewayError when it breaks, or its request is cancelled.
 * Reads one chunk at a time, and none while the gate is shut. Rejects with BYTES_EXHAUSTED when its client has no
 * room for a large event while that arrives.
 */
export async function readEvents(
  answer: HttpAnswer,
  reading: StreamReading,
  cursor: StreamCursor,
  sink: Pick<SseSink, 'event' | 'oversized'>,
): Promise<void> {
  const { gate, budget } = reading
  const arriving = new ArrivingEvent(reading)
  const parser: SseParser = createSseParser(reading.eventBytesMax, {
    event(type, data) {
      if (parser.lastEventId !== '') cursor.lastEventId = parser.lastEventId
      arriving.close()
      sink.event(type, data)
    },
    retry(delayMs) {
      cursor.retryMs = Math.min(delayMs, retryMsMax)
    },
    oversized: (head, tail) => sink.oversized(head, tail),
  })
  const bill = new Bill(parser, reading)
  const hand = new Hand(answer, reading, bill)
  try {
    for (;;) {
      if (gate.passed !== null) await hand.rest()
      if (hand.hasStopped && !(await hand.mayReadOn())) return
      const next = answer.next()
      const chunk = next instanceof Promise ? await next : next
      if (chunk === null) break
      hand.take(chunk)
      while (hand.holds) {
        if (gate.passed !== null || budget.turnSpent) await hand.rest()
        const slice = hand.next(budget.indebted ? smallSliceBytes : sliceBytes)
        parser.push(slice)
        budget.read(slice.length)
        if (!arriving.hold(parser.heldBytes)) {
          // The server is not to pay for it.
          parser.drop()
          answer.discard()
          throw noRoomError()
        }
        bill.charge()
        while (!bill.hold()) if (!(await hand.room())) return
      }
      // Also ids of events without data count.
      if (parser.lastEventId !== '') cursor.lastEventId = parser.lastEventId
    }
  } finally {
    parser.end()
    bill.settle()
    arriving.close()
  }
}

/** The messages of an event; the server pays for one that holds none. */
export function messagesOf(type: string, data: string, reading: StreamReading): readonly string[] {
  if (data === '') return nothing
  const messages = type === 'message' ? messagesIn(data.trim()) : null
  if (messages === null) reading.unasked(data.length)
  return messages ?? nothing
}

const nothing: readonly string[] = []

/** What one stream has cost beside its events, and what it holds. */
class Bill {
  readonly #parser: SseParser
  readonly #reading: StreamReading
  #units = 0
  /** Bytes of an event that nobody has asked for, which are paid while it comes: it may never end. */
  #paidBytes = 0

  constructor(parser: SseParser, reading: StreamReading) {
    this.#parser = parser
    this.#reading = reading
  }

  charge(): void {
    const { surplusBytes, lines, heldBytes } = this.#parser
    const units = surplusBytes + lines * costs.line
    const unpaidBytes = this.#reading.expected ? 0 : heldBytes - Math.min(this.#paidBytes, heldBytes)
    const due = units - this.#units + unpaidBytes
    if (heldBytes < this.#paidBytes) this.#paidBytes = heldBytes
    if (due < portionUnits) return
    this.#reading.unasked(due)
    this.#units = units
    this.#paidBytes += unpaidBytes
  }

  /** False while the stream should wait for room. */
  hold(): boolean {
    const { budget, expected } = this.#reading
    if (budget.unfinished.hold(this, this.#parser.heldBytes, expected)) return true
    if (expected) return false
    this.#parser.drop()
    return this.hold()
  }

  /** The stream has ended: what it still holds was for nothing. */
  settle(): void {
    const { heldBytes } = this.#parser
    if (heldBytes > 0) this.#reading.unasked(heldBytes)
    this.#reading.budget.unfinished.hold(this, 0)
  }
}

/**
 * What one stream has been read of and not looked at yet. It is looked at in slices, each to the end of a line: those
 * of a long one stay whole. In between the stream may have to stand still, and its server with it.
 */
class Hand {
  readonly #answer: HttpAnswer
  readonly #reading: StreamReading
  readonly #bill: Bill
  #chunk: Buffer = noBytes
  #at = 0
  /** The next of each that ends a line, behind the last slice. */
  #feed = -1
  #return = -1
  #isLarge = false
  /** True when the stream has stood still since that chunk came. */
  #stopped = false

  constructor(answer: HttpAnswer, reading: StreamReading, bill: Bill) {
    this.#answer = answer
    this.#reading = reading
    this.#bill = bill
  }

  /** The next chunk. */
  take(chunk: Uint8Array): void {
    this.#chunk = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    this.#at = 0
    this.#feed = this.#return = -1
    this.#stopped = false
    this.#isLarge = chunk.length >= largeChunkBytes
  }

  /** True while something of the chunk is left. */
  get holds(): boolean {
    if (this.#at < this.#chunk.length) return true
    // Nothing but this keeps it.
    this.#chunk = noBytes
    return false
  }

  /** The next slice: from so many bytes on it ends with its line. */
  next(bytes: number): Buffer {
    const chunk = this.#chunk
    const start = this.#at
    const from = start + bytes
    if (chunk.length <= from) this.#at = chunk.length
    else {
      if (this.#feed < from) this.#feed = indexOrEnd(chunk, lineFeed, from)
      if (this.#return < from) this.#return = indexOrEnd(chunk, carriageReturn, from)
      this.#at = Math.min(this.#feed, this.#return) + 1
    }
    return start === 0 && this.#at >= chunk.length ? chunk : chunk.subarray(start, this.#at)
  }

  /** True for a stream that brought much and was not taken at once: before more is read of it there must be room. */
  get hasStopped(): boolean {
    return this.#stopped && this.#isLarge
  }

  /**
   * Waits while the streams of the server have too much in hand already, unless all others wait for this one; a few
   * go on at a time. False when the stream is given up.
   */
  async mayReadOn(): Promise<boolean> {
    const { inHand, unfinished } = this.#reading.budget
    // What has come already is there, whether it is looked at or not.
    while (this.#answer.stall?.() === 0) {
      await this.#reading.budget.turnToRead()
      if (!inHand.full || unfinished.isLargest(this.#bill)) return true
      if (!(await this.room())) return false
    }
    return true
  }

  /** Waits for a turn of the server's, and until the gate is open. */
  async rest(): Promise<void> {
    const { gate, budget } = this.#reading
    this.#stop()
    if (budget.turnSpent) await budget.turnToRead()
    while (gate.passed !== null) await gate.passed
    budget.inHand.hold(this, 0)
  }

  /** Waits a moment for room; false when the stream is given up. */
  async room(): Promise<boolean> {
    const { budget, cancellation } = this.#reading
    this.#stop()
    const waited = await wait(roomMs, cancellation)
    budget.inHand.hold(this, 0)
    return waited
  }

  #stop(): void {
    this.#stopped = true
    this.#reading.budget.inHand.hold(this, this.#chunk.length + (this.#answer.stall?.() ?? 0))
  }
}

function indexOrEnd(chunk: Buffer, byte: number, from: number): number {
  const at = chunk.indexOf(byte, from)
  return at < 0 ? chunk.length : at
}

/** What has come of an event that has not ended yet, in the name of whoever waits for it. */
class ArrivingEvent {
  readonly #reading: StreamReading
  #entry: LedgerEntry | null = null

  constructor(reading: StreamReading) {
    this.#reading = reading
  }

  /** Holds so many bytes from here on. False when there is no room for them. */
  hold(bytes: number): boolean {
    if (bytes < heldBytesMin) {
      this.close()
      return true
    }
    this.#entry ??= this.#reading.openEntry?.() ?? null
    return this.#entry === null || this.#entry.resize(bytes)
  }

  /** The event is whole, or will not be. */
  close(): void {
    this.#entry?.close()
  }
}

/** Holds readers back while nobody can take what they read. */
export class ReadGate {
  #opened: Promise<void> | null = null
  #open: () => void = () => {}

  /** Resolves at once unless the gate is shut. */
  get passed(): Promise<void> | null {
    return this.#opened
  }

  shut(): void {
    if (this.#opened !== null) return
    this.#opened = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  open(): void {
    this.#opened = null
    this.#open()
  }
}
