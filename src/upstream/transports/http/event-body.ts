/** Reads the event stream in the body of one response. */
import { createSseParser, type SseParser, type SseSink } from '../../../protocol/sse-frames.ts'
import type { HttpAnswer } from './client/answer/answer.ts'

/** What a stream has said about resuming it; outlives the responses that carried it. */
export interface StreamCursor {
  /** For `Last-Event-ID`; empty when no event carried an id. */
  lastEventId: string
  /** The delay that the server asks for before a reconnect, or null. */
  retryMs: number | null
}

/** Longest delay that a server may ask for: `retry` must be respected, but not into the next day. */
const retryMsMax = 10 * 60_000

/**
 * Resolves when the stream ends; rejects with a GatewayError when it breaks, or its request is cancelled.
 * Reads one chunk at a time, and none while the gate is shut.
 */
export async function readEvents(
  answer: HttpAnswer,
  eventBytesMax: number,
  gate: ReadGate,
  cursor: StreamCursor,
  sink: Pick<SseSink, 'event' | 'oversized'>,
): Promise<void> {
  const parser: SseParser = createSseParser(eventBytesMax, {
    event(type, data) {
      if (parser.lastEventId !== '') cursor.lastEventId = parser.lastEventId
      sink.event(type, data)
    },
    retry(delayMs) {
      cursor.retryMs = Math.min(delayMs, retryMsMax)
    },
    oversized: (head, tail) => sink.oversized(head, tail),
  })
  for (;;) {
    if (gate.passed !== null) await gate.passed
    const next = answer.next()
    const chunk = next instanceof Promise ? await next : next
    if (chunk === null) break
    parser.push(chunk)
    // Also ids of events without data count.
    if (parser.lastEventId !== '') cursor.lastEventId = parser.lastEventId
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
