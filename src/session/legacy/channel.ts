/**
 * One logical event stream of a session: the standing one, or that of a single request. It outlives the
 * connection that carries it: events wait in the session's ring until a reader comes back.
 */
import { onOneLine } from '../../protocol/jsonrpc.ts'
import { type EventStream, eventFrame } from '../event-stream.ts'
import type { ReplayRing } from './replay-ring.ts'

export class Channel {
  readonly key: number
  readonly #ring: ReplayRing
  #sequence = 0
  /** The last event that some reader was given; later ones still wait for their first reader. */
  #handedOut = 0
  #reader: EventStream | null = null
  finished = false

  constructor(key: number, ring: ReplayRing) {
    this.key = key
    this.#ring = ring
  }

  get reader(): EventStream | null {
    return this.#reader?.open ? this.#reader : null
  }

  /** The id of the event that a fresh reader starts behind. */
  primingId(): string {
    return `${this.key}-${this.#handedOut}`
  }

  send(text: string): void {
    const sequence = ++this.#sequence
    const frame = eventFrame(onOneLine(text), `${this.key}-${sequence}`)
    this.#ring.push(this.key, sequence, frame)
    if (this.reader?.write(frame)) this.#handedOut = sequence
  }

  /** Gives the channel a reader: first what it has not seen since `afterSequence`, then what comes. */
  attach(stream: EventStream, afterSequence: number | null): void {
    const from = afterSequence ?? this.#handedOut
    this.#reader = stream
    for (const frame of this.#ring.after(this.key, from)) if (!stream.write(frame)) return
    this.#handedOut = this.#sequence
    if (this.finished) stream.close()
  }

  /** Nothing more will come; the reader gets what is queued and the end. */
  finish(): void {
    this.finished = true
    this.#reader?.close()
  }
}

/** Reads an event id of ours; null when it is none. */
export function parseEventId(text: string): { key: number; sequence: number } | null {
  const parts = /^(\d{1,9})-(\d{1,9})$/.exec(text)
  return parts ? { key: Number(parts[1]), sequence: Number(parts[2]) } : null
}
