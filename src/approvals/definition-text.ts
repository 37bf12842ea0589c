/**
 * The one text of a tool's definition by which it is approved: the same for the same definition however its server
 * writes it, and another one for any other. Pure.
 *
 * Every member counts, also those that nobody knows yet: what a client will show to a model tomorrow is not known
 * today. Two things do not count, because a bridge between the eras changes them: `execution` where it says how a tool
 * runs as a task and nothing else, which might be a text for a model, and the wrapping of an output schema that has no object at its root.
 */
import { wrapOutputSchema } from '../protocol/bridge/output-schema.ts'
import { isObject } from '../protocol/json.ts'
import { skipSpace, skipValue } from '../protocol/jsonrpc.ts'
import { editObject, memberText, parsed } from '../protocol/spans.ts'

/** A definition with more characters can be read by nobody, and cannot be approved. */
export const definitionCharsMax = 256 * 1024

/** A member of a tool that says how it runs. */
const taskSupport = /^"execution":\{(?:"taskSupport":"(?:forbidden|optional|required)")?\}$/

/** Deeper values count as they are written. */
const depthMax = 64

/** The text; null where it is no JSON object, or names a member twice, so that readers may differ in what it says. */
export function canonicalDefinition(tool: string): string | null {
  const whole = new Canonical(tool).text()
  if (whole === null || !whole.startsWith('{')) return null
  const output = memberText(tool, 'outputSchema')
  const schema = output === null ? null : parsed(output)
  if (output === null || !isObject(schema) || schema['type'] === 'object') return whole
  const wrapped = editObject(tool, { set: { outputSchema: wrapOutputSchema(output) } })
  return wrapped === null ? null : new Canonical(wrapped).text()
}

/** The SHA-256 of a text, in hexadecimal digits. */
export function hashOf(text: string): string {
  return Bun.SHA256.hash(text, 'hex')
}

/** Writes JSON anew: members in the order of their names, strings in one spelling, nothing between them. */
class Canonical {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Null for what is no whole JSON value. */
  text(): string | null {
    const value = this.#value(0)
    return value !== null && skipSpace(this.#text, this.#at) === this.#text.length ? value : null
  }

  #value(depth: number): string | null {
    this.#at = skipSpace(this.#text, this.#at)
    const first = this.#text[this.#at]
    if (depth < depthMax && first === '{') return this.#object(depth)
    if (depth < depthMax && first === '[') return this.#array(depth)
    const end = skipValue(this.#text, this.#at)
    if (end < 0) return null
    const raw = this.#text.slice(this.#at, end)
    this.#at = end
    return first === '"' ? spelled(raw) : raw
  }

  #object(depth: number): string | null {
    const members: { readonly key: string; readonly text: string }[] = []
    const whole = this.#each('}', () => {
      const key = this.#value(depth + 1)
      this.#at = skipSpace(this.#text, this.#at)
      if (key === null || this.#text[this.#at] !== ':') return false
      this.#at++
      const value = this.#value(depth + 1)
      if (value === null) return false
      members.push({ key, text: `${key}:${value}` })
      return true
    })
    members.sort((one, other) => (one.key < other.key ? -1 : 1))
    if (!whole || members.some(({ key }, at) => members[at + 1]?.key === key)) return null
    const counted = depth > 0 ? members : members.filter(({ text }) => !taskSupport.test(text))
    return `{${counted.map(({ text }) => text).join(',')}}`
  }

  #array(depth: number): string | null {
    const values: string[] = []
    const whole = this.#each(']', () => {
      const value = this.#value(depth + 1)
      if (value !== null) values.push(value)
      return value !== null
    })
    return whole ? `[${values.join(',')}]` : null
  }

  /** Reads what stands between here and `close`, divided by commas. False where something else does. */
  #each(close: string, read: () => boolean): boolean {
    this.#at = skipSpace(this.#text, this.#at + 1)
    if (this.#text[this.#at] === close) {
      this.#at++
      return true
    }
    for (;;) {
      if (!read()) return false
      this.#at = skipSpace(this.#text, this.#at)
      const next = this.#text[this.#at++]
      if (next === close) return true
      if (next !== ',') return false
    }
  }
}

/** A string in the spelling of `JSON.stringify`. */
function spelled(raw: string): string | null {
  const value = parsed(raw)
  return typeof value === 'string' ? JSON.stringify(value) : null
}
