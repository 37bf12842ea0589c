/**
 * Edits JSON text in place of parsing and printing it again, so that what a bridge does not change keeps
 * its digits (12345678901234567890 stays), its key order and its spelling.
 *
 * Pure, never throws; text that is not what a function expects gives null. A member that stands twice is
 * one member: editing it leaves one, so that no two readers of the result can see different values.
 */
import { jsonIn } from './json.ts'
import { isSpelling, skipSpace, skipValue } from './jsonrpc.ts'

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

/** One member of an object: its name and the places of the whole member and of its value. */
export interface Member {
  readonly key: string
  readonly start: number
  readonly valueStart: number
  readonly valueEnd: number
}

/** Longer texts are not remembered: a memory must not hold on to megabytes. */
const rememberedCharsMax = 4096

interface Scanned {
  readonly text: string
  readonly members: readonly Member[] | null
}

let last: Scanned = { text: '', members: null }
let before = last

/**
 * The members of the object that `text` is, in order; null when it is no object. A bridge asks several things about
 * one text and about an object within it in turn, so the last two answers are remembered.
 */
export function membersOf(text: string): readonly Member[] | null {
  if (text === last.text) return last.members
  if (text === before.text) {
    ;[last, before] = [before, last]
    return last.members
  }
  const members = scanMembers(text)
  if (text.length <= rememberedCharsMax) {
    before = last
    last = { text, members }
  }
  return members
}

function scanMembers(text: string): Member[] | null {
  const members: Member[] = []
  let at = skipSpace(text, 0)
  if (text[at] !== '{') return null
  at = skipSpace(text, at + 1)
  if (text[at] === '}') return members
  for (;;) {
    if (text[at] !== '"') return null
    const keyEnd = skipValue(text, at)
    const key = keyEnd < 0 ? null : keyOf(text.slice(at, keyEnd))
    if (key === null) return null
    const colon = skipSpace(text, keyEnd)
    if (text[colon] !== ':') return null
    const valueStart = skipSpace(text, colon + 1)
    const valueEnd = skipValue(text, valueStart)
    if (valueEnd < 0) return null
    members.push({ key, start: at, valueStart, valueEnd })
    at = skipSpace(text, valueEnd)
    if (text[at] === '}') return members
    if (text[at] !== ',') return null
    at = skipSpace(text, at + 1)
  }
}

function keyOf(quoted: string): string | null {
  if (!quoted.includes('\\')) return quoted.slice(1, -1)
  const key = parsed(quoted)
  return typeof key === 'string' ? key : null
}

/** The JSON text of one member's value, the last one where it stands twice (as JSON.parse reads it); null when absent. */
export function memberText(text: string, key: string): string | null {
  let found: Member | null = null
  for (const member of membersOf(text) ?? []) if (member.key === key) found = member
  return found && text.slice(found.valueStart, found.valueEnd)
}

/**
 * Whether one of these members stands twice, or in another case. JSON.parse reads the last one and other readers the
 * first, or look at no case, so what was checked and what is executed could differ.
 */
export function hasDoubled(text: string, keys: readonly string[]): boolean {
  const seen = new Set<string>()
  for (const { key } of membersOf(text) ?? []) {
    if (seen.has(key)) return true
    if (keys.includes(key)) seen.add(key)
    else if (keys.some((one) => isSpelling(one, key))) return true
  }
  return false
}

/** What to change in an object: members to leave out, and members to put in or replace (JSON texts by name). */
export interface Edit {
  readonly drop?: (key: string) => boolean
  readonly set?: Readonly<Record<string, string>>
}

/** The object with the edit done; what is neither dropped nor set stays as it was written. */
export function editObject(text: string, edit: Edit): string | null {
  const members = membersOf(text)
  if (members === null) return null
  const { drop, set = nothing } = edit
  let edited = ''
  /** Those of `set` that stand in the text. */
  const placed: string[] = []
  // Neighbours that stay are copied in one piece: an object may have hundreds of thousands of members.
  let keptFrom = -1
  let keptTo = -1
  for (const { key, start, valueStart, valueEnd } of members) {
    const isSet = set !== nothing && Object.hasOwn(set, key)
    if (!isSet && drop?.(key) !== true) {
      if (keptFrom < 0) keptFrom = start
      keptTo = valueEnd
      continue
    }
    if (keptFrom >= 0) edited = joined(edited, text.slice(keptFrom, keptTo))
    keptFrom = -1
    if (!isSet || placed.includes(key)) continue
    placed.push(key)
    edited = joined(edited, `${text.slice(start, valueStart)}${set[key]}`)
  }
  if (keptFrom >= 0) edited = joined(edited, text.slice(keptFrom, keptTo))
  for (const key in set) if (!placed.includes(key)) edited = joined(edited, `${quoted(key)}:${set[key]}`)
  return `{${edited}}`
}

const nothing: Readonly<Record<string, string>> = {}
const plainKey = /^[\w./-]*$/

function joined(members: string, member: string): string {
  return members === '' ? member : `${members},${member}`
}

function quoted(key: string): string {
  return plainKey.test(key) ? `"${key}"` : JSON.stringify(key)
}

/** The JSON texts of an array's elements; null when the text is no array. */
export function elementsOf(text: string): string[] | null {
  const elements: string[] = []
  let at = skipSpace(text, 0)
  if (text[at] !== '[') return null
  at = skipSpace(text, at + 1)
  if (text[at] === ']') return elements
  for (;;) {
    const end = skipValue(text, at)
    if (end < 0) return null
    elements.push(text.slice(at, end))
    at = skipSpace(text, end)
    if (text[at] === ']') return elements
    if (text[at] !== ',') return null
    at = skipSpace(text, at + 1)
  }
}

/**
 * How deep a text may nest that becomes objects. Whatever walks them (JSON.stringify, a comparison, a copy) goes as
 * deep on the stack, and takes seconds before it throws.
 */
export const jsonDepthMax = 256

/** True when a JSON text nests deeper than `jsonDepthMax`. */
export function nestsTooDeep(text: string): boolean {
  // Each level takes two brackets.
  if (text.length <= 2 * jsonDepthMax) return false
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) at = stringEnd(text, at)
    else if ((code === openBrace || code === openBracket) && ++depth > jsonDepthMax) return true
    else if (code === closeBrace || code === closeBracket) depth--
  }
  return false
}

/** Where a string ends that begins here, at its closing quote; the end of the text when it has none. */
function stringEnd(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let slashes = 0
    while (text.charCodeAt(at - 1 - slashes) === backslash) slashes++
    if (slashes % 2 === 0) return at
  }
  return text.length
}

/** The value of a JSON text; undefined when it is none, or nests too deep. */
export function parsed(text: string): unknown {
  return nestsTooDeep(text) ? undefined : jsonIn(text)
}
