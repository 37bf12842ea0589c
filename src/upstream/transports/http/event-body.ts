/** Reads the event stream in the body of one response. */
import { noRoomError } from '../../../errors.ts'
import { createSseParser, type SseParser, type SseSink } from '../../../protocol/sse-frames.ts'
import { heldBytesMin, type LedgerEntry } from '../../../runtime/byte-ledger.ts'
import { largeGarbage } from '../../../runtime/large-garbage.ts'
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

/** What an event stream is read for. */
export type EventSink = Pick<SseSink, 'event' | 'oversized'>

/**
 * Resolves when the stream ends; rejects with a GatewayError when it breaks, or its request is cancelled.
 * Reads one chunk at a time, and none while the gate is shut. Rejects with BYTES_EXHAUSTED when its client has no
 * room for a large event while that arrives.
 */
export function readEvents(
  answer: HttpAnswer,
  reading: StreamReading,
  cursor: StreamCursor,
  sink: EventSink,
): Promise<void> {
  return new EventBody(answer, reading, cursor, sink).read()
}

/** One stream: what has come of an event that has not ended, and what was paid. */
class EventBody {
  readonly #answer: HttpAnswer
  readonly #reading: StreamReading
  readonly #cursor: StreamCursor
  readonly #parser: SseParser
  /** Most streams that answer a call need none: what they bring is looked at as it comes. */
  #hand: Hand | null = null
  #paidUnits = 0
  /** Bytes of an event that nobody has asked for, which are paid while it comes: it may never end. */
  #paidBytes = 0
  /** In the name of whoever waits for a large event. */
  #entry: LedgerEntry | null = null

  constructor(answer: HttpAnswer, reading: StreamReading, cursor: StreamCursor, sink: EventSink) {
    this.#answer = answer
    this.#reading = reading
    this.#cursor = cursor
    this.#parser = createSseParser(reading.eventBytesMax, {
      event: (type, data) => {
        this.#keepId()
        this.#entry?.close()
        sink.event(type, data)
      },
      retry(delayMs) {
        cursor.retryMs = Math.min(delayMs, retryMsMax)
      },
      oversized(head, tail) {
        largeGarbage.discarded(reading.eventBytesMax)
        sink.oversized(head, tail)
      },
    })
  }

  async read(): Promise<void> {
    const { gate, budget } = this.#reading
    try {
      for (;;) {
        if (gate.passed !== null) await this.#inHand().rest()
        if (this.#hand?.hasStopped && !(await this.#hand.mayReadOn())) return
        const next = this.#answer.next()
        const chunk = next instanceof Promise ? await next : next
        if (chunk === null) break
        if (chunk.length <= sliceBytes && gate.passed === null && !budget.turnSpent) {
          this.look(chunk)
          if (!this.hold() && !(await this.#inHand().foundRoom())) return
        } else if (!(await this.#inHand().lookAt(chunk))) return
        // Also ids of events without data count.
        this.#keepId()
      }
    } finally {
      this.#end()
    }
  }

  #inHand(): Hand {
    this.#hand ??= new Hand(this, this.#answer, this.#reading)
    return this.#hand
  }

  #keepId(): void {
    const { lastEventId } = this.#parser
    if (lastEventId !== '') this.#cursor.lastEventId = lastEventId
  }

  /** Reads a part of the stream. Throws BYTES_EXHAUSTED. */
  look(slice: Uint8Array): void {
    this.#parser.push(slice)
    this.#reading.budget.read(slice.length)
    const { heldBytes } = this.#parser
    if (heldBytes >= heldBytesMin) this.#holdForClient(heldBytes)
    else if (this.#entry !== null) this.#entry.close()
    this.#charge(heldBytes)
  }

  #holdForClient(bytes: number): void {
    this.#entry ??= this.#reading.openEntry?.() ?? null
    if (this.#entry === null || this.#entry.resize(bytes)) return
    // The server is not to pay for it.
    this.#parser.drop()
    this.#answer.discard()
    throw noRoomError()
  }

  /** What the stream has cost beside its events. */
  #charge(heldBytes: number): void {
    const { surplusBytes, lines } = this.#parser
    const units = surplusBytes + lines * costs.line
    if (heldBytes < this.#paidBytes) this.#paidBytes = heldBytes
    const unpaidBytes = this.#reading.expected ? 0 : heldBytes - this.#paidBytes
    const due = units - this.#paidUnits + unpaidBytes
    if (due < portionUnits) return
    this.#reading.unasked(due)
    this.#paidUnits = units
    this.#paidBytes += unpaidBytes
  }

  /** Notes what is held of an event that has not ended. False while the stream should wait for room. */
  hold(): boolean {
    const { budget, expected } = this.#reading
    if (budget.unfinished.hold(this, this.#parser.heldBytes, expected)) return true
    if (expected) return false
    this.#parser.drop()
    return this.hold()
  }

  /** True for the one stream that the others of its server wait for. */
  get isLargest(): boolean {
    return this.#reading.budget.unfinished.isLargest(this)
  }

  /** The stream has ended: what it still holds was for nothing. */
  #end(): void {
    this.#parser.end()
    const { heldBytes } = this.#parser
    if (heldBytes > 0) this.#reading.unasked(heldBytes)
    this.#reading.budget.unfinished.hold(this, 0)
    this.#entry?.close()
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

/**
 * What one stream has been read of and not looked at yet. It is looked at in slices, each to the end of a line: those
 * of a long one stay whole. In between the stream may have to stand still, and its server with it.
 */
class Hand {
  readonly #body: EventBody
  readonly #answer: HttpAnswer
  readonly #reading: StreamReading
  #chunk: Buffer = noBytes
  #at = 0
  /** The next of each that ends a line, behind the last slice. */
  #feed = -1
  #return = -1
  #isLarge = false
  /** True when the stream has stood still since that chunk came. */
  #stopped = false

  constructor(body: EventBody, answer: HttpAnswer, reading: StreamReading) {
    this.#body = body
    this.#answer = answer
    this.#reading = reading
  }

  /** Looks at all of a chunk, with pauses where they are due. False when the stream is given up. */
  async lookAt(chunk: Uint8Array): Promise<boolean> {
    const { gate, budget } = this.#reading
    this.#take(chunk)
    while (this.#at < this.#chunk.length) {
      if (gate.passed !== null || budget.turnSpent) await this.rest()
      this.#body.look(this.#next(budget.indebted ? smallSliceBytes : sliceBytes))
      if (!(this.#body.hold() || (await this.foundRoom()))) return false
    }
    // Nothing but this keeps it.
    this.#chunk = noBytes
    return true
  }

  #take(chunk: Uint8Array): void {
    this.#chunk = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    this.#at = 0
    this.#feed = this.#return = -1
    this.#stopped = false
    this.#isLarge = chunk.length >= largeChunkBytes
  }

  /** The next slice: from so many bytes on it ends with its line. */
  #next(bytes: number): Buffer {
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
    const { budget } = this.#reading
    // What has come already is there, whether it is looked at or not.
    while (this.#answer.stall?.() === 0) {
      await budget.turnToRead()
      if (!budget.inHand.full || this.#body.isLargest) return true
      if (!(await this.#moment())) return false
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

  /** Waits until what is held of an unfinished event may be held. False when the stream is given up. */
  async foundRoom(): Promise<boolean> {
    do if (!(await this.#moment())) return false
    while (!this.#body.hold())
    return true
  }

  /** False when the stream is given up. */
  async #moment(): Promise<boolean> {
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
