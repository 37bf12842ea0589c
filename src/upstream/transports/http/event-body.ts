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
/** Bytes between two looks at the gate: a chunk may hold tens of thousands of events. */
const sliceBytes = 8 * 1024
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
  const { gate } = reading
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
  try {
    for (;;) {
      if (gate.passed !== null) await gate.passed
      const next = answer.next()
      const chunk = next instanceof Promise ? await next : next
      if (chunk === null) break
      for (let at = 0; at < chunk.length; at += sliceBytes) {
        while (gate.passed !== null) await gate.passed
        parser.push(chunk.length <= sliceBytes ? chunk : chunk.subarray(at, at + sliceBytes))
        if (!arriving.hold(parser.heldBytes)) {
          // The server is not to pay for it.
          parser.drop()
          answer.discard()
          throw noRoomError()
        }
        bill.charge()
        while (!bill.hold()) if (!(await wait(roomMs, reading.cancellation))) return
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

  constructor(parser: SseParser, reading: StreamReading) {
    this.#parser = parser
    this.#reading = reading
  }

  charge(): void {
    const { surplusBytes, lines } = this.#parser
    const units = surplusBytes + lines * costs.line
    if (units - this.#units < portionUnits) return
    this.#reading.unasked(units - this.#units)
    this.#units = units
  }

  /** False while the stream should wait for room. */
  hold(): boolean {
    const { budget, expected } = this.#reading
    if (budget.unfinished.hold(this, this.#parser.heldBytes)) return true
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
