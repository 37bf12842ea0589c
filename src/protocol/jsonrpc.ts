/**
 * Reads a JSON-RPC message as text: finds the few members that a relay must see or change and leaves every
 * other byte alone, so that numbers beyond 2^53, key order and unknown fields arrive as they were sent.
 *
 * Pure: no I/O, never throws. The scanner checks structure (quotes, brackets), not every scalar; text from
 * a client has been through `JSON.parse` before it comes here.
 */

import { voidMember, withoutNull } from './void-members.ts'

/** One message and the places in its text that matter. A start of -1 means that the member is absent. */
export interface MessageText {
  readonly text: string
  readonly kind: 'request' | 'notification' | 'response'
  readonly idStart: number
  readonly idEnd: number
  /** The method, or null for a response. */
  readonly method: string | null
  readonly paramsStart: number
  readonly paramsEnd: number
  readonly resultStart: number
  readonly resultEnd: number
  /** True for a response that carries `error`. */
  readonly failed: boolean
  /** True for a response whose result says `"isError": true`. */
  readonly toolError: boolean
  /** True for a response whose result says that it is no answer yet (2026-07-28, `resultType: "input_required"`). */
  readonly asksForInput: boolean
}

/** Half-open range of a value in a text. */
export interface Span {
  readonly start: number
  readonly end: number
}

const doubleQuote = 34
const backslash = 92
const openBrace = 123
const closeBrace = 125
const openBracket = 91
const closeBracket = 93
const comma = 44
const colon = 58

/** Messages of one batch, from whichever side. */
export const batchMessagesMax = 100

/** In place of a slot, for a key that is a wanted one but for its case. */
const otherCase = -2

/** The shortest key with an escape in it: one letter of a two-letter key as \\uXXXX. */
const escapedKeyCharsMin = 7

const topKeys = ['id', 'method', 'params', 'result', 'error'] as const
/** Filled anew for each message, which is read to its end before the next: no array for each. */
const topSpans: number[] = new Array(2 * topKeys.length).fill(-1)
const resultSlot = topKeys.indexOf('result')
const resultKeys = ['isError', 'resultType'] as const
const resultSpans: number[] = new Array(2 * resultKeys.length).fill(-1)
const paramSpans: number[] = []

/**
 * Recognises one JSON-RPC message, or answers null when the text is none. Ids may be strings or numbers; an
 * error response may have none. A member that is null where another one says what the message is (`"error":null`
 * beside a result) counts as absent and is left out of `text`: strict readers refuse a message that has both.
 */
export function scanMessage(text: string): MessageText | null {
  const spans = topSpans.fill(-1)
  const end = scanObject(text, 0, topKeys, spans)
  if (end < 0 || skipSpace(text, end) !== text.length) return null
  const idStart = spans[0] as number
  const methodStart = spans[2] as number
  const resultStart = spans[6] as number
  const errorStart = spans[8] as number
  const starts = { id: idStart, method: methodStart, result: resultStart, error: errorStart }
  const voidStart = voidMember(text, starts)
  if (voidStart >= 0) return scanMessage(withoutNull(text, voidStart))
  let method: string | null = null
  if (methodStart >= 0) {
    method = stringAt(text, methodStart, spans[3] as number)
    if (method === null) return null
  } else if (idStart < 0 ? text[errorStart] !== '{' : resultStart < 0 && errorStart < 0) return null
  if (
    idStart >= 0 &&
    !isIdStart(text.charCodeAt(idStart)) &&
    !(method === null && text.startsWith('null', idStart))
  )
    return null
  return {
    text,
    kind: method === null ? 'response' : idStart >= 0 ? 'request' : 'notification',
    idStart,
    idEnd: spans[1] as number,
    method,
    paramsStart: spans[4] as number,
    paramsEnd: spans[5] as number,
    resultStart,
    resultEnd: spans[7] as number,
    failed: errorStart >= 0,
    // Where there is no result, they are those of another message.
    toolError: resultStart >= 0 && isAt(text, resultSpans[0] as number, 'true'),
    asksForInput: resultStart >= 0 && isAt(text, resultSpans[2] as number, '"input_required"'),
  }
}

function isAt(text: string, start: number, value: string): boolean {
  return start >= 0 && text.startsWith(value, start)
}

/** The raw JSON text of the id, which keeps its type and digits; empty when there is none. */
export function idTextOf(message: MessageText): string {
  return message.idStart < 0 ? '' : message.text.slice(message.idStart, message.idEnd)
}

/** The same message with another id, or with one where it has none, and nothing else changed. */
export function withId({ text, idStart, idEnd }: MessageText, idText: string): string {
  if (idStart < 0) return text.replace('{', () => `{"id":${idText},`)
  return text.slice(0, idStart) + idText + text.slice(idEnd)
}

/** The response that carries this result; both are raw JSON texts. */
export function rpcResult(idText: string, resultText: string): string {
  return `{"jsonrpc":"2.0","id":${idText},"result":${resultText}}`
}

/**
 * The response that carries this error object. A null id stands as `"id":null`; undefined leaves it out
 * (2026-07-28: an id that could not be read).
 */
export function rpcError(idText: string | null | undefined, errorText: string): string {
  const id = idText === undefined ? '' : `,"id":${idText}`
  return `{"jsonrpc":"2.0"${id},"error":${errorText}}`
}

/** A request whose id the connection sets; `paramsText` is raw JSON. */
export function rpcRequest(method: string, paramsText: string | null): string {
  return `{"jsonrpc":"2.0","id":0,"method":${JSON.stringify(method)}${paramsMember(paramsText)}}`
}

/** A notification; `paramsText` is raw JSON. */
export function rpcNotification(method: string, paramsText: string | null): string {
  return `{"jsonrpc":"2.0","method":${JSON.stringify(method)}${paramsMember(paramsText)}}`
}

/** The `notifications/cancelled` for a request. */
export function rpcCancel(idText: string | number): string {
  return `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${idText}}}`
}

function paramsMember(paramsText: string | null): string {
  return paramsText === null ? '' : `,"params":${paramsText}`
}

/** The same text with the span replaced. */
export function replaceSpan(text: string, span: Span, replacement: string): string {
  return text.slice(0, span.start) + replacement + text.slice(span.end)
}

/** Where the value of `key` stands in the object that starts at `objectStart`; null when it is not there. */
export function memberSpan(text: string, objectStart: number, key: string): Span | null {
  if (objectStart < 0) return null
  const spans = [-1, -1]
  const end = scanObject(text, objectStart, [key], spans)
  const start = spans[0] as number
  return end < 0 || start < 0 ? null : { start, end: spans[1] as number }
}

/** Where `params._meta.progressToken` of a request stands. */
export function progressTokenSpan(message: MessageText): Span | null {
  // Most requests have none. A backslash may spell the key in another way, and then it must be found too.
  if (!message.text.includes('progressToken') && !message.text.includes('\\')) return null
  const meta = memberSpan(message.text, message.paramsStart, '_meta')
  return meta && memberSpan(message.text, meta.start, 'progressToken')
}

/** Whether `params` has this member; quicker than `paramSpan` where few messages have it. */
export function hasParam(message: MessageText, key: string): boolean {
  // A backslash may spell the key in another way.
  if (!message.text.includes(key) && !message.text.includes('\\')) return false
  return paramSpan(message, key) !== null
}

/** Where a member of `params` stands. */
export function paramSpan(message: MessageText, key: string): Span | null {
  return memberSpan(message.text, message.paramsStart, key)
}

/**
 * Whether one of these members of `params` stands twice. JSON.parse reads the last one and other readers the
 * first, so what was checked and what is executed could differ.
 */
export function repeatsParam(message: MessageText, keys: readonly string[]): boolean {
  while (paramSpans.length < keys.length * 2) paramSpans.push(-1)
  const spans = paramSpans.fill(-1)
  return message.paramsStart >= 0 && scanObject(message.text, message.paramsStart, keys, spans) < 0
}

/** A member of `params` as a string, or null when it is absent or of another type. */
export function paramString(message: MessageText, key: string): string | null {
  const span = paramSpan(message, key)
  return span && stringAt(message.text, span.start, span.end)
}

/** The same message with another text for a value within its `params`. */
export function withParam(message: MessageText, span: Span, replacement: string): MessageText {
  const grown = replacement.length - (span.end - span.start)
  const { text, kind, idStart, idEnd, method, paramsStart, paramsEnd, toolError, asksForInput } = message
  const behind = idStart > span.start ? grown : 0
  return {
    text: replaceSpan(text, span, replacement),
    kind,
    idStart: idStart + behind,
    idEnd: idEnd + behind,
    method,
    paramsStart,
    paramsEnd: paramsEnd + grown,
    resultStart: -1,
    resultEnd: -1,
    failed: false,
    toolError,
    asksForInput,
  }
}

/** A JSON-RPC message must be one line on stdio; line breaks in valid JSON stand between tokens only. */
export function onOneLine(text: string): string {
  return text.includes('\n') || text.includes('\r') ? text.replace(/[\r\n]+/g, ' ') : text
}

/** The value of the JSON string in this span, or null when it is not a string. */
export function stringAt(text: string, start: number, end: number): string | null {
  if (text.charCodeAt(start) !== doubleQuote) return null
  const raw = text.slice(start + 1, end - 1)
  return raw.includes('\\') ? unquote(text.slice(start, end)) : raw
}

/**
 * Walks the members of one object and notes the spans of the wanted keys in `spans` (start at 2k, end at 2k+1).
 * Returns the index after the closing brace, or -1 when the text is no object or names a wanted key twice, or in
 * another case, which some readers (Go, C#) take for it: a doubled key means different things to different parsers, and
 * a relay must not choose.
 */
function scanObject(text: string, from: number, wanted: readonly string[], spans: number[]): number {
  let at = skipSpace(text, from)
  if (text.charCodeAt(at) !== openBrace) return -1
  at = skipSpace(text, at + 1)
  if (text.charCodeAt(at) === closeBrace) return at + 1
  for (;;) {
    if (text.charCodeAt(at) !== doubleQuote) return -1
    const keyEnd = skipString(text, at)
    if (keyEnd < 0) return -1
    const slot = slotOf(text, at, keyEnd, wanted)
    if (slot === otherCase) return -1
    at = skipSpace(text, keyEnd)
    if (text.charCodeAt(at) !== colon) return -1
    const start = skipSpace(text, at + 1)
    const end = slot === resultSlot && wanted === topKeys ? skipResult(text, start) : skipValue(text, start)
    if (end < 0) return -1
    if (slot >= 0) {
      if ((spans[slot * 2] as number) >= 0) return -1
      spans[slot * 2] = start
      spans[slot * 2 + 1] = end
    }
    at = skipSpace(text, end)
    const next = text.charCodeAt(at)
    if (next === closeBrace) return at + 1
    if (next !== comma) return -1
    at = skipSpace(text, at + 1)
  }
}

/** The same as `skipValue`; what the result says of itself is noted on the way, so that it is not walked through twice. */
function skipResult(text: string, start: number): number {
  const end = scanObject(text, start, resultKeys, resultSpans.fill(-1))
  if (end >= 0) return end
  // No object, or one that says something twice, which is for others to judge.
  resultSpans.fill(-1)
  return skipValue(text, start)
}

function slotOf(text: string, keyStart: number, keyEnd: number, wanted: readonly string[]): number {
  const length = keyEnd - keyStart - 2
  const first = text.charCodeAt(keyStart + 1)
  for (let slot = 0; slot < wanted.length; slot++) {
    const key = wanted[slot] as string
    if (key.length !== length || (key.charCodeAt(0) | caseBit) !== (first | caseBit)) continue
    if (text.startsWith(key, keyStart + 1)) return slot
    if (isSpelling(key, text.slice(keyStart + 1, keyEnd - 1))) return otherCase
  }
  // An escaped spelling of a key ("i\u0064") is the same key to a JSON parser, and longer than it.
  if (length < escapedKeyCharsMin) return -1
  // Only the key is searched: a search to the end of the text for each of 300,000 keys took 16 seconds.
  const raw = text.slice(keyStart, keyEnd)
  if (!raw.includes('\\')) return -1
  const key = unquote(raw)
  if (key === null) return -1
  const slot = wanted.indexOf(key)
  return slot < 0 && wanted.some((one) => isSpelling(one, key)) ? otherCase : slot
}

/** What tells an ASCII letter from the same one in the other case. */
const caseBit = 32

/** Whether a key is this one for readers that look at no case. */
export function isSpelling(key: string, other: string): boolean {
  return key.length === other.length && folded(key) === folded(other)
}

/** The long s and the Kelvin sign, too. */
function folded(text: string): string {
  return text.toUpperCase().toLowerCase()
}

function unquote(quoted: string): string | null {
  try {
    const value: unknown = JSON.parse(quoted)
    return typeof value === 'string' ? value : null
  } catch {
    return null
  }
}

/** Index after the value that starts at `at`, or -1. */
export function skipValue(text: string, at: number): number {
  const first = text.charCodeAt(at)
  if (first === doubleQuote) return skipString(text, at)
  if (first !== openBrace && first !== openBracket) return skipScalar(text, at)
  let depth = 0
  let index = at
  while (index < text.length) {
    const code = text.charCodeAt(index)
    if (code === doubleQuote) {
      index = skipString(text, index)
      if (index < 0) return -1
      continue
    }
    if (code === openBrace || code === openBracket) depth++
    else if (code === closeBrace || code === closeBracket) {
      depth--
      if (depth === 0) return index + 1
    }
    index++
  }
  return -1
}

/** So far a string is looked at here: most are shorter, and the native search is a call. */
const nearChars = 24

function skipString(text: string, quote: number): number {
  for (let near = quote + 1; near <= quote + nearChars; near++) {
    const code = text.charCodeAt(near)
    if (code === doubleQuote) return near + 1
    if (code === backslash) break
  }
  let at = quote
  for (;;) {
    // The native search makes megabyte strings cheap.
    at = text.indexOf('"', at + 1)
    if (at < 0) return -1
    let before = at - 1
    while (text.charCodeAt(before) === backslash) before--
    if ((at - before) % 2 === 1) return at + 1
  }
}

function skipScalar(text: string, at: number): number {
  let end = at
  while (end < text.length) {
    const code = text.charCodeAt(end)
    if (code === comma || code === closeBrace || code === closeBracket || code <= 32) break
    end++
  }
  return end === at ? -1 : end
}

/** Index of the first character from `from` on that is no JSON white space. */
export function skipSpace(text: string, from: number): number {
  let at = from
  // Nearly always there is none.
  if (text.charCodeAt(at) > 32) return at
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return at
    at++
  }
}

function isIdStart(code: number): boolean {
  return code === doubleQuote || code === 45 || (code >= 48 && code <= 57)
}
