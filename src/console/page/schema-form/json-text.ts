/**
 * JSON as text: read with every digit kept, and laid out for people without being changed. What a server or a person
 * wrote goes through no number type: 9007199254740993 stays what it is.
 */

/** A number as it was written. */
export interface ExactNumber {
  readonly number: string
}
export type ExactJson =
  | null
  | boolean
  | string
  | ExactNumber
  | readonly ExactJson[]
  | ReadonlyMap<string, ExactJson>

/** Deeper values are not read: a form has no place for them, and a stack has an end. */
const depthMax = 64

export const numberPattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** The value of a text; undefined where it is no JSON, or deeper than a form goes. */
export function readExact(text: string): ExactJson | undefined {
  // The one judge of what is JSON; what follows may then take its form for granted.
  if (!isJson(text)) return undefined
  const reader = new ExactReader(text)
  try {
    return reader.value(0)
  } catch (thrown) {
    if (thrown instanceof TooDeep) return undefined
    throw thrown
  }
}

export function isJson(text: string): boolean {
  return jsonFault(text) === null
}

/** Why a text is no JSON, in the words of the browser; null where it is. */
export function jsonFault(text: string): string | null {
  try {
    JSON.parse(text)
    return null
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : 'It is no JSON.'
  }
}

/** The text of a value, without blanks. */
export function writeExact(value: ExactJson): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return JSON.stringify(value)
  if ('number' in value) return value.number
  if (value instanceof Map)
    return `{${[...value].map(([name, member]) => `${JSON.stringify(name)}:${writeExact(member)}`).join(',')}}`
  return `[${(value as readonly ExactJson[]).map(writeExact).join(',')}]`
}

class TooDeep extends Error {}

class ExactReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(depth: number): ExactJson {
    if (depth > depthMax) throw new TooDeep()
    this.#skipBlanks()
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth)
      case '[':
        return this.#array(depth)
      case '"':
        return this.#string()
      default:
        return this.#word()
    }
  }

  #object(depth: number): ReadonlyMap<string, ExactJson> {
    const members = new Map<string, ExactJson>()
    this.#at++
    while (!this.#ends('}')) {
      const name = this.#string()
      this.#skipBlanks()
      this.#at++
      members.set(name, this.value(depth + 1))
      this.#skipComma()
    }
    return members
  }

  #array(depth: number): readonly ExactJson[] {
    const items: ExactJson[] = []
    this.#at++
    while (!this.#ends(']')) {
      items.push(this.value(depth + 1))
      this.#skipComma()
    }
    return items
  }

  #string(): string {
    const start = this.#at
    this.#at = endOfString(this.#text, start)
    return JSON.parse(this.#text.slice(start, this.#at)) as string
  }

  #word(): null | boolean | ExactNumber {
    const [word = ''] = /^[^\s,\]}]+/.exec(this.#text.slice(this.#at, this.#at + wordCharsMax)) ?? []
    // A number may be of any length.
    const whole =
      word.length < wordCharsMax ? word : (/^[^\s,\]}]+/.exec(this.#text.slice(this.#at))?.[0] ?? word)
    this.#at += whole.length
    if (whole === 'null') return null
    if (whole === 'true' || whole === 'false') return whole === 'true'
    return { number: whole }
  }

  #ends(bracket: string): boolean {
    this.#skipBlanks()
    if (this.#text[this.#at] !== bracket) return false
    this.#at++
    return true
  }

  #skipComma(): void {
    this.#skipBlanks()
    if (this.#text[this.#at] === ',') this.#at++
    this.#skipBlanks()
  }

  #skipBlanks(): void {
    while (isBlank(this.#text[this.#at])) this.#at++
  }
}

const wordCharsMax = 64

function isBlank(sign: string | undefined): boolean {
  return sign === ' ' || sign === '\n' || sign === '\t' || sign === '\r'
}

/** Behind the closing quote of the string that begins here. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** The nesting of what is laid out; deeper values stand in one line. */
const indentedMax = 40

/**
 * A JSON text with line breaks and indentation, its tokens as they were. A text that is no JSON comes out changed in
 * its blanks alone. No recursion: what a server nests a million deep is laid out too.
 */
export function laidOut(text: string): string {
  const pieces: string[] = []
  let depth = 0
  const line = (): void => {
    if (depth <= indentedMax) pieces.push(`\n${'  '.repeat(depth)}`)
  }
  for (let at = 0; at < text.length; ) {
    const sign = text[at] ?? ''
    if (sign === '"') {
      const end = endOfString(text, at)
      pieces.push(text.slice(at, end))
      at = end
      continue
    }
    at++
    if (isBlank(sign)) continue
    if (sign === '{' || sign === '[') {
      const closes = sign === '{' ? '}' : ']'
      while (isBlank(text[at])) at++
      if (text[at] === closes) {
        pieces.push(sign, closes)
        at++
        continue
      }
      pieces.push(sign)
      depth++
      line()
    } else if (sign === '}' || sign === ']') {
      depth = Math.max(0, depth - 1)
      line()
      pieces.push(sign)
    } else if (sign === ',') {
      pieces.push(sign)
      line()
    } else pieces.push(sign === ':' ? ': ' : sign)
  }
  return pieces.join('')
}
