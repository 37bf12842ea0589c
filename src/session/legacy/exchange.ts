/**
 * One request of a session's client, from its arrival to its answer.
 *
 * waiting → streaming → done, or waiting → done. What the first event is decides the form of the response: a
 * result becomes a JSON body; a notification, a server request or a few seconds of silence turn it into an
 * event stream. The call outlives its reader: a dropped connection is no cancel in these revisions.
 */
import type { CallerLimits } from '../../access/caller-limits.ts'
import { filteredAnswer, isFiltered } from '../../access/items.ts'
import { type Reach, reachOf } from '../../access/reach.ts'
import { type GatewayError, rpcErrorText, shownError } from '../../errors.ts'
import type { RpcFailure } from '../../protocol/bridge/types.ts'
import { hasParam, type MessageText, rpcError, rpcResult } from '../../protocol/jsonrpc.ts'
import type { MessagePieces } from '../../protocol/large-answer.ts'
import { heldBytesMin, type LedgerEntry } from '../../runtime/byte-ledger.ts'
import { type CallEnding, endingOfError, type LiveCall, plainEndings } from '../../telemetry/call-ending.ts'
import { checkProgressToken, progressTokenTextOf, UpstreamCall } from '../../upstream/connection/calls.ts'
import type { Connection } from '../../upstream/connection/connection.ts'
import {
  endingOfAnswer,
  endingOfFailure,
  endingOfLarge,
  endingOfResult,
} from '../../upstream/connection/endings.ts'
import type { Server } from '../../upstream/server/server.ts'
import type { EventStream } from '../event-stream.ts'
import { legacyLoginAnswer } from '../login-question.ts'
import type { Session } from './session.ts'
import type { Channel } from './streams.ts'

/** What the HTTP response to a POST becomes. */
export type PostReply =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'bytes'; readonly pieces: MessagePieces }
  | { readonly kind: 'stream'; readonly stream: EventStream }
  | { readonly kind: 'error'; readonly error: GatewayError }

/** What an exchange needs of the server that answers it. */
export type AnsweringServer = Pick<Server, 'name' | 'definition' | 'counters' | 'tools' | 'mask'>

/** The books that every exchange keeps, whatever carries its answer. */
export abstract class Exchange extends UpstreamCall implements LiveCall {
  readonly method: string
  message: MessageText
  readonly idText: string
  readonly progressTokenText: string | null
  override readonly outlivesAnswer: boolean
  client: Session
  server: AnsweringServer
  readonly #begunMs = performance.now()
  /** Of a large request. */
  #held: LedgerEntry | null = null
  /** Of its client, once it is counted there. */
  #limits: CallerLimits | null = null
  connection: Connection | null = null
  /** Counts up in its session. */
  serial = 0
  /** How a bridged request is cancelled; null when the connection's in-flight table knows it. */
  canceller: (() => void) | null = null
  ending: CallEnding | null = null
  #onEnding: ((ending: CallEnding) => void) | null = null

  constructor(session: Session, server: AnsweringServer, message: MessageText, idText: string) {
    super()
    this.method = message.method ?? ''
    this.message = message
    this.idText = idText
    this.principalId = session.principalId
    this.client = session
    this.holder = session
    this.server = server
    this.progressTokenText = progressTokenTextOf(message)
    this.outlivesAnswer = this.method === 'tools/call' && hasParam(message, 'task')
  }

  /** True once the answer, or the failure, has been passed on. */
  get done(): boolean {
    return this.ending !== null
  }

  whenEnded(listener: (ending: CallEnding) => void): void {
    if (this.ending === null) this.#onEnding = listener
    else listener(this.ending)
  }

  /**
   * Counts the call in. False at a bound (of the server or a key: IN_FLIGHT_EXHAUSTED; of the client: BYTES_EXHAUSTED) and for
   * a progress token that is too long: its client has been told, as of any other failure.
   */
  begin(): boolean {
    try {
      checkProgressToken(this.progressTokenText)
      if (this.message.text.length >= heldBytesMin) this.#held = this.client.hold(this.message.text)
      const limits = this.client.grants?.limits ?? null
      limits?.began()
      this.#limits = limits
      this.server.counters.started()
    } catch (thrown) {
      this.refuse(shownError(thrown))
      return false
    }
    this.client.began(this)
    return true
  }

  /** Refuses it before it has begun. */
  refuse(error: GatewayError): void {
    this.#endWith(endingOfError(error))
    this.finish(null, error)
  }

  /**
   * Makes it a request of this part of its session at this server, in these words. Once it has begun, it moves from
   * the one server's books to the other's; false at a bound there, of which its client has then been told.
   */
  directTo(part: Session, server: AnsweringServer, message: MessageText): boolean {
    const begun = this.serial > 0
    try {
      if (begun) server.counters.started()
    } catch (thrown) {
      this.failed(shownError(thrown))
      return false
    }
    if (begun) this.server.counters.ended(performance.now() - this.#begunMs, 'ok')
    this.client = part
    this.server = server
    this.message = message
    this.canceller = null
    return true
  }

  /** Sends the answer or a failure on; `text` is null when there is nothing to say (a cancelled call). */
  protected abstract finish(text: string | null, error: GatewayError | null): void
  /** Sends an answer on that was not decoded; only where `takesBytes`. */
  protected finishLarge(_pieces: MessagePieces): void {}
  /** A message that belongs to this exchange and is not its answer. */
  abstract deliver(text: string): void
  /** True while messages for its client can travel with this exchange. */
  abstract get carriesMessages(): boolean

  notified(_message: MessageText, text: string): void {
    this.deliver(text)
  }

  answered(message: MessageText, text: string): void {
    this.#finishShown(text, endingOfAnswer(this.method, message, false))
  }

  override answeredLarge(pieces: MessagePieces): void {
    this.#end(endingOfLarge(this.method, pieces, false))
    this.finishLarge(pieces)
  }

  answeredHere(resultText: string): void {
    this.#finishShown(rpcResult(this.idText, resultText), endingOfResult(this.method, resultText))
  }

  /** A JSON-RPC error in the words of a bridge, or of the server behind it. */
  refusedHere(failure: RpcFailure): void {
    this.#end(endingOfFailure(failure))
    this.finish(rpcError(this.idText, failure.text), null)
  }

  failed(error: GatewayError): void {
    this.#end(endingOfError(error))
    const answer = legacyLoginAnswer(error, this.method, this.idText, this.client.takesUrls)
    this.finish(answer, answer === null ? error : null)
  }

  dropped(): void {
    this.#end(plainEndings.cancelled)
    this.finish(null, null)
  }

  /** What its client may use of its server. */
  get reach(): Reach {
    return reachOf(this.client.grants, this.server.definition)
  }

  /** A list is filtered, and a task's handle is looked into. */
  protected get relaysUnread(): boolean {
    return !this.outlivesAnswer && !isFiltered(this.reach, this.method)
  }

  /** A large answer of which something may have to be changed is read as text. */
  override mustRead(pieces: MessagePieces): boolean {
    return this.client.showing?.mayChange(pieces) ?? false
  }

  /** The answer as its client gets it: without what is hidden from it, in the words of its session. */
  protected shown(text: string): string | Promise<string> {
    const filtered = filteredAnswer(this.reach, this.method, text)
    return this.client.showing?.answer(this.method, filtered) ?? filtered
  }

  #finishShown(text: string, ending: CallEnding): void {
    const shown = this.shown(text)
    if (typeof shown === 'string') {
      this.#end(ending)
      this.finish(shown, null)
      return
    }
    // Answered at the server: there is nothing left to cancel there.
    this.canceller = () => {
      if (!this.done) this.dropped()
    }
    void shown.then(
      (later) => {
        if (this.done) return
        this.#end(ending)
        this.finish(later, null)
      },
      (thrown: unknown) => {
        if (!this.done) this.failed(shownError(thrown))
      },
    )
  }

  #end(ending: CallEnding): void {
    this.#endWith(ending)
    const nowMs = performance.now()
    this.server.counters.ended(nowMs - this.#begunMs, ending.outcome)
    this.client.ended(this, nowMs)
  }

  #endWith(ending: CallEnding): void {
    this.ending = ending
    this.trace?.ended(ending)
    this.#held?.close()
    this.#limits?.ended()
    this.#onEnding?.(ending)
  }
}

/** A request that came by POST to the Streamable HTTP endpoint. */
export class PostExchange extends Exchange {
  readonly #acceptsStream: boolean
  #resolve: ((reply: PostReply) => void) | null = null
  #channel: Channel | null = null
  /** Settles once it is known what the response becomes. */
  readonly reply: Promise<PostReply>

  constructor(
    session: Session,
    server: AnsweringServer,
    message: MessageText,
    idText: string,
    acceptsStream: boolean,
  ) {
    super(session, server, message, idText)
    this.#acceptsStream = acceptsStream
    this.reply = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  get carriesMessages(): boolean {
    return this.#acceptsStream
  }

  deliver(text: string): void {
    if (!this.#acceptsStream) this.client.streams.sendStanding(text)
    else this.#openChannel().send(text)
  }

  /** Turns the response into an event stream, so that a client that waits sees a first byte. */
  openStream(): void {
    if (this.#resolve && this.#acceptsStream) this.#openChannel()
  }

  override get takesBytes(): boolean {
    return this.#resolve !== null && this.relaysUnread
  }

  protected override finishLarge(pieces: MessagePieces): void {
    this.#resolve?.({ kind: 'bytes', pieces })
    this.#resolve = null
  }

  override interrupted(): void {
    if (this.#acceptsStream && this.client.resumable) this.#openChannel().reader?.close()
  }

  protected finish(text: string | null, error: GatewayError | null): void {
    const resolve = this.#resolve
    this.#resolve = null
    if (this.#channel) {
      const last = error ? rpcErrorText(error, this.idText) : text
      if (last !== null) this.#channel.send(last)
      this.client.streams.finishChannel(this.#channel)
    } else if (error) resolve?.({ kind: 'error', error })
    else if (text !== null) resolve?.({ kind: 'text', text })
    else {
      // A cancelled call has no answer; an event stream that just ends says so.
      const channel = this.client.streams.newChannel()
      resolve?.({ kind: 'stream', stream: this.client.streams.openReader(channel, 0) })
      this.client.streams.finishChannel(channel)
    }
  }

  #openChannel(): Channel {
    if (this.#channel) return this.#channel
    const channel = this.client.streams.newChannel()
    this.#channel = channel
    this.#resolve?.({ kind: 'stream', stream: this.client.streams.openReader(channel, 0) })
    this.#resolve = null
    return channel
  }
}

/** A request that came in a batch: it shares one event stream with the others. */
export class BatchExchange extends Exchange {
  readonly carriesMessages = true
  readonly #channel: Channel
  readonly #done: () => void

  constructor(
    session: Session,
    server: AnsweringServer,
    message: MessageText,
    idText: string,
    channel: Channel,
    done: () => void,
  ) {
    super(session, server, message, idText)
    this.#channel = channel
    this.#done = done
  }

  deliver(text: string): void {
    this.#channel.send(text)
  }

  protected finish(text: string | null, error: GatewayError | null): void {
    const last = error ? rpcErrorText(error, this.idText) : text
    if (last !== null) this.#channel.send(last)
    this.#done()
  }
}

/** A request that came over the 2024-11-05 message endpoint: everything travels on the session's one stream. */
export class SseExchange extends Exchange {
  get carriesMessages(): boolean {
    return false
  }

  deliver(text: string): void {
    this.client.streams.sendStanding(text)
  }

  protected finish(text: string | null, error: GatewayError | null): void {
    const last = error ? rpcErrorText(error, this.idText) : text
    if (last !== null) this.client.streams.sendStanding(last)
  }
}
