/** One request of a legacy session on its way through a modern server (protocol/bridge/legacy-call.ts). */
import {
  type LegacyCall,
  type LegacyEnds,
  startLegacyCall,
  stepLegacyCall,
} from '../../protocol/bridge/legacy-call.ts'
import type { CallEffect, Outcome, RpcFailure } from '../../protocol/bridge/types.ts'
import { isObject } from '../../protocol/json.ts'
import { type MessageText, memberSpan, rpcNotification } from '../../protocol/jsonrpc.ts'
import { parsed } from '../../protocol/spans.ts'
import { withTraceContext } from '../../protocol/traces/trace-context.ts'
import type { LedgerEntry } from '../../runtime/byte-ledger.ts'
import type { Log } from '../../telemetry/log.ts'
import { maskStart } from '../../telemetry/redaction.ts'
import type { RequestTrace } from '../../telemetry/traces/trace.ts'
import { requestMessage } from '../../upstream/connection/bridge-call.ts'
import type { Connection } from '../../upstream/connection/connection.ts'
import type { Lane } from '../../upstream/lane/lane.ts'
import { MachineDriver } from '../machine-driver.ts'
import type { Exchange } from './exchange.ts'
import type { Session } from './session.ts'

/** What is logged of a name that a server chose. */
const saidCharsMax = 200

export class LegacyCallDriver extends MachineDriver<LegacyCall> {
  protected readonly headers: Readonly<Record<string, string>> | undefined
  protected readonly wantsLogs: boolean
  protected readonly principalId: string
  protected readonly audience: Session
  readonly #exchange: Exchange
  readonly #session: Session
  readonly #lane: Lane
  readonly #log: Log
  /** Ids under which the client was asked, by the machine's handle. */
  readonly #asked = new Map<number, number>()

  constructor(
    exchange: Exchange,
    session: Session,
    lane: Lane,
    ends: LegacyEnds,
    clientInputMs: number,
    log: Log,
  ) {
    const { message } = exchange
    const paramsText =
      message.paramsStart < 0 ? null : message.text.slice(message.paramsStart, message.paramsEnd)
    const [state, effects] = startLegacyCall({ method: exchange.method, paramsText }, ends)
    super(state, stepLegacyCall, clientInputMs)
    this.headers = exchange.headers
    this.principalId = session.principalId
    this.audience = session
    this.wantsLogs = ends.client.logLevel !== null
    this.#exchange = exchange
    this.#session = session
    this.#lane = lane
    this.#log = log
    exchange.canceller = () => this.handle({ kind: 'cancelled' })
    this.begin(effects)
  }

  openEntry(): LedgerEntry {
    return this.#session.openEntry()
  }

  protected get trace(): RequestTrace | undefined {
    return this.#exchange.trace?.request
  }

  protected connection(): Connection | null {
    return this.#lane.ready
  }

  protected answer(result: string): void {
    if (!this.#exchange.done) this.#exchange.answeredHere(result)
  }

  protected fail(failure: RpcFailure): void {
    if (!this.#exchange.done) this.#exchange.refusedHere(failure)
  }

  protected end(): void {
    if (!this.#exchange.done) this.#exchange.dropped()
  }

  protected notify(method: string, params: string | null): void {
    const text = this.#session.shown(method, rpcNotification(method, params))
    if (text !== null && !this.#exchange.done) this.#exchange.deliver(text)
  }

  protected perform(effect: CallEffect): Promise<void> | undefined {
    switch (effect.kind) {
      case 'ask':
        this.#ask(effect.handle, effect.method, effect.params)
        return undefined
      case 'withdraw': {
        const id = this.#asked.get(effect.handle)
        if (id !== undefined) this.#session.takeBack(id)
        return undefined
      }
      case 'learnTools':
        this.#exchange.server.tools.learn(effect.tools)
        for (const { name, reason } of effect.rejected) this.#leftOut(name, reason)
        return undefined
      case 'refreshTools':
        return this.#refresh(effect.tool)
      default:
        return undefined
    }
  }

  /** Both texts are the server's. */
  #leftOut(name: string, reason: string): void {
    const shown = (text: string) => maskStart(this.#exchange.server.mask, text, saidCharsMax)
    this.#log.warn(
      { mcp: this.#session.serverName, tool: shown(name), reason: shown(reason) },
      'tool left out',
    )
  }

  #ask(handle: number, method: string, params: string): void {
    const message = requestMessage(method, params)
    if (!message) return
    const trace = this.call?.trace ?? null
    const span = trace?.asked(method, null) ?? null
    const question = span === null ? message : withTraceContext(message, span.context)
    const id = this.#session.askBridged(question, this.#exchange, (response) => {
      const outcome = outcomeOf(response)
      if (span !== null) span.ended(outcome.kind === 'failure' ? outcome.failure.code : null)
      this.#asked.delete(handle)
      this.handle({ kind: 'clientAnswer', handle, outcome })
    })
    if (id !== null) this.#asked.set(handle, id)
  }

  async #refresh(name: string): Promise<void> {
    const tool = await this.#exchange.server.tools.reread(name)
    this.handle({ kind: 'toolsRefreshed', tool })
  }
}

/** A response text as an outcome. */
function outcomeOf(response: MessageText | string): Outcome {
  const text = typeof response === 'string' ? response : response.text
  const result = memberSpan(text, 0, 'result')
  if (result) return { kind: 'result', result: text.slice(result.start, result.end) }
  const span = memberSpan(text, 0, 'error')
  const error = span ? text.slice(span.start, span.end) : '{}'
  const value = parsed(error)
  const code = isObject(value) && typeof value['code'] === 'number' ? value['code'] : -32603
  return { kind: 'failure', failure: { code, text: error } }
}
