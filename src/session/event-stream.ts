/**
 * One open SSE response.
 *
 * Its first byte leaves at once, because intermediaries and clients wait for it; a comment goes out while it
 * is silent. A reader that does not keep up is cut off at the bound, so that it costs itself and not memory.
 * The bound is for what waits already: a single message may be larger, and reaches a reader that keeps up.
 */
import { heldBytesMin, type LedgerEntry } from '../runtime/byte-ledger.ts'
import type { Listed } from '../runtime/in-flight.ts'

/** Headers of every event stream: nothing on the way may buffer, transform or compress it. */
export const eventStreamHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff',
}

const mark = Symbol('event stream')

/** Whether a response is one of these, which may go on for hours. Asking its headers would cost more. */
export function isEventStream(response: Response): boolean {
  return mark in response
}

/** Marks a response as one of these that another member of a cluster has begun. */
export function markEventStream(response: Response): Response {
  return Object.assign(response, { [mark]: true })
}

/**
 * The runtime sets aside memory by this mark for as long as a stream is open: 11 KB more for each at 16 MiB
 * than at 1 KiB. The bound on what may wait is therefore kept here, by hand. At none the runtime asks for more
 * only when the reader has taken all that it was given.
 */
const highWaterBytes = 0

const encoder = new TextEncoder()
const comment = encoder.encode(': ok\n\n')

/** Opens an entry for what waits for the reader of a stream; `giveUp` cuts it off. */
export type OpenEntry = (giveUp: () => void) => LedgerEntry

export class EventStream implements Listed {
  /** Its place among the readers of its session. */
  place = 0
  readonly response: Response
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null
  readonly #bufferBytesMax: number
  readonly #onEnd: (stream: EventStream) => void
  lastWriteMs = 0
  readonly #openEntry: OpenEntry
  /** Of what waits, once that is much. */
  #entry: LedgerEntry | null = null
  /** The largest frame that the runtime may still have in its hands. */
  #frameBytes = 0
  /** Set once nothing more follows and the reader has not taken all of it. */
  #closing: ReadableStreamDefaultController<Uint8Array> | null = null

  /** `first` is sent at once. `onEnd` is called once when the reader is gone, whoever ended it. */
  constructor(
    bufferBytesMax: number,
    first: string | null,
    headers: Readonly<Record<string, string>>,
    openEntry: OpenEntry,
    onEnd: (stream: EventStream) => void,
  ) {
    this.#openEntry = openEntry
    this.#onEnd = onEnd
    this.#bufferBytesMax = bufferBytesMax
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => this.#drained(),
        cancel: () => this.#gone(),
      },
      { highWaterMark: highWaterBytes, size: (chunk) => chunk?.byteLength ?? 0 },
    )
    if (first === null) this.#enqueue(comment)
    else this.write(first)
    this.response = Object.assign(new Response(body, { headers }), { [mark]: true })
  }

  get open(): boolean {
    return this.#controller !== null
  }

  /** What its reader has not taken yet. */
  get queuedBytes(): number {
    return highWaterBytes - (this.#controller?.desiredSize ?? highWaterBytes)
  }

  /** Queues one ready frame; false when the reader is gone or was cut off because it does not keep up. */
  write(frame: string): boolean {
    return this.#enqueue(encoder.encode(frame))
  }

  /** Sends a comment when nothing was sent for that long. */
  heartbeat(nowMs: number, heartbeatMs: number): void {
    if (nowMs - this.lastWriteMs >= heartbeatMs) this.#enqueue(comment)
  }

  /** Ends the response after what is queued. */
  close(): void {
    const controller = this.#controller
    if (!controller) return
    this.#ended()
    if (this.#entry !== null) {
      this.#closing = controller
      return
    }
    try {
      controller.close()
    } catch {
      // The reader was faster.
    }
  }

  #enqueue(bytes: Uint8Array): boolean {
    const controller = this.#controller
    if (!controller) return false
    const { queuedBytes } = this
    if (queuedBytes >= this.#bufferBytesMax || !this.#hold(queuedBytes, bytes.byteLength)) {
      this.#cut()
      return false
    }
    try {
      controller.enqueue(bytes)
    } catch {
      this.#ended()
      return false
    }
    this.lastWriteMs = performance.now()
    return true
  }

  /** Enters what waits, once that is much; false when there is no room for it. */
  #hold(queuedBytes: number, frameBytes: number): boolean {
    if (this.#entry === null && queuedBytes + frameBytes < heldBytesMin) return true
    this.#entry ??= this.#openEntry(() => this.#cut())
    if (!this.#entry.resize(queuedBytes + frameBytes + this.#frameBytes)) return false
    this.#frameBytes = Math.max(this.#frameBytes, frameBytes)
    return true
  }

  /** The reader has taken everything. */
  #drained(): void {
    if (this.#entry === null) return
    this.#letGo()
    const closing = this.#closing
    this.#closing = null
    closing?.close()
  }

  #gone(): void {
    this.#closing = null
    this.#letGo()
    this.#ended()
  }

  #cut(): void {
    const controller = this.#controller ?? this.#closing
    this.#gone()
    controller?.error(new Error('the reader does not keep up'))
  }

  #letGo(): void {
    this.#frameBytes = 0
    this.#entry?.close()
    this.#entry = null
  }

  #ended(): void {
    if (!this.#controller) return
    this.#controller = null
    this.#onEnd(this)
  }
}

/** One event frame. `data` must hold no line break, which is so for a relayed message on one line. */
export function eventFrame(data: string, id: string | null, event: string | null = null): string {
  return `${event === null ? '' : `event: ${event}\n`}${id === null ? '' : `id: ${id}\n`}data: ${data}\n\n`
}
