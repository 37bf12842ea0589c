/**
 * The response to one request of revision 2026-07-28: one JSON object when the answer comes first, an event
 * stream otherwise. It has no event ids, because such streams cannot be resumed, and its end is the cancel.
 *
 * Spec: 2026-07-28, basic/transports/streamable-http (Sending Messages), basic/patterns/cancellation.
 */
import { onOneLine } from '../../protocol/jsonrpc.ts'
import type { MessagePieces } from '../../protocol/large-answer.ts'
import type { LedgerEntry } from '../../runtime/byte-ledger.ts'
import { EventStream, eventFrame, eventStreamHeaders, type OpenEntry } from '../event-stream.ts'

/** What the HTTP response becomes. */
export type ModernReply =
  | { readonly kind: 'text'; readonly status: number; readonly text: string }
  | { readonly kind: 'bytes'; readonly pieces: MessagePieces }
  | { readonly kind: 'stream'; readonly stream: EventStream }

export interface ModernResponseSettings {
  readonly streamBufferBytesMax: number
  readonly heartbeatMs: number
  readonly streamAfterMs: number
}

/** Whoever waits for a response: its HTTP request. */
export interface WaitingClient {
  /** Aborted when the connection is closed before the response has begun. Costly to ask for. */
  readonly signal: AbortSignal
}

/** Whose response it is. */
export interface ResponseOwner {
  /** The client has closed the response before it had its answer. Called once at most. */
  clientGone(): void
  /** An entry for what waits for its client. */
  openEntry(giveUp: () => void): LedgerEntry
}

/** Where the answer to a request goes, and what comes before it. */
export interface AnswerSink {
  /** Settles once it is known what the HTTP response becomes. */
  readonly reply: Promise<ModernReply>
  /** True while `finishLarge` may be called instead of `finish`. */
  readonly takesBytes: boolean
  /** Whether a large answer must be finished as text all the same, by what stands in its bytes. */
  mustRead(pieces: MessagePieces): boolean
  /** Begins to notice when the client is gone before anything was sent, or has gone already. */
  watch(client: WaitingClient): void
  /** A message that comes before the answer. */
  notify(text: string): void
  /** The answer, and the status that it has when it is all there is; null when there is nothing to say. */
  finish(text: string | null, status: number): void
  /** The answer of a request that went well, not decoded. */
  finishLarge(pieces: MessagePieces): void
  sweep(nowMs: number): void
}

/** Makes the sink for the answer to one request. */
export type Respond = (owner: ResponseOwner) => AnswerSink

/** The sink that a request brings along, or a response. */
export function respondTo(
  request: { readonly respond: Respond | null; readonly acceptsStream: boolean },
  settings: ModernResponseSettings,
  owner: ResponseOwner,
): AnswerSink {
  return request.respond?.(owner) ?? new ModernResponse(request.acceptsStream, settings, owner)
}

export class ModernResponse implements AnswerSink {
  readonly reply: Promise<ModernReply>
  readonly #settings: ModernResponseSettings
  readonly #acceptsStream: boolean
  readonly #begunMs = performance.now()
  #resolve: ((reply: ModernReply) => void) | null = null
  #stream: EventStream | null = null
  #finished = false
  readonly #owner: ResponseOwner

  constructor(acceptsStream: boolean, settings: ModernResponseSettings, owner: ResponseOwner) {
    this.#acceptsStream = acceptsStream
    this.#settings = settings
    this.#owner = owner
    this.reply = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  get finished(): boolean {
    return this.#finished
  }

  watch(client: WaitingClient): void {
    if (this.#finished) return
    const { signal } = client
    if (signal.aborted) this.#gone()
    else signal.addEventListener('abort', () => this.#gone(), { once: true })
  }

  #gone(): void {
    if (this.#finished) return
    this.#finished = true
    this.#resolve = null
    this.#owner.clientGone()
  }

  /** A message that comes before the answer. A client that takes no stream goes without. */
  notify(text: string): void {
    if (this.#acceptsStream && !this.#finished) this.#open().write(eventFrame(onOneLine(text), null))
  }

  finish(text: string | null, status: number): void {
    if (this.#finished) return
    this.#finished = true
    if (this.#resolve && text !== null) this.#resolve({ kind: 'text', status, text })
    else if (this.#resolve) {
      // A stream that just ends says that there is no answer.
      this.#open().close()
    } else {
      if (text !== null) this.#stream?.write(eventFrame(onOneLine(text), null))
      this.#stream?.close()
    }
    this.#resolve = null
  }

  get takesBytes(): boolean {
    return this.#resolve !== null
  }

  mustRead(): boolean {
    return false
  }

  finishLarge(pieces: MessagePieces): void {
    this.#finished = true
    this.#resolve?.({ kind: 'bytes', pieces })
    this.#resolve = null
  }

  sweep(nowMs: number): void {
    if (this.#stream) this.#stream.heartbeat(nowMs, this.#settings.heartbeatMs)
    else if (this.#acceptsStream && !this.#finished && nowMs - this.#begunMs >= this.#settings.streamAfterMs)
      this.#open()
  }

  #open(): EventStream {
    if (this.#stream) return this.#stream
    const openEntry: OpenEntry = (giveUp) => this.#owner.openEntry(giveUp)
    const stream = new EventStream(
      this.#settings.streamBufferBytesMax,
      null,
      eventStreamHeaders,
      openEntry,
      () => {
        if (this.#finished) return
        this.#finished = true
        this.#owner.clientGone()
      },
    )
    this.#stream = stream
    this.#resolve?.({ kind: 'stream', stream })
    this.#resolve = null
    return stream
  }
}
