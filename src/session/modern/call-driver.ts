/**
 * One request of a stateless client on its way through a server of either era.
 *
 * running → answered, or running → parked → running → …: the call outlives the response that parked it, and
 * the client's next request, which carries the sealed state, becomes its response.
 */

import { filteredAnswer, mayHear } from '../../access/items.ts'
import type { CredentialOwner } from '../../access/owner/credential-owner.ts'
import { type Grants, reachOf } from '../../access/reach.ts'
import { GatewayError, gatewayErrorOf, rpcErrorText, sentOnError } from '../../errors.ts'
import { stamped } from '../../protocol/bridge/listen.ts'
import { inputRequiredResult } from '../../protocol/bridge/questions.ts'
import type { CallEffect, RpcFailure, Step } from '../../protocol/bridge/types.ts'
import type { ModernRequestRoute } from '../../protocol/classify.ts'
import type { Envelope } from '../../protocol/envelope.ts'
import { modernErrorStatus } from '../../protocol/eras.ts'
import { rpcError, rpcNotification, rpcResult } from '../../protocol/jsonrpc.ts'
import type { LedgerEntry } from '../../runtime/byte-ledger.ts'
import { type CallEnding, endingOfError, plainEndings } from '../../telemetry/call-ending.ts'
import type { RequestTrace } from '../../telemetry/traces/trace.ts'
import type { LaneClient } from '../../upstream/connection/client.ts'
import type { Connection } from '../../upstream/connection/connection.ts'
import { endingOfFailure, endingOfResult } from '../../upstream/connection/endings.ts'
import type { Lane } from '../../upstream/lane/lane.ts'
import type { Server } from '../../upstream/server/server.ts'
import { modernLoginAnswer } from '../login-question.ts'
import { MachineDriver, type StepFunction } from '../machine-driver.ts'
import type { StateBinding } from './request-state.ts'
import { endsWell, type ModernRequests, type OpenRequest } from './requests.ts'
import {
  type AnswerSink,
  type ModernReply,
  type Respond,
  type ResponseOwner,
  respondTo,
  type WaitingClient,
} from './response.ts'

/** One HTTP request of a stateless client, as the route read it. */
export interface ModernRequest {
  readonly method: string
  /** Raw JSON text of the id. */
  readonly idText: string
  /** As its client sent it. */
  readonly route: ModernRequestRoute
  readonly paramsText: string
  readonly envelope: Envelope
  readonly binding: StateBinding
  /** Whose credentials it uses where each user has some of their own; null where it uses none. */
  readonly owner: CredentialOwner | null
  /** What its client is counted under. */
  readonly clientKey: string
  readonly grants: Grants | null
  readonly acceptsStream: boolean
  readonly respond: Respond | null
  readonly client: WaitingClient
  readonly forwardedHeaders: Readonly<Record<string, string>> | undefined
  readonly trace: RequestTrace | undefined
}

export interface ModernCallParts {
  readonly requests: ModernRequests<ModernCallDriver>
}

/** The call of one of the machines: the relay between modern ends, or the bridge to a legacy server. */
export class ModernCallDriver<State = unknown>
  extends MachineDriver<State>
  implements OpenRequest, ResponseOwner
{
  readonly principalId: string
  readonly clientKey: string
  readonly serverName: string
  readonly endless: boolean
  place = 0
  protected readonly headers: Readonly<Record<string, string>> | undefined
  readonly #parts: ModernCallParts
  readonly #server: Server
  readonly #lane: Lane
  #request: ModernRequest
  #response: AnswerSink
  #begunMs = performance.now()
  #open = false
  /** Of a large request, and of one that is parked or never ends. */
  #held: LedgerEntry | null

  /** Counts the call in; throws IN_FLIGHT_EXHAUSTED at the server's bound, BYTES_EXHAUSTED at that of the client. */
  constructor(
    parts: ModernCallParts,
    server: Server,
    lane: Lane,
    request: ModernRequest,
    step: StepFunction<State>,
    [state, effects]: Step<State, CallEffect>,
  ) {
    super(state, step, parts.requests.settings.clientInputMs)
    this.#parts = parts
    this.#server = server
    this.#lane = lane
    this.#request = request
    this.principalId = request.binding.principalId
    this.clientKey = request.clientKey
    this.serverName = server.name
    this.endless = request.method === 'subscriptions/listen'
    this.headers = request.forwardedHeaders
    this.#held = parts.requests.hold(request.clientKey, request.paramsText, this.endless)
    try {
      this.#response = this.#respondTo(request)
    } catch (thrown) {
      this.#held?.close()
      throw thrown
    }
    lane.hold()
    this.begin(effects)
  }

  openEntry(giveUp: (() => void) | null = null): LedgerEntry {
    return this.#parts.requests.openEntry(this.clientKey, giveUp)
  }

  get grants(): Grants | null {
    return this.#request.grants
  }

  get owner(): CredentialOwner | null {
    return this.#server.owner
  }

  get reply(): Promise<ModernReply> {
    return this.#response.reply
  }

  /** The client came back with the answers: this request is now the call's response. */
  resume(request: ModernRequest): void {
    this.#request = request
    this.#response = this.#respondTo(request)
    const { logLevel, clientCapabilities } = request.envelope
    if (this.call) {
      this.call.logs = this.wantsLogs
      this.call.parked = false
    }
    this.handle({ kind: 'retry', params: request.paramsText, logLevel, clientCapabilities })
  }

  watchClient(): void {
    this.#response.watch(this.#request.client)
  }

  clientGone(): void {
    this.#closeBooks(plainEndings.cancelled)
    this.handle({ kind: 'cancelled' })
  }

  sweep(nowMs: number): void {
    this.#response.sweep(nowMs)
  }

  abort(error: GatewayError): void {
    const { idText } = this.#request
    // A subscription that ends with its server or the gateway ends well (basic/patterns/subscriptions).
    if (this.endless && endsWell.has(error.code)) {
      const result = stamped('{"resultType":"complete"}', idText)
      this.#finish(rpcResult(idText, result), 200, plainEndings.ok)
    } else
      this.#finish(
        rpcErrorText(sentOnError(error), idText),
        modernErrorStatus(error.rpcCode),
        endingOfError(error),
      )
    this.handle({ kind: 'cancelled' })
  }

  /** A log message that names no call may travel with any call of the one client that the lane speaks for. */
  protected get audience(): LaneClient | null {
    return this.#lane.owner
  }

  protected get wantsLogs(): boolean {
    return this.#request.envelope.logLevel !== null
  }

  protected get trace(): RequestTrace | undefined {
    return this.#request.trace
  }

  protected connection(): Connection | null {
    return this.#lane.ready
  }

  protected answer(result: string): void {
    this.#over()
    const { idText, method, grants } = this.#request
    const text = filteredAnswer(reachOf(grants, this.#server.definition), method, rpcResult(idText, result))
    this.#finish(text, 200, endingOfResult(method, result))
  }

  protected fail(failure: RpcFailure): void {
    this.#over()
    const { route, idText } = this.#request
    const answer = modernLoginAnswer(failure, route, idText)
    const text = answer ?? rpcError(idText, failure.text)
    this.#finish(text, answer !== null ? 200 : modernErrorStatus(failure.code), endingOfFailure(failure))
  }

  protected end(): void {
    this.#over()
    this.#finish(null, 200, plainEndings.cancelled)
  }

  protected notify(method: string, params: string | null): void {
    if (
      !mayHear(
        () => reachOf(this.grants, this.#server.definition),
        method,
        () => params,
      )
    )
      return
    this.#response.notify(rpcNotification(method, params))
  }

  protected perform(effect: CallEffect): Promise<void> | undefined {
    if (effect.kind === 'raiseLogLevel') return this.#lane.subscriptions.raiseLogLevel(effect.level)
    if (effect.kind === 'park') this.#park(effect.requests)
    return undefined
  }

  #park(requests: string): void {
    if (this.#request.binding.digest === null) {
      this.abort(new GatewayError('PARAMS_REFUSED', 'The parameters nest too deep.'))
      return
    }
    // What its client was asked is not kept, but the call is, with all that it came with.
    try {
      this.#held ??= this.#parts.requests.hold(this.clientKey, this.#request.paramsText, true)
    } catch (thrown) {
      this.#refuseToPark(gatewayErrorOf(thrown))
      return
    }
    const state = this.#parts.requests.park(this as ModernCallDriver, this.#request.binding)
    if (state === null) {
      const error = new GatewayError(
        'IN_FLIGHT_EXHAUSTED',
        'Too many calls wait for input of their client (limits.parked_calls_max).',
      )
      this.#refuseToPark(error)
      return
    }
    // Until the client is back there is no response that a log message could travel with.
    if (this.call) {
      this.call.logs = false
      this.call.parked = true
    }
    const result = inputRequiredResult(requests, state, this.#lane.handshake?.facts.identity ?? null)
    this.#finish(rpcResult(this.#request.idText, result), 200, plainEndings.inputRequired)
  }

  /** Any other call of the client's would find no room either. */
  #refuseToPark(error: GatewayError): void {
    this.call?.refuseQuestions(error)
    this.abort(error)
  }

  #respondTo(request: ModernRequest): AnswerSink {
    // Either may refuse, and what was refused must stand in no book: a subscription is bounded by the first alone.
    this.#parts.requests.add(this)
    try {
      if (!this.endless) this.#server.counters.started()
    } catch (thrown) {
      this.#parts.requests.delete(this)
      throw thrown
    }
    this.#open = true
    this.#begunMs = performance.now()
    return respondTo(request, this.#parts.requests.settings, this)
  }

  #finish(text: string | null, status: number, ending: CallEnding): void {
    if (!this.#open) {
      this.#response.abandoned?.(ending)
      return
    }
    this.#closeBooks(ending)
    this.#response.finish(text, status, ending)
  }

  #closeBooks({ outcome }: CallEnding): void {
    if (!this.#open) return
    this.#open = false
    this.#parts.requests.delete(this)
    if (this.endless) return
    const durationMs = performance.now() - this.#begunMs
    this.#server.counters.ended(durationMs, outcome)
  }

  #over(): void {
    this.#parts.requests.forget(this as ModernCallDriver)
    this.#held?.close()
    this.#lane.letGo()
  }
}
