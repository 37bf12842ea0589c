/**
 * A modern client's request on a modern server: passed on as it is, both ways.
 *
 * Ids are mapped by the connection's owner, and a listen id is a request id: it is the one thing inside a
 * message that must be put back. Between two legacy ends nothing is, so they need no machine at all.
 *
 * Spec: 2026-07-28, basic/patterns/subscriptions (the subscription id is the request's id).
 */
import { metaKeys, rpcCodes } from '../eras.ts'
import { mirroredHeaders } from '../headers.ts'
import type { JsonObject } from '../json.ts'
import { hasDoubled, memberText } from '../spans.ts'
import { narrowedDiscoverResult } from './facts.ts'
import { stamped } from './listen.ts'
import { decisiveParams } from './questions.ts'
import { rpcFailure } from './results.ts'
import type { CallEffect, CallEvent, Step } from './types.ts'

export interface Relay {
  readonly over: boolean
  readonly method: string
  /** Raw JSON text of the client's request id. */
  readonly idText: string
}

export interface RelayRequest {
  readonly method: string
  readonly idText: string
  readonly paramsText: string
  readonly params: JsonObject
  readonly version: string
  /** The client's own `Mcp-Param-*` headers, which were checked or which nobody here can check. */
  readonly paramHeaders: Readonly<Record<string, string>>
}

/** Begins a call: the request goes on with its headers. */
export function startRelay(request: RelayRequest): Step<Relay, CallEffect> {
  const { method, idText, paramsText, paramHeaders } = request
  if (hasDoubled(paramsText, decisiveParams)) {
    const failure = rpcFailure(rpcCodes.invalidParams, 'params name something twice')
    return [{ over: true, method, idText }, [{ kind: 'fail', failure }]]
  }
  const headers = { ...paramHeaders, ...mirroredHeaders(request) }
  return [{ over: false, method, idText }, [{ kind: 'send', method, params: paramsText, headers }]]
}

/** Goes on with a call. Events after its end change nothing. */
export function stepRelay(relay: Relay, event: CallEvent): Step<Relay, CallEffect> {
  if (relay.over) return [relay, []]
  const over: Relay = { ...relay, over: true }
  switch (event.kind) {
    case 'result':
      return [over, [{ kind: 'answer', result: ownResult(relay, event.result) }]]
    case 'failure':
      return [over, [{ kind: 'fail', failure: event.failure }]]
    case 'notification':
      return [relay, [{ kind: 'notify', method: event.method, params: ownParams(relay, event.params) }]]
    case 'cancelled':
      return [over, [{ kind: 'cancelUpstream' }, { kind: 'end' }]]
    default:
      return [relay, []]
  }
}

function ownResult(relay: Relay, result: string): string {
  if (relay.method === 'server/discover') return narrowedDiscoverResult(result)
  return relay.method === 'subscriptions/listen' ? stamped(result, relay.idText) : result
}

function ownParams(relay: Relay, params: string | null): string | null {
  const meta = params === null ? null : memberText(params, '_meta')
  const carriesId = meta !== null && memberText(meta, metaKeys.subscriptionId) !== null
  return carriesId ? stamped(params, relay.idText) : params
}
