/** What differs between two definitions of a tool, member by member, for people. Pure. */
import { membersOf, parsed } from '../protocol/spans.ts'

/** One member that differs: its path, and its value before and after; null where it is not there. */
export interface Difference {
  readonly field: string
  readonly before: string | null
  readonly after: string | null
}

/** Further ones are counted in the last. */
const differencesMax = 100
/** Of one value; longer ones are cut where they differ. */
const shownCharsMax = 4_096
/** What stands before the first difference of two long texts. */
const contextChars = 200

/**
 * From `before`, the canonical text of what was approved (null for nothing), to `after`. Objects are looked into, so
 * that a changed description deep in a schema is one line.
 */
export function differencesOf(before: string | null, after: string): Difference[] {
  const found: Difference[] = []
  compare('', before ?? '{}', after, found)
  const rest = found.length - differencesMax
  if (rest <= 0) return found
  return [...found.slice(0, differencesMax), { field: '…', before: null, after: `${rest} more` }]
}

function compare(path: string, before: string, after: string, found: Difference[]): void {
  const [old, now] = [valuesOf(before), valuesOf(after)]
  if (old === null || now === null) {
    if (before !== after) found.push(differenceOf(path, before, after))
    return
  }
  for (const key of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    const field = path === '' ? key : `${path}.${key}`
    const [was, is] = [old.get(key), now.get(key)]
    if (was === undefined || is === undefined) found.push(differenceOf(field, was ?? null, is ?? null))
    else compare(field, was, is, found)
  }
}

/** The members of an object by name; null for any other value. */
function valuesOf(text: string): Map<string, string> | null {
  const members = text.startsWith('{') ? membersOf(text) : null
  if (members === null) return null
  return new Map(members.map(({ key, valueStart, valueEnd }) => [key, text.slice(valueStart, valueEnd)]))
}

function differenceOf(field: string, before: string | null, after: string | null): Difference {
  const [was, is] = [shown(before), shown(after)]
  let same = 0
  if (was !== null && is !== null) while (same < was.length && was[same] === is[same]) same++
  const from = Math.max(0, same - contextChars)
  return { field, before: cut(was, from), after: cut(is, from) }
}

/** Texts as they are read, everything else as JSON. */
function shown(json: string | null): string | null {
  if (json === null) return null
  const value = parsed(json)
  if (typeof value === 'string') return value
  return value === undefined || typeof value !== 'object' ? json : JSON.stringify(value, null, 2)
}

function cut(text: string | null, from: number): string | null {
  if (text === null || text.length <= shownCharsMax) return text
  const end = from + shownCharsMax
  const left = text.length - end
  return `${from > 0 ? '…' : ''}${text.slice(from, end)}${left > 0 ? `… (${left} characters more)` : ''}`
}
