/**
 * One wire to one MCP server, shared by any number of calls.
 *
 * Owns the in-flight table: the client's id and progress token are replaced by one integer per call and put
 * back, type and digits kept, when the answer or its progress comes. SDKs count both from 0, so without the
 * map one client would get another's answer. Nothing else in a message is changed.
 */
import { type ErrorCode, GatewayError, resultTooLargeError, sentOnError } from '../../errors.ts'
import { foreignErrors } from '../../protocol/eras.ts'
import {
  type MessageText,
  memberSpan,
  paramSpan,
  replaceSpan,
  rpcCancel,
  scanMessage,
  withId,
} from '../../protocol/jsonrpc.ts'
import { largeAnswer, lengthOf, type MessagePieces, replaceBytes } from '../../protocol/large-answer.ts'
import { errorCodeOf, integerAt } from '../../protocol/response.ts'
import type { LedgerEntry } from '../../runtime/byte-ledger.ts'
import { ByNumber } from '../../runtime/in-flight.ts'
import type { Log } from '../../telemetry/log.ts'
import { costs, FloodGuard, type ServerBudget } from '../transports/flood-guard.ts'
import { objectsIn } from '../transports/message-text.ts'
import type { TransportReceiver, UpstreamTransport } from '../transports/transport.ts'
import { AnsweredRequest } from './answered-request.ts'
import { GatewayCall, LingeringCalls, type UpstreamCall } from './calls.ts'
import { MessageLog } from './message-log.ts'
import { carriedBy, sentText, tracedText } from './traced-message.ts'

/** What a connection asks of whoever leased it. Synchronous; must not throw. */
export interface ConnectionOwner {
  /** The name of the server. */
  readonly name: string
  /** A request of the server's; `call` is the client's request that caused it, when that is known. */
  serverRequest(connection: Connection, message: MessageText, call: UpstreamCall | null): void
  /** A notification that no table of the connection claims. */
  notification(connection: Connection, message: MessageText, call: UpstreamCall | null): void
  /** The upstream session is gone; `call`, if there is one, is proved not to have run and may be sent again. */
  sessionLost(connection: Connection, call: UpstreamCall | null): void
  /** The upstream session may be gone. */
  sessionDoubted(connection: Connection): void
  /** The wire failed under one request, which may be a sign of more. */
  requestLost(): void
  closed(connection: Connection, error: GatewayError): void
  noise(line: string): void
  /** What the server may cost, on all its connections together. */
  readonly budget: ServerBudget
  /** Takes the server's secrets out of a text for people. */
  mask(text: string): string
}

export interface CallLimits {
  /** Longest silence of a call; progress starts it anew. */
  readonly callIdleMs: number
  readonly callTotalMs: number
  /** Bytes of one answer. */
  readonly resultBytesMax: number
}

/** Failures after which it is worth a look whether the server is there, and still of its era. */
const doubtful: ReadonlySet<ErrorCode> = new Set(['SERVER_UNAVAILABLE', 'UPSTREAM_CLOSED', 'UPSTREAM_ERROR'])
/** What is passed on of a text that is no message. */
const shownCharsMax = 64 * 1024
/** A cancelled call is kept this long for an answer that crossed the cancel on the wire. */
const cancelGraceMs = 2_000

export class Connection implements TransportReceiver {
  readonly transport: UpstreamTransport
  readonly #owner: ConnectionOwner
  readonly #limits: CallLimits
  readonly #log: Log
  readonly #messages: MessageLog
  readonly #inFlight = new ByNumber<UpstreamCall>()
  readonly #lingering = new LingeringCalls()
  #firstId = 1
  #nextId = 1
  readonly #answeredRequest = new AnsweredRequest()
  /** Requests that the gateway has made for itself. */
  ownRequestCount = 0
  /** Set on modern HTTP connections. */
  cancelsByClosing = false
  #closedBy: GatewayError | null = null
  readonly #flood: FloodGuard

  constructor(transport: UpstreamTransport, owner: ConnectionOwner, limits: CallLimits, log: Log) {
    this.transport = transport
    this.#owner = owner
    this.#limits = limits
    this.#log = log
    this.#messages = new MessageLog(log, owner.name, transport)
    this.#flood = new FloodGuard(transport, owner.budget, () =>
      this.noise('(more output than anybody asked for: from here on it is read slowly)'),
    )
  }

  get budget(): ServerBudget {
    return this.#owner.budget
  }

  get inFlightCount(): number {
    return this.#inFlight.size
  }

  /** Requests that clients have made so far. */
  get clientRequestCount(): number {
    return this.#nextId - this.#firstId - this.ownRequestCount
  }

  /** The ids below were used in its session already, by another process. */
  numberFrom(id: number): void {
    this.#firstId = this.#nextId = id
  }

  /** Why the wire is gone, or null while it is there. */
  get closedBy(): GatewayError | null {
    return this.#closedBy
  }

  /** Requests of clients in flight: the gateway's own and subscriptions cause nothing. */
  *causes(): Iterable<UpstreamCall> {
    for (const call of this.#inFlight) if (!call.endless && !(call instanceof GatewayCall)) yield call
  }

  /** Subscriptions in flight. */
  *subscriptions(): Iterable<UpstreamCall> {
    for (const call of this.#inFlight) if (call.endless && call.cancelledAtMs === 0) yield call
  }

  /** The call in flight under this upstream id, or null. */
  callOf(upstreamId: number | null): UpstreamCall | null {
    return upstreamId === null ? null : (this.#inFlight.get(upstreamId) ?? null)
  }

  /** Sends a request. Its answer, or its failure, reaches the call. */
  request(call: UpstreamCall): void {
    if (this.#closedBy) {
      call.failed(this.#closedBy)
      return
    }
    const id = this.#nextId++
    call.upstreamId = id
    call.startedAtMs = call.lastActivityMs = performance.now()
    this.#inFlight.set(id, call)
    this.#transmit(call)
  }

  /** Sends again what is proved not to have run (transports/http/lost-session.ts), unless its client has cancelled it. */
  resend(call: UpstreamCall): void {
    if (this.#inFlight.get(call.upstreamId) === call && call.cancelledAtMs === 0) this.#transmit(call)
  }

  #transmit(call: UpstreamCall): void {
    const { method, upstreamId, headers, trace, repeatable } = call
    const idText = String(upstreamId)
    const carried = trace === null ? null : carriedBy(call, trace, this.#owner.name, this.transport.pid)
    const text = carried === null ? sentText(call, idText) : tracedText(call, idText, carried)
    if (this.#messages.on) this.#messages.sent(method, upstreamId, text)
    if (carried !== null)
      this.transport.send({
        text,
        requestId: upstreamId,
        method,
        repeatable,
        headers,
        trace: carried.context,
      })
    else this.transport.send({ text, requestId: upstreamId, method, repeatable, headers })
  }

  /** Sends a notification or a response as it is. */
  send(text: string, method: string | null, headers?: Readonly<Record<string, string>>): void {
    if (this.#closedBy) return
    if (method !== null) this.#answeredRequest.notified(this.#nextId)
    if (this.#messages.on) this.#messages.sent(method, null, text)
    this.transport.send({ text, requestId: null, method, ...(headers && { headers }) })
  }

  /** Passes a client's cancel on, at once and ahead of nothing: the wire keeps its order. */
  cancel(call: UpstreamCall, cancelText: MessageText | null): void {
    if (this.#inFlight.get(call.upstreamId) !== call || call.cancelledAtMs > 0) return
    call.cancelledAtMs = performance.now()
    if (this.cancelsByClosing) {
      // Modern HTTP: closing the response is the cancel (2026-07-28, basic/patterns/cancellation).
      this.#inFlight.delete(call.upstreamId)
      this.transport.abort(call.upstreamId)
      call.dropped()
      return
    }
    const span = cancelText && paramSpan(cancelText, 'requestId')
    const id = String(call.upstreamId)
    const text = cancelText && span ? replaceSpan(cancelText.text, span, id) : rpcCancel(id)
    this.send(text, 'notifications/cancelled')
  }

  /** Drops a call without a word to anyone; its answer will be ignored. */
  forget(call: UpstreamCall): void {
    if (this.#inFlight.get(call.upstreamId) === call) this.#inFlight.delete(call.upstreamId)
  }

  /** The server ended a subscription of its own accord: no answer follows it on the wire. */
  endSubscription(upstreamId: number): void {
    const call = this.#inFlight.get(upstreamId)
    if (!call?.endless) return
    this.#inFlight.delete(upstreamId)
    call.answeredHere('{"resultType":"complete"}')
  }

  /** Fails what has waited too long and ends what was cancelled. Called by the lane's sweep. */
  expire(nowMs: number): void {
    for (const call of this.#inFlight.list()) {
      // Ended along with another.
      if (this.#inFlight.get(call.upstreamId) !== call) continue
      if (call.cancelledAtMs > 0) {
        if (nowMs - call.cancelledAtMs < cancelGraceMs) continue
        this.#inFlight.delete(call.upstreamId)
        call.dropped()
        continue
      }
      if (call.endless || call instanceof GatewayCall) continue
      const idle = nowMs - call.lastActivityMs > this.#limits.callIdleMs
      if (!idle && nowMs - call.startedAtMs <= this.#limits.callTotalMs) continue
      const boundMs = idle ? this.#limits.callIdleMs : this.#limits.callTotalMs
      this.cancel(call, null)
      this.#inFlight.delete(call.upstreamId)
      call.failed(
        new GatewayError(
          'UPSTREAM_TIMEOUT',
          idle ? `no answer and no progress for ${boundMs} ms` : `the call took longer than ${boundMs} ms`,
        ),
      )
    }
  }

  /** Ends the wire; calls in flight fail with this error. */
  async close(error: GatewayError): Promise<void> {
    this.#end(error)
    await this.transport.close()
  }

  // What the transport reports.

  message(text: string, requestId: number | null): void {
    const message = scanMessage(text)
    if (message !== null && this.#messages.on) this.#messages.received(message)
    const several = message === null ? objectsIn(text) : null
    if (several !== null && several.length > 1) for (const one of several) this.message(one, requestId)
    else if (message?.kind !== 'response' || !this.#settle(message, requestId)) {
      this.unasked(text.length + (message?.kind === 'request' ? costs.question : costs.message))
      if (message?.kind !== 'response') this.#unasked(text, message, requestId)
    }
  }

  openEntry(requestId: number): LedgerEntry | null {
    return this.#inFlight.get(requestId)?.holder?.openEntry() ?? null
  }

  settled(requestId: number): boolean {
    return this.#inFlight.get(requestId) === undefined
  }

  unasked(units: number): void {
    this.#flood.charge(units)
  }

  /** Does not read on until `release`, for a server that says more than can be passed on at once. */
  hold(): void {
    this.#flood.hold()
  }

  release(): void {
    this.#flood.release()
  }

  /** Everything but answers. */
  #unasked(text: string, message: MessageText | null, requestId: number | null): void {
    const call = this.callOf(requestId)
    if (message === null) this.noise(`not a JSON-RPC message: ${text.slice(0, shownCharsMax)}`)
    else if (message.kind === 'request') this.#owner.serverRequest(this, message, call)
    else if (message.method === 'notifications/progress') this.#progress(message)
    else this.#owner.notification(this, message, call)
  }

  large(pieces: MessagePieces): boolean {
    const answer = largeAnswer(pieces)
    const call = answer && this.#inFlight.get(answer.id)
    if (!answer || !call?.takesBytes || call.mustRead(pieces)) return false
    if (this.#messages.on) this.#messages.receivedLarge(answer.id, lengthOf(pieces))
    this.#inFlight.delete(answer.id)
    if (lengthOf(pieces) > this.#limits.resultBytesMax) this.#tooLarge(call)
    else call.answeredLarge(replaceBytes(pieces, answer.idStart, answer.idEnd, call.idText))
    return true
  }

  requestFailed(requestId: number, error: GatewayError): void {
    const call = this.#inFlight.get(requestId)
    if (!call) return
    this.#inFlight.delete(requestId)
    if (call.cancelledAtMs > 0) call.dropped()
    else call.failed(error)
    if (doubtful.has(error.code)) this.#owner.requestLost()
  }

  interrupted(requestId: number): void {
    this.#inFlight.get(requestId)?.interrupted()
  }

  sessionLost(requestId: number | null): void {
    const call = requestId === null ? null : (this.#inFlight.get(requestId) ?? null)
    this.#owner.sessionLost(this, call)
  }

  sessionDoubted(): void {
    this.#owner.sessionDoubted(this)
  }

  closed(error: GatewayError): void {
    if (this.#closedBy) return
    this.#end(error)
    this.#owner.closed(this, error)
  }

  noise(line: string): void {
    this.#owner.noise(line)
  }

  /** Takes the server's secrets out of a text for people. */
  mask(text: string): string {
    return this.#owner.mask(text)
  }

  #end(error: GatewayError): void {
    this.#closedBy ??= error
    this.#flood.stop()
    const calls = this.#inFlight.list()
    this.#inFlight.clear()
    this.#lingering.clear()
    for (const call of calls) {
      if (call.cancelledAtMs > 0) call.dropped()
      else call.failed(sentOnError(error))
    }
  }

  /** False for an answer that no call waits for. */
  #settle(message: MessageText, requestId: number | null): boolean {
    const id = this.#answeredRequest.idOf(message, requestId, this.transport.attributes, this.#inFlight)
    const call = this.#inFlight.get(id)
    if (!call) {
      this.#log.debug({ upstreamId: id }, 'answer to no call in flight')
      return false
    }
    this.#inFlight.delete(id)
    this.#answeredRequest.answered(id)
    if (message.failed && this.#saysOtherEra(message)) this.#owner.requestLost()
    if (call.outlivesAnswer && call.progressTokenText !== null && !message.failed)
      this.#lingering.add(id, call)
    if (message.text.length > this.#limits.resultBytesMax) this.#tooLarge(call)
    else call.answered(message, withId(message, call.idText))
    return true
  }

  #tooLarge(call: UpstreamCall): void {
    if (call.cancelledAtMs > 0) call.dropped()
    else call.failed(resultTooLargeError(this.#limits.resultBytesMax, 'limits.result_bytes_max'))
  }

  #saysOtherEra(message: MessageText): boolean {
    const own = this.cancelsByClosing ? 'modern' : 'legacy'
    return this.transport.pid === null && foreignErrors[own].has(errorCodeOf(message) ?? 0)
  }

  #progress(message: MessageText): void {
    const span = memberSpan(message.text, message.paramsStart, 'progressToken')
    const id = span ? integerAt(message.text, span.start, span.end) : -1
    const call = this.#inFlight.get(id) ?? this.#lingering.get(id)
    if (!span || !call || call.progressTokenText === null) return
    call.lastActivityMs = performance.now()
    call.notified(message, replaceSpan(message.text, span, call.progressTokenText))
  }
}
