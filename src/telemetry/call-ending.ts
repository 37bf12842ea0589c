/** How a call ended: what log lines, figures and events tell of it. */
import { type ErrorCode, type GatewayError, outcomeOfCode } from '../errors.ts'

/**
 * `ok`: answered. `tool_error`: the tool says so itself, with `isError`. `rpc_error`: the server answered with a
 * JSON-RPC error. `refused`: the gateway did not let it through. `failed`: something broke. `cancelled`: its client
 * gave it up. `input_required`: the server asks its client first, which comes back with another request.
 */
export const callOutcomes = [
  'ok',
  'tool_error',
  'rpc_error',
  'refused',
  'failed',
  'cancelled',
  'input_required',
] as const

export type CallOutcome = (typeof callOutcomes)[number]

export interface CallEnding {
  readonly outcome: CallOutcome
  /** The row of the catalogue, of what was refused or has failed. */
  readonly code?: ErrorCode
  /** The code of the server's error, of an `rpc_error`. */
  readonly rpcCode?: number
}

/** Endings that say all there is to say. */
export const plainEndings = {
  ok: { outcome: 'ok' },
  toolError: { outcome: 'tool_error' },
  cancelled: { outcome: 'cancelled' },
  inputRequired: { outcome: 'input_required' },
} as const satisfies Readonly<Record<string, CallEnding>>

/** The ending of what met this error. */
export function endingOfError({ code }: Pick<GatewayError, 'code'>): CallEnding {
  return { outcome: outcomeOfCode(code), code }
}

/** A call whose response may begin before it ends. */
export interface LiveCall {
  /** Null while it goes on. */
  readonly ending: CallEnding | null
  /** Calls back once with the ending, at once when it has ended. */
  whenEnded(listener: (ending: CallEnding) => void): void
  /** Calls back when it has ended with a question, and comes to another end because its client stays away. */
  whenAbandoned?(listener: (ending: CallEnding) => void): void
}
