/**
 * One client's session with one server, on either face.
 *
 * opening → open → closed. Bound to the principal that opened it: under any other it does not exist. Owns its
 * event channels, its replay ring, the requests that its client has in flight and those that the server has
 * asked of its client. All of it goes when the session does.
 *
 * A session may be part of another one, whose client uses several servers through one address: it then has a lane
 * and a bridge of its own, and shares everything that is its client's with the whole.
 */

import { mayHear } from '../../access/items.ts'
import type { CredentialOwner } from '../../access/owner/credential-owner.ts'
import { type Grants, reachOf } from '../../access/reach.ts'
import { GatewayError, noRoomError, sentOnError } from '../../errors.ts'
import { legacyVersionHas, serverRequests } from '../../protocol/eras.ts'
import { isObject } from '../../protocol/json.ts'
import { type MessageText, paramSpan } from '../../protocol/jsonrpc.ts'
import type { MessagePieces } from '../../protocol/large-answer.ts'
import { memberText } from '../../protocol/spans.ts'
import { type ByteLedger, type LedgerEntry, textBytes } from '../../runtime/byte-ledger.ts'
import { Roster } from '../../runtime/in-flight.ts'
import type { UpstreamCall } from '../../upstream/connection/calls.ts'
import { type LaneClient, refuseServerRequest } from '../../upstream/connection/client.ts'
import type { Lane } from '../../upstream/lane/lane.ts'
import { LaneLosses } from '../lane-losses.ts'
import { takesUrls } from '../login-question.ts'
import { Exchange, PostExchange } from './exchange.ts'
import { ServerRequests } from './server-requests.ts'
import { SessionStreams, type StreamOwner } from './streams.ts'

export interface SessionSettings {
  readonly replayEventsMax: number
  readonly replayBytesMax: number
  readonly streamBufferBytesMax: number
  readonly heartbeatMs: number
  readonly streamAfterMs: number
  readonly clientInputMs: number
}

export type Endpoint = 'stream' | 'sse'

/** How a client hears what its server says, where that is not as it came. */
export interface Showing {
  /** The text of a notification as the client gets it, or null when it is told in another way or not at all. */
  notification(method: string, text: string): string | null
  /** The text of a whole response to this method. */
  answer(method: string, text: string): string | Promise<string>
  /** Whether `answer` may change something in the bytes of a large one. */
  mayChange(pieces: MessagePieces): boolean
}

export interface SessionInit {
  readonly id: string
  readonly principalId: string
  /** What its client is counted under, wherever a bound is for one client. */
  readonly clientKey: string
  readonly serverName: string
  /** Whose credentials it uses where each user has some of their own; null or left out where it uses none. */
  readonly owner?: CredentialOwner | null
  readonly endpoint: Endpoint
  readonly ledger: ByteLedger
}

/** What a session on a server of the other era needs beside its lane (bridge.ts). */
export interface SessionBridge {
  /** Sends a request of the session's on this lane, or answers it here. */
  request(exchange: Exchange, lane: Lane): void
  /** Whether the client has a stream for what belongs to no request. */
  standing(open: boolean): void
  close(): void
}

export class Session implements LaneClient, StreamOwner {
  readonly id: string
  readonly principalId: string
  readonly clientKey: string
  readonly serverName: string
  readonly owner: CredentialOwner | null
  readonly endpoint: Endpoint
  readonly createdAtMs = performance.now()
  lastSeenMs = performance.now()
  state: 'opening' | 'open' | 'closed' = 'opening'
  lane: Lane | null = null
  /** Set once the session uses a server of the other era. */
  bridge: SessionBridge | null = null
  /** What decides which of its parts a message of its client's is for; null where it has none. */
  members: object | null = null
  headers: Readonly<Record<string, string>> | undefined = undefined
  resumes: NonNullable<LaneClient['resumes']> | null = null
  /** What its client calls itself. */
  clientName: string | undefined = undefined
  /** Whether its client can be asked to open a URL. */
  takesUrls = false
  #grants: Grants | null = null
  #initialize: MessageText | null = null
  #protocolVersion = ''
  #capabilities: Readonly<Record<string, unknown>> = {}
  /** Null where all that its server says reaches the client as it came. */
  readonly showing: Showing | null
  readonly #settings: SessionSettings
  /** What it is a part of, or itself: whose client's everything is. */
  readonly #whole: Session
  readonly #parts = new Set<Session>()
  readonly #exchanges: Roster<Exchange>
  #begun = 0
  readonly #serverRequests: ServerRequests
  /** Everything that travels to the client outside a JSON body. */
  readonly streams: SessionStreams
  #shortHash: string | null = null
  readonly #whenGone = new Set<() => void>()
  readonly laneLosses = new LaneLosses()
  readonly #ledger: ByteLedger
  /** What it keeps for as long as it lasts. */
  readonly #kept: LedgerEntry
  readonly #onLaneLost: (session: Session) => void

  /** `onLaneLost` sees to a new lane for a session whose client still listens; `part` is what makes it one of another's. */
  constructor(
    init: SessionInit,
    settings: SessionSettings,
    onLaneLost: (session: Session) => void,
    part: { readonly of: Session; readonly showing: Showing } | null = null,
  ) {
    this.#onLaneLost = onLaneLost
    this.id = init.id
    this.principalId = init.principalId
    this.clientKey = init.clientKey
    this.#ledger = init.ledger
    this.serverName = init.serverName
    this.owner = init.owner ?? null
    this.endpoint = init.endpoint
    this.#settings = settings
    this.showing = part?.showing ?? null
    const whole = part?.of ?? this
    this.#whole = whole
    this.#kept = part ? whole.#kept : init.ledger.open(init.clientKey)
    this.#exchanges = part ? whole.#exchanges : new Roster()
    this.#serverRequests = part ? whole.#serverRequests : new ServerRequests()
    this.streams = part ? whole.streams : new SessionStreams(this, settings)
  }

  /** What its client was granted, as of its latest request; null for everything. One for the whole. */
  get grants(): Grants | null {
    return this.#whole.#grants
  }

  set grants(grants: Grants | null) {
    this.#whole.#grants = grants
  }

  /** The part of this session that uses another server; it ends with the whole, or when it is closed. */
  openPart(serverName: string, showing: Showing, onLaneLost: (session: Session) => void): Session {
    const { id, principalId, clientKey, endpoint, owner } = this
    const init = { id, principalId, clientKey, endpoint, owner, serverName, ledger: this.#ledger }
    const part = new Session(init, this.#settings, onLaneLost, { of: this, showing })
    part.#initialize = this.#initialize
    part.#protocolVersion = this.#protocolVersion
    part.#capabilities = this.#capabilities
    part.takesUrls = this.takesUrls
    part.state = this.state
    this.#parts.add(part)
    return part
  }

  /** Notes what the client declared in its `initialize`. Throws BYTES_EXHAUSTED when it cannot be kept. */
  begin(
    initialize: MessageText,
    protocolVersion: string,
    capabilities: Readonly<Record<string, unknown>>,
  ): void {
    if (!this.keep(textBytes(initialize.text))) throw noRoomError()
    this.#initialize = initialize
    this.#protocolVersion = protocolVersion
    this.#capabilities = capabilities
    this.takesUrls = takesUrls(this.#protocolVersion, capabilities)
  }

  /** Keeps so many bytes more for its client, or fewer; false when there is no room for them. */
  keep(bytes: number): boolean {
    if (this.#whole.state === 'closed') return bytes <= 0
    return this.#kept.resize(Math.max(0, this.#kept.bytes + bytes))
  }

  /** An entry in the name of its client. */
  openEntry(giveUp: (() => void) | null = null): LedgerEntry {
    return this.#ledger.open(this.clientKey, giveUp)
  }

  /** Room for a large text of a request, for as long as that is under way. Throws BYTES_EXHAUSTED. */
  hold(text: string): LedgerEntry {
    const entry = this.#ledger.hold(this.clientKey, textBytes(text))
    if (entry === null) throw noRoomError()
    return entry
  }

  get initialize(): MessageText {
    if (!this.#initialize) throw new GatewayError('INVALID_REQUEST', 'Send initialize first.')
    return this.#initialize
  }

  /** True once the client has sent its `initialize`, answered or not. */
  get greeted(): boolean {
    return this.#initialize !== null
  }

  get protocolVersion(): string {
    return this.#protocolVersion
  }

  get interactive(): boolean {
    for (const _ in this.#capabilities) return true
    return false
  }

  /** True when the client is told an event id before anything else, so that it can resume any stream. */
  get resumable(): boolean {
    return this.endpoint === 'stream' && legacyVersionHas(this.#protocolVersion, 'priming')
  }

  /** Notes that the client was heard or seen. */
  touch(): void {
    this.#whole.lastSeenMs = performance.now()
  }

  /** For logs: names the session without giving it away. */
  get shortHash(): string {
    this.#shortHash ??= Bun.hash(this.id).toString(16).padStart(16, '0').slice(0, 12)
    return this.#shortHash
  }

  /** True while a client is plainly there: a stream is open or a call is in flight. */
  get busy(): boolean {
    return this.streams.open || this.#exchanges.size > 0
  }

  /** Requests of its client that are under way. */
  get calls(): number {
    return this.#exchanges.size
  }

  // Exchanges.

  began(exchange: Exchange): void {
    exchange.serial = ++this.#whole.#begun
    this.#exchanges.add(exchange)
  }

  ended(exchange: Exchange, nowMs: number): void {
    this.#exchanges.delete(exchange)
    this.#whole.lastSeenMs = nowMs
  }

  /** The client's `notifications/cancelled`: only its own call is found here, so nobody else's can be hit. */
  cancel(message: MessageText): void {
    const span = paramSpan(message, 'requestId')
    const idText = span && message.text.slice(span.start, span.end)
    const exchange = this.#latest((begun) => begun.idText === idText)
    if (exchange?.canceller) exchange.canceller()
    else exchange?.connection?.cancel(exchange, message)
  }

  notify(message: MessageText, call: UpstreamCall | null): void {
    if (this.state === 'closed') return
    const text = this.shown(message.method ?? '', message.text)
    if (text === null) return
    const exchange = call instanceof Exchange && call.client === this ? call : null
    if (exchange?.carriesMessages) exchange.deliver(text)
    else this.streams.sendStanding(text)
  }

  /** A notification of its server's as its client gets it; null when the client is told in another way. */
  shown(method: string, text: string): string | null {
    const { lane, grants } = this
    const params = (): string | null => memberText(text, 'params')
    if (lane !== null && !mayHear(() => reachOf(grants, lane.definition), method, params)) return null
    return this.showing === null ? text : this.showing.notification(method, text)
  }

  ask(message: MessageText, call: UpstreamCall | null, answer: (text: string) => void): void {
    const needed = serverRequests.get(message.method ?? '')
    const lacks = needed !== undefined && !isObject(this.#capabilities[needed])
    if (lacks || this.state === 'closed') {
      refuseServerRequest(
        message,
        answer,
        lacks ? `the client did not declare ${needed}` : 'the session has ended',
      )
      return
    }
    const asked = this.#serverRequests.add(message, answer, this, this.#whole !== this)
    if (!asked) return
    const carrier =
      call instanceof Exchange && call.carriesMessages
        ? call
        : this.#latest((begun) => begun.client === this && begun.carriesMessages)
    if (carrier) carrier.deliver(asked.text)
    else this.streams.sendStanding(asked.text)
  }

  /** Asks the client for a bridge, on this exchange's stream; answers the question's id, null when it was refused. */
  askBridged(message: MessageText, exchange: Exchange, answer: (text: string) => void): number | null {
    const asked = this.#serverRequests.add(message, answer, this, this.#whole !== this)
    if (asked && exchange.carriesMessages) exchange.deliver(asked.text)
    else if (asked) this.streams.sendStanding(asked.text)
    return asked?.id ?? null
  }

  /** Tells the client that a bridge's question is moot. */
  takeBack(id: number): void {
    const text = this.#serverRequests.takeBack(id)
    if (text !== null) this.streams.sendStanding(text)
  }

  whenGone(listener: () => void): () => void {
    if (this.state === 'closed') listener()
    else this.#whenGone.add(listener)
    return () => this.#whenGone.delete(listener)
  }

  /** The client listens from now on; a server that was lost while nobody did would go on being silent. */
  listens(): void {
    this.bridge?.standing(true)
    if (this.lane && !this.lane.established) this.#onLaneLost(this)
    for (const part of this.#parts) part.listens()
  }

  readerLeft(standing: boolean): void {
    if (!standing && this.state !== 'closed') {
      this.bridge?.standing(false)
      for (const part of this.#parts) part.bridge?.standing(false)
    }
    this.touch()
  }

  laneLost(): void {
    if (this.state !== 'closed' && this.streams.open) this.#onLaneLost(this)
  }

  withdraw(message: MessageText, requestIdText: string): void {
    const text = this.#serverRequests.withdraw(message, requestIdText, this)
    if (text !== null) this.streams.sendStanding(text)
  }

  /** A response of the client's to a request of the server's. */
  respond(response: MessageText): void {
    this.#serverRequests.respond(response)
  }

  /** The part whose server asked what this progress of the client's is of, and the progress in that server's words. */
  progressOf(progress: MessageText): { readonly part: Session; readonly message: MessageText } | null {
    const found = this.#serverRequests.progressOf(progress)
    return found?.asker instanceof Session ? { part: found.asker, message: found.message } : null
  }

  /** Silence becomes a stream, silent streams a comment, unanswered server requests an error. */
  sweep(nowMs: number): void {
    const { streamAfterMs, heartbeatMs, clientInputMs } = this.#settings
    for (const exchange of this.#exchanges.list())
      if (exchange instanceof PostExchange && nowMs - exchange.startedAtMs >= streamAfterMs)
        exchange.openStream()
    this.streams.heartbeat(nowMs, heartbeatMs)
    this.#serverRequests.sweep(nowMs, clientInputMs)
  }

  /** Ends it all: calls fail with this error, server requests are refused, streams end, the lane is left. */
  close(error: GatewayError): void {
    if (this.state === 'closed') return
    for (const part of this.#parts) part.close(error)
    this.state = 'closed'
    this.#serverRequests.refuseAll('the session has ended', this)
    for (const exchange of this.#exchanges.list()) if (exchange.client === this) abandon(exchange, error)
    for (const listener of this.#whenGone) listener()
    this.#whenGone.clear()
    this.bridge?.close()
    this.lane?.leave(this)
    this.lane = null
    this.#whole.#parts.delete(this)
    if (this.#whole !== this) return
    this.streams.close()
    this.#kept.close()
  }

  /** The one that was begun last among those that fit: a client may use an id again. */
  #latest(fits: (exchange: Exchange) => boolean): Exchange | null {
    let latest: Exchange | null = null
    for (const exchange of this.#exchanges.items)
      if (exchange.serial > (latest?.serial ?? 0) && fits(exchange)) latest = exchange
    return latest
  }
}

/** Ends what nobody waits for any more, here and at the server. */
function abandon(exchange: Exchange, error: GatewayError): void {
  const { connection, canceller } = exchange
  connection?.cancel(exchange, null)
  connection?.forget(exchange)
  if (!exchange.done) exchange.failed((connection ?? canceller) === null ? error : sentOnError(error))
  canceller?.()
}
