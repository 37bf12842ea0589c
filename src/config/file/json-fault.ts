/**
 * Where a JSON text stops being JSON. `JSON.parse` in this runtime says what it disliked but not
 * where, and a person with a 200-line file needs the line. It also takes a key twice and keeps the last one, so
 * that a section with tokens could be replaced by one without them.
 */

const token =
  /[ \t\r\n]+|"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-f]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?|true|false|null|[[\]{},:]/iuy
const comment = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y

export interface JsonFault {
  /** Offset in UTF-16 units of the first token that cannot stand where it does. */
  readonly offset: number
  readonly reason: string
}

type Expected = 'value' | 'first value' | 'key' | 'first key' | 'colon' | 'separator' | 'end'

const words: Readonly<Record<Expected, string>> = {
  value: 'a value',
  'first value': 'a value or "]"',
  key: 'a key in double quotes',
  'first key': 'a key in double quotes or "}"',
  colon: '":"',
  separator: '"," or the closing bracket',
  end: 'the end of the file',
}

/** The first fault, or null for a text that is JSON with each key once. With `comments`, also trailing commas are fine. */
export function jsonFault(text: string, comments: boolean): JsonFault | null {
  const open: ('[' | '{')[] = []
  const keys: Set<string>[] = []
  let expected: Expected = 'value'
  let offset = 0
  const afterValue = (): Expected => (open.length === 0 ? 'end' : 'separator')
  while (offset < text.length) {
    const found = match(token, text, offset) ?? (comments ? match(comment, text, offset) : null)
    if (found === null) return fault(text, offset, expected)
    const kind = found.startsWith('/') ? ' ' : (found[0] ?? '')
    if (!' \t\r\n'.includes(kind)) {
      const next = step(kind, expected, open, comments, afterValue)
      if (next === null) return fault(text, offset, expected)
      if (next === 'colon' && isAgain(found, keys, open.length)) {
        return { offset, reason: `the key ${found.slice(0, 80)} stands twice in one object` }
      }
      if (kind === '{') keys[open.length] = new Set()
      expected = next
    }
    offset += found.length
  }
  return expected === 'end' ? null : { offset, reason: `the file ends where ${words[expected]} was expected` }
}

/** Whether the object that is open at this depth has the key already; from now on it has. */
function isAgain(quoted: string, keys: readonly Set<string>[], depth: number): boolean {
  const key = String(JSON.parse(quoted))
  const known = keys[depth]
  if (known?.has(key) === true) return true
  known?.add(key)
  return false
}

function step(
  kind: string,
  expected: Expected,
  open: ('[' | '{')[],
  trailingCommas: boolean,
  afterValue: () => Expected,
): Expected | null {
  const wantsKey = expected === 'key' || expected === 'first key'
  const wantsValue = expected === 'value' || expected === 'first value'
  switch (kind) {
    case '{':
    case '[':
      if (!wantsValue) return null
      open.push(kind)
      return kind === '{' ? 'first key' : 'first value'
    case '}':
    case ']': {
      const mayClose =
        expected === 'separator' ||
        expected === (kind === '}' ? 'first key' : 'first value') ||
        (trailingCommas && expected === (kind === '}' ? 'key' : 'value') && open.length > 0)
      if (!mayClose || open.pop() !== (kind === '}' ? '{' : '[')) return null
      return afterValue()
    }
    case ',':
      if (expected !== 'separator') return null
      return open.at(-1) === '{' ? 'key' : 'value'
    case ':':
      return expected === 'colon' ? 'value' : null
    case '"':
      if (wantsKey) return 'colon'
      return wantsValue ? afterValue() : null
    default:
      return wantsValue ? afterValue() : null
  }
}

function match(pattern: RegExp, text: string, offset: number): string | null {
  pattern.lastIndex = offset
  return pattern.exec(text)?.[0] ?? null
}

function fault(text: string, offset: number, expected: Expected): JsonFault {
  const found = text.slice(offset, offset + 1)
  return { offset, reason: `expected ${words[expected]}, found ${JSON.stringify(found)}` }
}
