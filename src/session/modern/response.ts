/**
 * The response to one request of revision 2026-07-28: one JSON object when the answer comes first, an event
 * stream otherwise. It has no event ids, because such streams cannot be resumed, and its end is the cancel.
 *
 * Spec: 2026-07-28, basic/transports/streamable-http (Sending Messages), basic/patterns/cancellation.
 */
import { onOneLine } from '../../protocol/jsonrpc.ts'
import type { MessagePieces } from '../../protocol/large-answer.ts'
import type { LedgerEntry } from '../../runtime/byte-ledger.ts'
import { type CallEnding, type LiveCall, plainEndings } from '../../telemetry/call-ending.ts'
import { EventStream, eventFrame, eventStreamHeaders, type OpenEntry } from '../event-stream.ts'

/** What the HTTP response becomes, and how the call ended that it is for; `gone`: nobody is there to read it. */
export type ModernReply = { readonly call: LiveCall } & (
  | { readonly kind: 'text'; readonly status: number; readonly text: string }
  | { readonly kind: 'bytes'; readonly pieces: MessagePieces }
  | { readonly kind: 'stream'; readonly stream: EventStream }
  | { readonly kind: 'gone' }
)

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
  /** True for a subscription, which its client ends when it has heard enough. */
  readonly endless: boolean
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
  /** The answer, null when there is nothing to say; the status that it has when it is all there is. */
  finish(text: string | null, status: number, ending: CallEnding): void
  /** An answer that is no error, not decoded. */
  finishLarge(pieces: MessagePieces, ending: CallEnding): void
  sweep(nowMs: number): void
  /** The call that was finished with a question is over, and its client has not come back. */
  abandoned?(ending: CallEnding): void
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

export class ModernResponse implements AnswerSink, LiveCall {
  readonly reply: Promise<ModernReply>
  readonly #settings: ModernResponseSettings
  readonly #acceptsStream: boolean
  readonly #begunMs = performance.now()
  #resolve: ((reply: ModernReply) => void) | null = null
  #stream: EventStream | null = null
  ending: CallEnding | null = null
  #onEnding: ((ending: CallEnding) => void) | null = null
  #onAbandoned: ((ending: CallEnding) => void) | null = null
  readonly #owner: ResponseOwner

  constructor(acceptsStream: boolean, settings: ModernResponseSettings, owner: ResponseOwner) {
    this.#acceptsStream = acceptsStream
    this.#settings = settings
    this.#owner = owner
    this.reply = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  whenEnded(listener: (ending: CallEnding) => void): void {
    if (this.ending === null) this.#onEnding = listener
    else listener(this.ending)
  }

  whenAbandoned(listener: (ending: CallEnding) => void): void {
    this.#onAbandoned = listener
  }

  abandoned(ending: CallEnding): void {
    if (this.ending?.outcome === 'input_required') this.#onAbandoned?.(ending)
    this.#onAbandoned = null
  }

  watch(client: WaitingClient): void {
    if (this.ending !== null) return
    const { signal } = client
    if (signal.aborted) this.#gone()
    else signal.addEventListener('abort', () => this.#gone(), { once: true })
  }

  #gone(): void {
    if (this.ending !== null) return
    this.#end(this.#owner.endless ? plainEndings.ok : plainEndings.cancelled)
    this.#resolve?.({ kind: 'gone', call: this })
    this.#resolve = null
    this.#owner.clientGone()
  }

  #end(ending: CallEnding): void {
    this.ending = ending
    this.#onEnding?.(ending)
  }

  notify(text: string): void {
    if (this.#acceptsStream && this.ending === null) this.#open().write(eventFrame(onOneLine(text), null))
  }

  finish(text: string | null, status: number, ending: CallEnding): void {
    if (this.ending !== null) return
    this.#end(ending)
    if (this.#resolve && text !== null) this.#resolve({ kind: 'text', status, text, call: this })
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

  finishLarge(pieces: MessagePieces, ending: CallEnding): void {
    this.#end(ending)
    this.#resolve?.({ kind: 'bytes', pieces, call: this })
    this.#resolve = null
  }

  sweep(nowMs: number): void {
    if (this.#stream) this.#stream.heartbeat(nowMs, this.#settings.heartbeatMs)
    else if (
      this.#acceptsStream &&
      this.ending === null &&
      nowMs - this.#begunMs >= this.#settings.streamAfterMs
    )
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
      () => this.#gone(),
    )
    this.#stream = stream
    this.#resolve?.({ kind: 'stream', stream, call: this })
    this.#resolve = null
    return stream
  }
}
