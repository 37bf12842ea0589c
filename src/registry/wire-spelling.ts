/**
 * The spellings that a definition may have on its way in, brought to the one of the wire form.
 *
 * Pure; the input is untrusted JSON of any shape, and what is none of these spellings passes through for the
 * schema to refuse.
 */
import { isObject } from '../protocol/json.ts'

/** Every name that files and clients have for a transport, and ours for it. */
export const transportNames: ReadonlyMap<string, string> = new Map([
  ['stdio', 'stdio'],
  ['sse', 'sse'],
  ['http', 'streamable-http'],
  ['streamable-http', 'streamable-http'],
  ['streamableHttp', 'streamable-http'],
  ['streamable_http', 'streamable-http'],
])

/** Fields whose values are texts, and which people write numbers and truths into: `PORT: 3000`, `[--port, 3000]`. */
export const textFields: ReadonlySet<string> = new Set(['args', 'env', 'headers', 'tags'])

/**
 * A definition without the fields that are null, as Go clients send what they never set; with our name for its
 * transport, and with texts for numbers and truths where only texts can be passed on.
 */
export function wireSpelling(input: unknown): unknown {
  const given = withoutNulls(input)
  if (!isObject(given)) return given
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, spelled(name, value)]))
}

function withoutNulls(input: unknown): unknown {
  if (!isObject(input)) return input
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null))
}

function spelled(name: string, value: unknown): unknown {
  if (name === 'transport') return typeof value === 'string' ? (transportNames.get(value) ?? value) : value
  if (name === 'members' && Array.isArray(value)) return value.map(withoutNulls)
  if (!textFields.has(name)) return value
  if (Array.isArray(value)) return value.map(asText)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, asText(member)]))
}

/** A number that the parser may have rounded, or that has no plain digits, stays one and is refused. */
function asText(value: unknown): unknown {
  if (typeof value === 'boolean') return String(value)
  if (typeof value !== 'number' || (Number.isInteger(value) && !Number.isSafeInteger(value))) return value
  const text = String(value)
  return /^-?\d+(?:\.\d+)?$/.test(text) ? text : value
}
