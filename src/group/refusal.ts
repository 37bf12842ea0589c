/** A JSON-RPC error that a member has answered, or that a group answers as its members would. */
import { GatewayError } from '../errors.ts'
import { rpcFailure } from '../protocol/bridge/results.ts'
import type { RpcFailure } from '../protocol/bridge/types.ts'
import { type Era, rpcCodes } from '../protocol/eras.ts'
import { isObject } from '../protocol/json.ts'
import { parsed } from '../protocol/spans.ts'
import type { UriOwner } from './uri-table.ts'

export class RpcRefusal extends Error {
  override readonly name = 'RpcRefusal'
  readonly failure: RpcFailure

  constructor(failure: RpcFailure) {
    super('refused')
    this.failure = failure
  }

  /** As a failure of the member's. */
  asError(method: string): GatewayError {
    return new GatewayError('UPSTREAM_ERROR', `the server answered ${method} with error ${this.failure.code}`)
  }
}

/** Of an error that a member has answered, from the text of the error object. */
export function answeredRefusal(errorText: string): RpcRefusal {
  const value = parsed(errorText)
  const code = isObject(value) && typeof value['code'] === 'number' ? value['code'] : rpcCodes.internalError
  return new RpcRefusal({ code, text: errorText, by: 'server' })
}

/** A refusal in the group's own words. */
export function refusal(code: number, message: string, data?: Readonly<Record<string, unknown>>): RpcRefusal {
  return new RpcRefusal(rpcFailure(code, message, data))
}

/** The refusal of a URI that leads to no member, or to several. */
export function uriRefusal(uri: string, owner: UriOwner, era: Era): RpcRefusal {
  if (owner.kind === 'ambiguous')
    return refusal(
      rpcCodes.invalidParams,
      `Several servers have this URI: ${owner.servers.join(', ')}. Use the form in which resources/list shows it.`,
      { uri },
    )
  const code = era === 'legacy' ? rpcCodes.resourceNotFound : rpcCodes.invalidParams
  return refusal(code, 'Resource not found', { uri })
}
