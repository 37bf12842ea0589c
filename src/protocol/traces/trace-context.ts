/**
 * The context of a trace: read from the headers of a request and from `_meta` of its message, and put into `_meta`.
 * What a client sends is only passed on where it has the form that it must have, since it becomes a header as well.
 *
 * Spec: W3C Trace Context, W3C Baggage; 2026-07-28, basic/index (`_meta`, OpenTelemetry trace context).
 */
import { isObject } from '../json.ts'
import { type MessageText, memberSpan, scanMessage, skipSpace, skipValue } from '../jsonrpc.ts'
import { editObject, memberText } from '../spans.ts'

/** What is passed on: a traceparent, and what goes with it. */
export interface CarriedContext {
  readonly traceparent: string
  readonly tracestate: string | null
  readonly baggage: string | null
}

/** What a traceparent says. */
export interface SpanContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 of the caller's span. */
  readonly spanId: string
  readonly sampled: boolean
}

/** The context that a request came with. */
export interface IncomingContext extends SpanContext, CarriedContext {
  /** False where only headers have it. */
  readonly inMessage: boolean
  /** Another span that the headers name: that of the HTTP request beneath the message. */
  readonly link: SpanContext | null
}

const traceparentForm = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const noTrace = '0'.repeat(32)
const noSpan = '0'.repeat(16)
/** Visible ASCII and spaces: neither may end a header. */
const listForm = /^[\x20-\x7e]*$/
/** A list of 32 members, and as many characters as W3C asks everybody to pass on. */
const tracestateCharsMax = 512
const baggageCharsMax = 8_192
const doubleQuote = 34
const comma = 44
const openBrace = 123
const closeBrace = 125
const contextKeys = ['traceparent', 'tracestate', 'baggage'] as const

/** Reads a traceparent of this version or a later one; null when it is none. */
export function parseTraceparent(text: unknown): SpanContext | null {
  if (typeof text !== 'string' || text.length > 128) return null
  const [, version, traceId = '', spanId = '', flags = '', more] = traceparentForm.exec(text) ?? []
  if (version === undefined || (version === '00' && more !== undefined)) return null
  if (traceId === noTrace || spanId === noSpan) return null
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** The context of a request by its headers and the `params` of its message; the message's own counts first. */
export function incomingContext(headers: Headers, params: unknown): IncomingContext | null {
  const meta = isObject(params) && isObject(params['_meta']) ? params['_meta'] : null
  const own = meta && parseTraceparent(meta['traceparent'])
  const headerText = headers.get('traceparent')
  const around = headerText === null ? null : parseTraceparent(headerText)
  if (own) {
    const other = around && around.spanId !== own.spanId ? around : null
    return { ...own, ...carried(meta?.['traceparent'], (key) => meta?.[key]), inMessage: true, link: other }
  }
  if (!around) return null
  return { ...around, ...carried(headerText, (key) => headers.get(key)), inMessage: false, link: null }
}

function carried(traceparent: unknown, of: (key: 'tracestate' | 'baggage') => unknown): CarriedContext {
  return {
    traceparent: String(traceparent),
    tracestate: listOf(of('tracestate'), tracestateCharsMax),
    baggage: listOf(of('baggage'), baggageCharsMax),
  }
}

function listOf(value: unknown, charsMax: number): string | null {
  return typeof value === 'string' && value !== '' && value.length <= charsMax && listForm.test(value)
    ? value
    : null
}

/** The same request with this context in its `_meta`, in place of one that stands there. */
export function withTraceContext(message: MessageText, context: CarriedContext): MessageText {
  const { text, paramsStart, idStart, idEnd, paramsEnd } = message
  if (paramsStart < 0) return scanMessage(withNewParams(text, membersOf(context))) ?? message
  if (text.charCodeAt(paramsStart) !== openBrace) return message
  const at = placeOf(message)
  if (at < 0) return edited(message, context)
  const more = insertedAt(text, at, at === paramsStart + 1, context)
  const behind = idStart > at ? more.length : 0
  return {
    ...message,
    text: text.slice(0, at) + more + text.slice(at),
    idStart: idStart + behind,
    idEnd: idEnd + behind,
    paramsEnd: paramsEnd + more.length,
  }
}

/**
 * The text of a request with this id and this context, made in one go, since it is sent with each call; null where it
 * takes more than an insertion.
 */
export function textWithIdAndContext(
  message: MessageText,
  idText: string,
  context: CarriedContext,
): string | null {
  const { text, paramsStart, idStart, idEnd } = message
  if (paramsStart < 0 || text.charCodeAt(paramsStart) !== openBrace) return null
  const at = placeOf(message)
  if (at < 0) return null
  const more = insertedAt(text, at, at === paramsStart + 1, context)
  return idStart < at
    ? text.slice(0, idStart) + idText + text.slice(idEnd, at) + more + text.slice(at)
    : text.slice(0, at) + more + text.slice(at, idStart) + idText + text.slice(idEnd)
}

/**
 * Where members can be inserted: at the beginning of `_meta`, or where there is none, of `params`. Negative where a
 * context stands there already, or it is not plain where.
 */
function placeOf({ text, paramsStart }: MessageText): number {
  // A backslash may spell a key in another way.
  const plain = !text.includes('\\')
  if (plain && !text.includes('"_meta"')) return paramsStart + 1
  const start = plain ? metaStart(text, paramsStart) : (memberSpan(text, paramsStart, '_meta')?.start ?? -1)
  if (start < 0 || text.charCodeAt(start) !== openBrace) return -1
  if (text.includes('"traceparent"', start)) return -1
  if (text.includes('"tracestate"', start) || text.includes('"baggage"', start)) return -1
  return plain || !text.includes('\\', start) ? start + 1 : -1
}

/** Where the value of `_meta` begins in params without a backslash. */
function metaStart(text: string, paramsStart: number): number {
  let at = skipSpace(text, paramsStart + 1)
  while (text.charCodeAt(at) === doubleQuote) {
    const keyEnd = text.indexOf('"', at + 1)
    const value = skipSpace(text, skipSpace(text, keyEnd + 1) + 1)
    if (keyEnd - at === 6 && text.startsWith('_meta', at + 1)) return value
    const end = skipValue(text, value)
    if (end < 0) return -1
    at = skipSpace(text, end)
    if (text.charCodeAt(at) === comma) at = skipSpace(text, at + 1)
  }
  return -1
}

/** What is inserted at the beginning of an object: of `_meta`, or of `params` that have none. */
function insertedAt(text: string, at: number, bare: boolean, context: CarriedContext): string {
  const { traceparent, tracestate, baggage } = context
  const empty = text.charCodeAt(skipSpace(text, at)) === closeBrace
  // The usual one, in as few pieces as can be.
  if (bare && !empty && tracestate === null && baggage === null)
    return `"_meta":{"traceparent":"${traceparent}"},`
  const members = membersOf(context)
  const more = bare ? `"_meta":{${members}}` : members
  return empty ? more : `${more},`
}

function membersOf({ traceparent, tracestate, baggage }: CarriedContext): string {
  let members = `"traceparent":"${traceparent}"`
  if (tracestate !== null) members += `,"tracestate":${JSON.stringify(tracestate)}`
  if (baggage !== null) members += `,"baggage":${JSON.stringify(baggage)}`
  return members
}

function withNewParams(text: string, members: string): string {
  const end = text.lastIndexOf('}')
  return `${text.slice(0, end)},"params":{"_meta":{${members}}}}`
}

/** The slow way, for messages that have such members already. */
function edited(message: MessageText, context: CarriedContext): MessageText {
  const { text, paramsStart, paramsEnd } = message
  const params = text.slice(paramsStart, paramsEnd)
  const set = Object.fromEntries(
    contextKeys.flatMap((key) => (context[key] === null ? [] : [[key, JSON.stringify(context[key])]])),
  )
  const drop = (key: string) => contextKeys.some((known) => known === key)
  const meta = editObject(memberText(params, '_meta') ?? '{}', { set, drop })
  const changed = meta === null ? null : editObject(params, { set: { _meta: meta } })
  if (changed === null) return message
  return scanMessage(text.slice(0, paramsStart) + changed + text.slice(paramsEnd)) ?? message
}
