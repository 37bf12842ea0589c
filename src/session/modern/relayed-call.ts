/**
 * One request of a stateless client on a server of its own era: passed on as the text it came as, both ways.
 * Between equal ends there is nothing to decide, so no machine runs here.
 */
import { filteredAnswer, isFiltered, mayHear } from '../../access/items.ts'
import { type Grants, type Reach, reachOf } from '../../access/reach.ts'
import { type GatewayError, rpcErrorText, sentOnError } from '../../errors.ts'
import type { ModernRequestRoute } from '../../protocol/classify.ts'
import { modernErrorStatus, rpcCodes } from '../../protocol/eras.ts'
import { idTextOf, type MessageText, memberSpan, rpcResult } from '../../protocol/jsonrpc.ts'
import type { MessagePieces } from '../../protocol/large-answer.ts'
import { errorCodeOf } from '../../protocol/response.ts'
import { memberText } from '../../protocol/spans.ts'
import type { LedgerEntry } from '../../runtime/byte-ledger.ts'
import { type CallEnding, endingOfError, plainEndings } from '../../telemetry/call-ending.ts'
import type { RequestTrace } from '../../telemetry/traces/trace.ts'
import { checkProgressToken, progressTokenTextOf, UpstreamCall } from '../../upstream/connection/calls.ts'
import type { Connection } from '../../upstream/connection/connection.ts'
import { endingOfAnswer, endingOfLarge, endingOfResult } from '../../upstream/connection/endings.ts'
import type { Server } from '../../upstream/server/server.ts'
import { modernLoginAnswer } from '../login-question.ts'
import type { ModernRequests, OpenRequest } from './requests.ts'
import {
  type AnswerSink,
  type ModernReply,
  type Respond,
  type ResponseOwner,
  respondTo,
  type WaitingClient,
} from './response.ts'

/** What a call needs of its HTTP request. */
export interface RelayedRequest {
  readonly message: MessageText
  /** As its client sent it. */
  readonly route: ModernRequestRoute
  readonly principalId: string
  readonly clientKey: string
  readonly grants: Grants | null
  readonly acceptsStream: boolean
  readonly respond: Respond | null
  /** Its client wants log messages. */
  readonly logs: boolean
  readonly client: WaitingClient
  /** Headers for a server over HTTP. */
  readonly headers: Readonly<Record<string, string>> | undefined
  readonly trace: RequestTrace | undefined
}

type RequestBooks = Pick<ModernRequests, 'settings' | 'add' | 'delete' | 'hold' | 'openEntry' | 'statePrefix'>

const stateKey = '"requestState"'

export class RelayedCall extends UpstreamCall implements OpenRequest, ResponseOwner {
  readonly method: string
  readonly message: MessageText
  readonly idText: string
  readonly progressTokenText: string | null
  readonly client = null
  override readonly principalId: string
  readonly grants: Grants | null
  readonly clientKey: string
  readonly serverName: string
  readonly #requests: RequestBooks
  readonly #held: LedgerEntry | null
  readonly #server: Server
  readonly #connection: Connection
  /** What its client may use of its server. */
  readonly #reach: Reach
  readonly #client: WaitingClient
  readonly #route: ModernRequestRoute
  readonly #response: AnswerSink
  readonly #begunMs = performance.now()
  #open = true

  /** Counts the call in and sends it; throws IN_FLIGHT_EXHAUSTED at the bound of the server or of a key, BYTES_EXHAUSTED at that of the client. */
  constructor(requests: RequestBooks, server: Server, connection: Connection, request: RelayedRequest) {
    super()
    const { message } = request
    this.method = message.method ?? ''
    this.message = message
    this.idText = idTextOf(message)
    this.headers = request.headers
    this.logs = request.logs
    if (request.trace !== undefined) this.trace = request.trace.call()
    this.progressTokenText = progressTokenTextOf(message)
    checkProgressToken(this.progressTokenText)
    this.principalId = request.principalId
    this.grants = request.grants
    this.clientKey = request.clientKey
    this.holder = this
    this.serverName = server.name
    this.#requests = requests
    this.#server = server
    this.#connection = connection
    this.#reach = reachOf(request.grants, server.definition)
    this.#client = request.client
    this.#route = request.route
    this.#held = requests.hold(request.clientKey, message.text, false)
    this.#countIn()
    this.#response = respondTo(request, requests.settings, this)
    connection.request(this)
  }

  openEntry(giveUp: (() => void) | null = null): LedgerEntry {
    return this.#requests.openEntry(this.clientKey, giveUp)
  }

  get reply(): Promise<ModernReply> {
    return this.#response.reply
  }

  watchClient(): void {
    this.#response.watch(this.#client)
  }

  clientGone(): void {
    this.#closeBooks(plainEndings.cancelled)
    this.#connection.cancel(this, null)
  }

  sweep(nowMs: number): void {
    this.#response.sweep(nowMs)
  }

  abort(error: GatewayError): void {
    this.failed(sentOnError(error))
    this.#connection.cancel(this, null)
  }

  notified({ method }: MessageText, text: string): void {
    if (
      mayHear(
        () => this.#reach,
        method ?? '',
        () => memberText(text, 'params'),
      )
    )
      this.#response.notify(text)
  }

  answered(message: MessageText, text: string): void {
    this.#finish(
      filteredAnswer(this.#reach, this.method, this.#withOwner(text)),
      message.failed ? modernErrorStatus(errorCodeOf(message) ?? rpcCodes.internalError) : 200,
      endingOfAnswer(this.method, message, true),
    )
  }

  override get takesBytes(): boolean {
    return this.#response.takesBytes && !isFiltered(this.#reach, this.method)
  }

  override mustRead(pieces: MessagePieces): boolean {
    if (
      this.#namesOwner &&
      pieces.some((piece) => Buffer.from(piece.buffer, piece.byteOffset, piece.length).includes(stateKey))
    )
      return true
    return this.#response.mustRead(pieces)
  }

  /** Whether others must see whose process has written a state: only that one can read it. */
  get #namesOwner(): boolean {
    return this.#requests.statePrefix !== '' && !this.#connection.cancelsByClosing
  }

  #withOwner(text: string): string {
    if (!this.#namesOwner || !text.includes(stateKey)) return text
    const result = memberSpan(text, 0, 'result')
    const span = result && memberSpan(text, result.start, 'requestState')
    if (span === null || text[span.start] !== '"') return text
    const at = span.start + 1
    return text.slice(0, at) + this.#requests.statePrefix + text.slice(at)
  }

  override answeredLarge(pieces: MessagePieces): void {
    const ending = endingOfLarge(this.method, pieces, true)
    this.#closeBooks(ending)
    this.#response.finishLarge(pieces, ending)
  }

  answeredHere(resultText: string): void {
    this.#finish(rpcResult(this.idText, resultText), 200, endingOfResult(this.method, resultText))
  }

  failed(error: GatewayError): void {
    const answer = modernLoginAnswer(error, this.#route, this.idText)
    if (answer !== null) this.#finish(answer, 200, endingOfError(error))
    else
      this.#finish(rpcErrorText(error, this.idText), modernErrorStatus(error.rpcCode), endingOfError(error))
  }

  dropped(): void {
    this.#finish(null, 200, plainEndings.cancelled)
  }

  #finish(text: string | null, status: number, ending: CallEnding): void {
    this.#closeBooks(ending)
    this.#response.finish(text, status, ending)
  }

  #countIn(): void {
    try {
      this.#requests.add(this)
    } catch (thrown) {
      this.#held?.close()
      throw thrown
    }
    try {
      this.#server.counters.started()
    } catch (thrown) {
      this.#requests.delete(this)
      this.#held?.close()
      throw thrown
    }
  }

  #closeBooks(ending: CallEnding): void {
    if (!this.#open) return
    this.#open = false
    this.trace?.ended(ending)
    this.#held?.close()
    this.#requests.delete(this)
    const durationMs = performance.now() - this.#begunMs
    this.#server.counters.ended(durationMs, ending.outcome)
  }
}
