/**
 * Decides which MCP era one inbound HTTP message belongs to.
 *
 * Pure: no I/O, no clock, never throws. Called once per request by http/routes/stream.ts, after the
 * body is read and before any session lookup. The body outranks the version header, because
 * intermediaries strip headers; a contradiction is a rejection, never a guess. A legacy message costs
 * a few property reads and one header read.
 *
 * Spec: 2026-07-28, basic/versioning, basic/index (`_meta`), basic/transports/streamable-http
 * (Request Metadata, Server Validation). Cases: test/protocol/classify.test.ts
 */
import { type Envelope, readEnvelope } from './envelope.ts'
import { claimedEra, type Era, eraOfVersion, metaKeys, modernVersions } from './eras.ts'
import { checkMirroredHeaders, type HeaderReader, quote } from './headers.ts'
import { isObject, isRequestId, type JsonObject } from './json.ts'

/** What classify reads of an HTTP request. */
export interface InboundMessage {
  readonly httpMethod: string
  readonly headers: HeaderReader
  /** The body as JSON.parse gave it; undefined when there is none. */
  readonly body: unknown
}

/** A message of the session-based era. `none` is a GET or DELETE. */
export interface LegacyRoute {
  readonly kind: 'legacy'
  readonly message: 'none' | 'request' | 'notification' | 'response' | 'batch'
  readonly method: string | null
}

export interface ModernRequestRoute {
  readonly kind: 'modern'
  readonly message: 'request'
  readonly method: string
  readonly params: JsonObject
  readonly envelope: Envelope
}

export interface ModernNotificationRoute {
  readonly kind: 'modern'
  readonly message: 'notification'
}

export type Route = LegacyRoute | ModernRequestRoute | ModernNotificationRoute

/** A refusal; `code` names a row of the error catalogue. */
export interface Rejection {
  readonly kind: 'rejection'
  readonly code: 'INVALID_REQUEST' | 'INVALID_PARAMS' | 'HEADER_MISMATCH' | 'UNSUPPORTED_VERSION'
  readonly message: string
  /** Members of the JSON-RPC error's `data` that the specification asks for. */
  readonly data?: JsonObject
}

/** Classifies one HTTP message. */
export function classify(inbound: InboundMessage): Route | Rejection {
  if (inbound.httpMethod !== 'POST')
    return legacyRoute(inbound.headers.get('mcp-protocol-version'), 'none', null)
  const body = inbound.body
  if (Array.isArray(body)) return classifyBatch(inbound, body)
  if (!isObject(body) || body.jsonrpc !== '2.0')
    return invalidRequest('The body is not a JSON-RPC 2.0 message')
  const method = body.method
  if (method === undefined) return classifyResponse(inbound, body)
  const problem = requestShapeProblem(body)
  if (problem !== null || typeof method !== 'string') {
    return invalidRequest(problem ?? 'method must be a string')
  }
  const params = body.params
  const meta = isObject(params) ? params._meta : undefined
  const claim = isObject(meta) && metaKeys.protocolVersion in meta ? meta : null
  if (!('id' in body)) return classifyNotification(inbound, method, claim)
  return classifyRequest(inbound, body, method, claim)
}

/** Whether the version header names a stateless revision, spoken or not. */
export function claimsModern(headers: HeaderReader): boolean {
  const version = headers.get('mcp-protocol-version')
  return version !== null && claimedEra(version) === 'modern'
}

function classifyRequest(
  inbound: InboundMessage,
  body: JsonObject,
  method: string,
  claim: JsonObject | null,
): Route | Rejection {
  const initialize = method === 'initialize' && (claim === null || !isValidModernClaim(claim))
  if (claim === null || initialize) {
    const header = inbound.headers.get('mcp-protocol-version')
    if (header === null || claimedEra(header) === 'legacy') return legacyRoute(header, 'request', method)
    if (initialize) {
      return reject(
        'HEADER_MISMATCH',
        `initialize belongs to the session-based revisions, but MCP-Protocol-Version is ${quote(header)}`,
      )
    }
    // The name of a revision that nobody speaks helps more than what its envelope may lack.
    if (!eraOfVersion.has(header)) return unsupportedVersion(header, 'legacy')
    return reject(
      'INVALID_PARAMS',
      `MCP-Protocol-Version is ${quote(header)}, but the request lacks _meta["${metaKeys.protocolVersion}"]`,
    )
  }
  const version = claim[metaKeys.protocolVersion]
  if (typeof version !== 'string')
    return reject('INVALID_PARAMS', `_meta["${metaKeys.protocolVersion}"] must be a string`)
  // The envelope of a revision that is not spoken cannot be judged.
  const spoken = eraOfVersion.get(version) === 'modern'
  const envelope = spoken ? readEnvelope(claim, version) : null
  if (typeof envelope === 'string') return reject('INVALID_PARAMS', envelope)
  const params = body.params
  if (!isObject(params)) return invalidRequest('params must be an object')
  const mismatch = checkMirroredHeaders(inbound.headers, { method, params, version })
  if (mismatch !== null && (spoken || mismatch.contradiction))
    return reject('HEADER_MISMATCH', mismatch.message)
  if (envelope === null) return unsupportedVersion(version, 'modern')
  return { kind: 'modern', message: 'request', method, params, envelope }
}

function classifyNotification(
  inbound: InboundMessage,
  method: string,
  claim: JsonObject | null,
): Route | Rejection {
  const header = inbound.headers.get('mcp-protocol-version')
  const claimed = claim === null ? header : claim[metaKeys.protocolVersion]
  if (claim === null && (header === null || claimedEra(header) === 'legacy')) {
    return legacyRoute(header, 'notification', method)
  }
  if (typeof claimed !== 'string')
    return reject('INVALID_PARAMS', `_meta["${metaKeys.protocolVersion}"] must be a string`)
  if (header !== null && header !== claimed) {
    return reject(
      'HEADER_MISMATCH',
      `MCP-Protocol-Version is ${quote(header)}, but the body says ${quote(claimed)}`,
    )
  }
  const methodHeader = inbound.headers.get('mcp-method')
  if (methodHeader !== null && methodHeader !== method) {
    return reject(
      'HEADER_MISMATCH',
      `Mcp-Method is ${quote(methodHeader)}, but the body says ${quote(method)}`,
    )
  }
  if (eraOfVersion.get(claimed) !== 'modern') return unsupportedVersion(claimed, 'modern')
  return { kind: 'modern', message: 'notification' }
}

/** Posted responses are answers to server requests, which only the session-based era has. */
function classifyResponse(inbound: InboundMessage, body: JsonObject): Route | Rejection {
  if (!isResponse(body)) return invalidRequest('The body is neither a request, a notification nor a response')
  return legacyRoute(inbound.headers.get('mcp-protocol-version'), 'response', null)
}

/** Batches exist in 2025-03-26 only, so one modern element makes the whole array unservable. */
function classifyBatch(inbound: InboundMessage, batch: readonly unknown[]): Route | Rejection {
  if (batch.length === 0) return invalidRequest('The batch is empty')
  for (const element of batch) {
    if (!isObject(element) || element.jsonrpc !== '2.0')
      return invalidRequest('The batch holds an invalid message')
    if (element.method === undefined ? !isResponse(element) : requestShapeProblem(element) !== null) {
      return invalidRequest('The batch holds an invalid message')
    }
    const params = element.params
    const meta = isObject(params) ? params._meta : undefined
    if (isObject(meta) && metaKeys.protocolVersion in meta) {
      return invalidRequest('A request of revision 2026-07-28 or later cannot stand in a batch')
    }
  }
  return legacyRoute(inbound.headers.get('mcp-protocol-version'), 'batch', null)
}

/** A legacy version header that names an unknown revision is refused (2025-06-18, Protocol Version Header). */
function legacyRoute(
  header: string | null,
  message: LegacyRoute['message'],
  method: string | null,
): LegacyRoute | Rejection {
  // initialize negotiates in its body, and GET and DELETE of a later revision are told 405 by their era.
  const known = header === null || method === 'initialize' || message === 'none' || eraOfVersion.has(header)
  if (!known) return unsupportedVersion(header, 'legacy')
  return { kind: 'legacy', message, method }
}

/** Null when a message with a `method` is well formed; else what is wrong with it. */
function requestShapeProblem(message: JsonObject): string | null {
  if (typeof message.method !== 'string') return 'method must be a string'
  if ('id' in message && !isRequestId(message.id)) return 'id must be a string or an integer'
  // One text that two readers could take for a request and for a response is how messages are smuggled.
  if ('result' in message || 'error' in message) return 'A request has neither result nor error'
  const params = message.params
  if (params !== undefined && params !== null && !isObject(params)) return 'params must be an object'
  return null
}

function isResponse(message: JsonObject): boolean {
  const error = message.error
  if ('result' in message) return error === undefined && isRequestId(message.id)
  return isObject(error) && (isRequestId(message.id) || message.id === undefined || message.id === null)
}

function isValidModernClaim(claim: JsonObject): boolean {
  const version = claim[metaKeys.protocolVersion]
  if (typeof version !== 'string' || claimedEra(version) !== 'modern') return false
  return typeof readEnvelope(claim, version) !== 'string'
}

function reject(code: Rejection['code'], message: string, data?: JsonObject): Rejection {
  return { kind: 'rejection', code, message, ...(data && { data }) }
}

function invalidRequest(message: string): Rejection {
  return reject('INVALID_REQUEST', message)
}

function unsupportedVersion(requested: string, era: Era): Rejection {
  const supported = era === 'modern' ? [...modernVersions] : [...eraOfVersion.keys()]
  const message = `${quote(requested)} is not spoken here; this gateway speaks ${supported.join(', ')}`
  return reject('UNSUPPORTED_VERSION', message, { supported, requested })
}
