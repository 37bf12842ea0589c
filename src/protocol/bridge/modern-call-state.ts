/** The state of a modern client's call through a legacy server, and the ways to end it (modern-call.ts). */
import type { LogLevel } from '../eras.ts'
import { rpcCodes } from '../eras.ts'
import type { JsonObject } from '../json.ts'
import { inputRequests } from './questions.ts'
import { rpcFailure } from './results.ts'
import type { CallEffect, Outcome, RpcFailure, Step } from './types.ts'

/** How long a parked call waits for its client. The sealed state lives as long. */
export const parkedMs = 600_000

/** What a legacy server asked and nobody has answered yet. */
export interface Question {
  readonly key: string
  /** Raw JSON text of the server's id. */
  readonly id: string
  readonly method: string
  /** The entry of `inputRequests`. */
  readonly request: string
}

export interface ModernCall {
  readonly phase: 'running' | 'gathering' | 'parked' | 'over'
  readonly method: string
  /** The request's parameters as the legacy server gets them. */
  readonly params: string
  readonly logLevel: LogLevel | null
  readonly clientCapabilities: JsonObject
  readonly identity: string | null
  readonly questions: readonly Question[]
  readonly asked: number
  /** Answers that came before their question, by key. */
  readonly supplied: ReadonlyMap<string, string>
  /** Capabilities that the server needed and the client lacks. */
  readonly lacked: JsonObject | null
  /** What the server answered while its client was away. */
  readonly outcome: Outcome | null
  /** Set while the call is parked to be made again once these URL elicitations are done. */
  readonly urls: { readonly keys: readonly string[]; readonly failure: RpcFailure } | null
  readonly urlRounds: number
}

export type ModernStep = Step<ModernCall, CallEffect>

/** Answers `input_required` and waits for the client to come back. */
export function park(
  call: ModernCall,
  requests: Iterable<readonly [key: string, request: string]>,
): ModernStep {
  return [
    { ...call, phase: 'parked' },
    [
      { kind: 'timer', timer: 'expiry', ms: parkedMs },
      { kind: 'park', requests: inputRequests(requests) },
    ],
  ]
}

export function fail(call: ModernCall, failure: RpcFailure): ModernStep {
  return over(call, { kind: 'fail', failure })
}

/** Ends the call; whatever the server still asks is handed back, so that it does not wait for ever. */
export function over(call: ModernCall, last: CallEffect): ModernStep {
  const stop: CallEffect[] = call.phase === 'gathering' ? [{ kind: 'stopTimer', timer: 'gather' }] : []
  const next: ModernCall = { ...call, phase: 'over', questions: [], outcome: null, supplied: new Map() }
  return [next, [...stop, ...handBacks(call), last]]
}

export function handBacks(call: ModernCall): CallEffect[] {
  return call.questions.map(({ id }) => ({ kind: 'handBack', id }))
}

export function refusal(id: string, code: number, message: string): CallEffect {
  return { kind: 'respondUpstream', id, outcome: { kind: 'failure', failure: rpcFailure(code, message) } }
}

/** The call failed and something was refused for want of a capability: the modern era says which. */
export function failForCapability(call: ModernCall, lacked: JsonObject): ModernStep {
  const data = { requiredCapabilities: lacked }
  return fail(call, rpcFailure(rpcCodes.missingClientCapability, 'Missing required client capability', data))
}
