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

/** The value of a JSON text; undefined when it is none. What clients and servers send is read by `parsed` of spans.ts. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The object that a JSON text is; null when it is none. */
export function objectIn(text: string): JsonObject | null {
  const value = jsonIn(text)
  return isObject(value) ? value : null
}

export function isRequestId(value: unknown): value is RequestId {
  return typeof value === 'string' || Number.isInteger(value)
}

/**
 * One spelling for equal values, whatever the order of their members: a key to compare by, not JSON.
 * A list of work, not recursion: JSON.stringify takes seconds for a value nested deep, and then throws.
 */
export function canonicalText(root: unknown): string {
  const parts: string[] = []
  const pending: ({ readonly text: string } | { readonly value: unknown })[] = [{ value: root }]
  for (let work = pending.pop(); work !== undefined; work = pending.pop()) {
    if ('text' in work) parts.push(work.text)
    else if (Array.isArray(work.value)) {
      pending.push({ text: ']' })
      for (let at = work.value.length - 1; at >= 0; at--)
        pending.push({ text: ',' }, { value: work.value[at] })
      pending.push({ text: '[' })
    } else if (isObject(work.value)) {
      pending.push({ text: '}' })
      for (const key of Object.keys(work.value).sort().reverse()) {
        pending.push({ text: ',' }, { value: work.value[key] }, { text: `${JSON.stringify(key)}:` })
      }
      pending.push({ text: '{' })
    } else parts.push(JSON.stringify(work.value) ?? 'null')
  }
  return parts.join('')
}
