/**
 * The HTTP headers that mirror a modern request: `MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name` and
 * the `Mcp-Param-*` that a tool's schema asks for. Encodes, decodes, checks and builds them.
 *
 * A header that says something else than the body lets whoever routes or limits by header be fooled by
 * whoever executes the body, so every difference is an error, never a choice.
 *
 * Pure, never throws. Spec: 2026-07-28, basic/transports/streamable-http (Request Metadata, Custom
 * Headers from Tool Parameters, Server Validation), server/tools (x-mcp-header).
 */
import { clientRequests } from './eras.ts'
import { isObject, type JsonObject } from './json.ts'

/** Headers by lower-case name; null when absent. Values are trimmed and joined as the Fetch standard says. */
export interface HeaderReader {
  get(name: string): string | null
}

const encodedPrefix = '=?base64?'
const encodedSuffix = '?='

/** The header value for any string: plain when HTTP can carry it unharmed, else `=?base64?…?=`. */
export function encodeHeaderValue(value: string): string {
  if (isPlainHeaderValue(value) && !looksEncoded(value)) return value
  let binary = ''
  for (const byte of new TextEncoder().encode(value)) binary += String.fromCharCode(byte)
  return encodedPrefix + btoa(binary) + encodedSuffix
}

/** The string that a header value stands for, or null for characters or an encoding that the rules forbid. */
export function decodeHeaderValue(value: string): string | null {
  if (!looksEncoded(value)) return value === '' || isPlainHeaderValue(value) ? value : null
  const base64 = value.slice(encodedPrefix.length, -encodedSuffix.length)
  try {
    const binary = atob(base64)
    // atob forgives missing padding, blanks and stray bits; two spellings of one value must not both pass.
    if (btoa(binary) !== base64) return null
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0))
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

function looksEncoded(value: string): boolean {
  return (
    value.length >= encodedPrefix.length + encodedSuffix.length &&
    value.startsWith(encodedPrefix) &&
    value.endsWith(encodedSuffix)
  )
}

/** Visible ASCII, inner spaces and tabs, not empty (some stacks drop an empty header). */
function isPlainHeaderValue(value: string): boolean {
  return /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/.test(value)
}

/** A header that does not say what the body says. */
export interface HeaderProblem {
  readonly message: string
  /** False when a required header is merely missing. */
  readonly contradiction: boolean
}

interface MirroredRequest {
  readonly method: string
  readonly params: JsonObject
  readonly version: string
}

/** Checks `MCP-Protocol-Version`, `Mcp-Method` and `Mcp-Name` of a request; a contradiction outranks an absence. */
export function checkMirroredHeaders(headers: HeaderReader, request: MirroredRequest): HeaderProblem | null {
  const nameParam = nameParamOf(request.method)
  const name = nameParam === null ? null : stringOf(request.params[nameParam])
  const versionHeader = headers.get('mcp-protocol-version')
  const methodHeader = headers.get('mcp-method')
  const nameHeader = nameParam === null ? null : headers.get('mcp-name')
  return (
    contradiction('MCP-Protocol-Version', versionHeader, request.version) ??
    contradiction('Mcp-Method', methodHeader, request.method) ??
    (nameParam === null ? null : contradictoryName(nameHeader, name)) ??
    absence('MCP-Protocol-Version', versionHeader) ??
    absence('Mcp-Method', methodHeader) ??
    (name === null || isExtension(request.method) ? null : absence('Mcp-Name', nameHeader))
  )
}

function contradiction(name: string, header: string | null, body: string): HeaderProblem | null {
  if (header === null || header === body) return null
  return { message: `${name} is ${quote(header)}, but the body says ${quote(body)}`, contradiction: true }
}

function contradictoryName(header: string | null, body: string | null): HeaderProblem | null {
  if (header === null) return null
  const decoded = decodeHeaderValue(header)
  if (decoded === null) return { message: 'Mcp-Name is badly encoded', contradiction: true }
  if (body === null) return { message: 'Mcp-Name is set, but the body names nothing', contradiction: true }
  return contradiction('Mcp-Name', decoded, body)
}

function absence(name: string, header: string | null): HeaderProblem | null {
  return header === null ? { message: `The ${name} header is missing`, contradiction: false } : null
}

/** The parameter that `Mcp-Name` mirrors; null for a method that has none. */
function nameParamOf(method: string): string | null {
  return clientRequests.modern.get(method)?.nameParam ?? null
}

/** For methods of extensions the header is optional. */
function isExtension(method: string): boolean {
  return clientRequests.modern.get(method)?.extension === true
}

function stringOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

/** One argument of a tool that travels in a header too. */
export interface ParamMark {
  /** The chain of property names from the root of the arguments. */
  readonly path: readonly string[]
  /** The header's full name, `Mcp-Param-` included, in the case that the schema gives. */
  readonly header: string
  readonly type: 'string' | 'integer' | 'boolean'
}

const markKeyword = 'x-mcp-header'
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Keywords whose value is a map of names to schemas; below them nothing is statically reachable. */
const schemaMaps: readonly string[] = [
  'patternProperties',
  'dependentSchemas',
  '$defs',
  'definitions',
  'dependencies',
]
/** Keywords whose value is a schema or a list of schemas. */
const schemas: readonly string[] = [
  'items',
  'prefixItems',
  'additionalItems',
  'contains',
  'additionalProperties',
  'unevaluatedProperties',
  'unevaluatedItems',
  'propertyNames',
  'contentSchema',
  'oneOf',
  'anyOf',
  'allOf',
  'not',
  'if',
  'then',
  'else',
]

/**
 * The marks of a tool's `inputSchema`, or why they make the whole tool invalid: a client over HTTP must
 * leave such a tool out of its list.
 */
export function paramMarks(inputSchema: unknown): readonly ParamMark[] | { readonly invalid: string } {
  const marks: ParamMark[] = []
  const seen = new Set<string>()
  // A list of work, not recursion: a schema nested a million deep must not end the process.
  const pending: { schema: unknown; path: readonly string[] | null }[] = [{ schema: inputSchema, path: [] }]
  for (let work = pending.pop(); work !== undefined; work = pending.pop()) {
    const { schema, path } = work
    if (!isObject(schema)) continue
    if (markKeyword in schema) {
      const mark = readMark(schema, path)
      if (typeof mark === 'string') return { invalid: mark }
      if (seen.has(mark.header.toLowerCase()))
        return { invalid: `${markKeyword} ${quote(mark.header)} is used twice` }
      seen.add(mark.header.toLowerCase())
      marks.push(mark)
    }
    const properties = schema.properties
    if (isObject(properties)) {
      for (const [name, child] of Object.entries(properties)) {
        pending.push({ schema: child, path: path === null ? null : [...path, name] })
      }
    }
    for (const keyword of schemaMaps) {
      const map = schema[keyword]
      if (isObject(map)) for (const child of Object.values(map)) pending.push({ schema: child, path: null })
    }
    for (const keyword of schemas) {
      const value = schema[keyword]
      for (const child of Array.isArray(value) ? value : [value]) pending.push({ schema: child, path: null })
    }
  }
  return marks
}

function readMark(schema: JsonObject, path: readonly string[] | null): ParamMark | string {
  const name = schema[markKeyword]
  const type = schema.type
  if (path === null || path.length === 0) return `${markKeyword} stands where no chain of properties leads`
  const where = quote(path.join('.'))
  if (typeof name !== 'string' || !token.test(name)) return `${markKeyword} of ${where} is not a header name`
  if (type !== 'string' && type !== 'integer' && type !== 'boolean') {
    return `${markKeyword} of ${where} stands on a type other than string, integer and boolean`
  }
  return { path, header: `Mcp-Param-${name}`, type }
}

/** The `Mcp-Param-*` headers of one call. Absent, null and unsendable arguments have none. */
export function paramHeaders(marks: readonly ParamMark[], args: unknown): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const mark of marks) {
    const text = textOf(valueAt(args, mark.path))
    if (text !== null) headers[mark.header] = encodeHeaderValue(text)
  }
  return headers
}

/** Checks the `Mcp-Param-*` headers of one call against its arguments; returns what is wrong, or null. */
export function checkParamHeaders(
  headers: HeaderReader,
  marks: readonly ParamMark[],
  args: unknown,
): string | null {
  for (const mark of marks) {
    const header = headers.get(mark.header.toLowerCase())
    const value = valueAt(args, mark.path)
    const text = textOf(value)
    if (header === null) {
      if (text !== null) return `The ${mark.header} header is missing`
      continue
    }
    const decoded = decodeHeaderValue(header)
    if (decoded === null) return `${mark.header} is badly encoded`
    if (text === null) return `${mark.header} is set, but the body has no such argument`
    // 42.0 and 42 are equal; the pattern keeps out what Number() would also take (0x1a, 1e3, blanks).
    const numeric = mark.type === 'integer' && typeof value === 'number' && /^-?\d+(\.\d+)?$/.test(decoded)
    if (numeric ? Number(decoded) !== value : decoded !== text) return `${mark.header} differs from the body`
  }
  return null
}

/** A primitive as header text; null for what a header cannot carry (an integer beyond 2^53 is not exact). */
function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  if (typeof value !== 'number' || (Number.isInteger(value) && !Number.isSafeInteger(value))) return null
  return String(value)
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  let value = root
  for (const name of path) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

type Mirrored = Readonly<Record<string, string>>

/** Calls in a row are mostly of one tool; the same object tells those who compare headers that they are equal. */
let last: { method: string; name: string | null; version: string; headers: Mirrored } | null = null

/** Every header of one modern request to an upstream, `Mcp-Param-*` included when the tool's marks are known. */
export function mirroredHeaders(
  { method, params, version }: MirroredRequest,
  marks: readonly ParamMark[] = [],
): Mirrored {
  const nameParam = nameParamOf(method)
  const name = nameParam === null ? null : stringOf(params[nameParam])
  if (last === null || last.method !== method || last.name !== name || last.version !== version) {
    const named = name === null ? {} : { 'Mcp-Name': encodeHeaderValue(name) }
    const headers = Object.freeze({ 'MCP-Protocol-Version': version, 'Mcp-Method': method, ...named })
    last = { method, name, version, headers }
  }
  return marks.length === 0 ? last.headers : { ...last.headers, ...paramHeaders(marks, params.arguments) }
}

/** A client's value inside a message to that client: bounded, and escaped by JSON. */
export function quote(value: string): string {
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value)
}
