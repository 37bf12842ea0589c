/**
 * Runs the step machine of one bridged request: tells it what happens and carries out what it asks.
 *
 * The machine (protocol/bridge) is pure; wires, time and clients are here. Events that arrive while effects
 * are carried out wait their turn, so that a machine is never entered twice.
 */
import { GatewayError, rpcErrorObject } from '../errors.ts'
import type { CallEffect, CallEvent, CallTimer, RpcFailure, Step } from '../protocol/bridge/types.ts'
import type { LedgerEntry } from '../runtime/byte-ledger.ts'
import { deadline } from '../runtime/patience.ts'
import { plainEndings } from '../telemetry/call-ending.ts'
import type { CallTrace, RequestTrace } from '../telemetry/traces/trace.ts'
import { BridgeCall, requestMessage } from '../upstream/connection/bridge-call.ts'
import type { EntryOpener } from '../upstream/connection/calls.ts'
import type { LaneClient } from '../upstream/connection/client.ts'
import type { Connection } from '../upstream/connection/connection.ts'
import { endingOfFailure, endingOfResult } from '../upstream/connection/endings.ts'

export type StepFunction<State> = (state: State, event: CallEvent) => Step<State, CallEffect>

export abstract class MachineDriver<State> implements EntryOpener {
  #state: State
  readonly #step: StepFunction<State>
  readonly #timers = new Map<CallTimer, () => void>()
  readonly #effects: CallEffect[] = []
  #call: BridgeCall | null = null
  #callConnection: Connection | null = null
  #running = false

  readonly #clientInputMs: number

  /** `clientInputMs`: how long a client may take to answer, whatever the machine proposes. */
  constructor(state: State, step: StepFunction<State>, clientInputMs: number) {
    this.#state = state
    this.#step = step
    this.#clientInputMs = clientInputMs
  }

  abstract openEntry(): LedgerEntry
  /** Where requests go now, or null when the wire is gone. */
  protected abstract connection(): Connection | null
  /** Whether the client of the request wants log messages with it. */
  protected abstract readonly wantsLogs: boolean
  protected abstract readonly principalId: string
  /** The session of the request, or null where there is none. */
  protected abstract readonly audience: LaneClient | null
  /** Of the request; undefined where nobody has asked for traces. */
  protected abstract readonly trace: RequestTrace | undefined
  /** Headers beside those of the machine. */
  protected abstract readonly headers: Readonly<Record<string, string>> | undefined
  protected abstract answer(result: string): void
  protected abstract fail(failure: RpcFailure): void
  protected abstract end(): void
  protected abstract notify(method: string, params: string | null): void
  /** Everything else; resolves when the effects behind it may go on. */
  protected abstract perform(effect: CallEffect): Promise<void> | undefined

  /** Carries out the first effects. */
  protected begin(effects: readonly CallEffect[]): void {
    this.#effects.push(...effects)
    this.#run()
  }

  /** Tells the machine what happened. */
  handle(event: CallEvent): void {
    const [state, effects] = this.#step(this.#state, event)
    this.#state = state
    this.begin(effects)
  }

  /** The request that runs upstream, if one does. */
  protected get call(): BridgeCall | null {
    return this.#call
  }

  #run(): void {
    if (this.#running) return
    this.#running = true
    for (let effect = this.#effects.shift(); effect; effect = this.#effects.shift()) {
      const pending = this.#carryOut(effect)
      if (!pending) continue
      void pending.finally(() => {
        this.#running = false
        this.#run()
      })
      return
    }
    this.#running = false
  }

  #carryOut(effect: CallEffect): Promise<void> | undefined {
    switch (effect.kind) {
      case 'send':
        this.#send(effect.method, effect.params, effect.headers)
        return undefined
      case 'cancelUpstream':
        if (this.#call) this.#callConnection?.cancel(this.#call, null)
        return undefined
      case 'respondUpstream':
        this.#call?.respond(effect.id, effect.outcome)
        return undefined
      case 'handBack':
        this.#call?.handBack(effect.id)
        return undefined
      case 'timer':
        this.#start(effect.timer, effect.ms)
        return undefined
      case 'stopTimer':
        this.#stop(effect.timer)
        return undefined
      case 'notify':
        this.notify(effect.method, effect.params)
        return undefined
      case 'answer':
        this.#over()
        this.answer(effect.result)
        return undefined
      case 'fail':
        this.#over()
        this.fail(effect.failure)
        return undefined
      case 'end':
        this.#over()
        this.end()
        return undefined
      default:
        return this.perform(effect)
    }
  }

  #send(method: string, params: string, headers: Readonly<Record<string, string>>): void {
    const message = requestMessage(method, params)
    const connection = this.connection()
    if (!message || !connection) {
      const error = message
        ? new GatewayError('UPSTREAM_CLOSED', 'The connection to the server is gone.')
        : new GatewayError('INVALID_PARAMS', 'The parameters are malformed.')
      const failure = { code: error.rpcCode, text: rpcErrorObject(error), by: error.code }
      this.handle({ kind: 'failure', failure, lost: true })
      return
    }
    const call = new BridgeCall(message, (event) => {
      if (call.trace !== null) endTrace(call.trace, method, event)
      if (this.#call === call) this.handle(event)
    })
    if (this.trace !== undefined) call.trace = this.trace.call()
    call.headers = this.headers ? { ...this.headers, ...headers } : headers
    call.endless = method === 'subscriptions/listen'
    call.logs = this.wantsLogs
    call.principalId = this.principalId
    call.audience = this.audience
    call.holder = this
    this.#call = call
    this.#callConnection = connection
    connection.request(call)
  }

  #start(timer: CallTimer, proposedMs: number): void {
    this.#stop(timer)
    const waitMs = timer === 'expiry' || timer === 'round' ? this.#clientInputMs : proposedMs
    this.#timers.set(
      timer,
      deadline(waitMs, () => this.handle({ kind: 'timer', timer })),
    )
  }

  #stop(timer: CallTimer): void {
    this.#timers.get(timer)?.()
    this.#timers.delete(timer)
  }

  #over(): void {
    this.#call?.trace?.ended(plainEndings.cancelled)
    for (const stop of this.#timers.values()) stop()
    this.#timers.clear()
  }
}

function endTrace(trace: CallTrace, method: string, event: CallEvent): void {
  if (event.kind === 'result') trace.ended(endingOfResult(method, event.result))
  else if (event.kind === 'failure') trace.ended(endingOfFailure(event.failure))
}
