/** Guards over values that JSON.parse gave. */

/** A JSON object; the members spelled out are those that the gateway looks at by name, none is required. */
export interface JsonObject {
  readonly [member: string]: unknown
  readonly jsonrpc?: unknown
  readonly id?: unknown
  readonly method?: unknown
  readonly params?: unknown
  readonly result?: unknown
  readonly error?: unknown
  readonly _meta?: unknown
  readonly progressToken?: unknown
  readonly requestId?: unknown
  readonly name?: unknown
  readonly version?: unknown
  readonly uri?: unknown
  readonly arguments?: unknown
  readonly type?: unknown
  readonly properties?: unknown
}

/** A JSON-RPC id, or a progress token: MCP allows strings and integers, never null. */
export type RequestId = string | number

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isRequestId(value: unknown): value is RequestId {
  return typeof value === 'string' || Number.isInteger(value)
}
