import { describe, expect, test } from 'bun:test'
import { classifyInboundRequest } from '@modelcontextprotocol/server'
import fc from 'fast-check'
import { catalogue } from '../../src/errors.ts'
import { classify } from '../../src/protocol/classify.ts'
import { metaKeys } from '../../src/protocol/eras.ts'

const MODERN = '2026-07-28'
const envelope = { [metaKeys.protocolVersion]: MODERN, [metaKeys.clientCapabilities]: {} }

function request(method: string, params?: unknown, id: unknown = 1): unknown {
  return { jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) }
}
function modern(
  method: string,
  params: Record<string, unknown> = {},
  meta: Record<string, unknown> = {},
): unknown {
  return request(method, { ...params, _meta: { ...envelope, ...meta } })
}
const listHeaders = { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/list' }
const callHeaders = { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call', 'mcp-name': 'echo' }

function run(body: unknown, headers: Record<string, string> = {}, httpMethod = 'POST'): string {
  const verdict = classify({ httpMethod, headers: { get: (name) => headers[name] ?? null }, body })
  if (verdict.kind !== 'rejection') return `${verdict.kind} ${verdict.message}`
  return verdict.code
}

const rows: { body: unknown; headers?: Record<string, string>; method?: string; is: string; why: string }[] =
  [
    // Legacy
    { method: 'GET', body: undefined, is: 'legacy none', why: 'GET opens the stream of a session' },
    { method: 'DELETE', body: undefined, is: 'legacy none', why: 'DELETE ends a session' },
    {
      method: 'GET',
      body: undefined,
      headers: { 'mcp-protocol-version': MODERN },
      is: 'legacy none',
      why: 'the modern era has no GET to confuse it with',
    },
    {
      body: request('initialize', { protocolVersion: '2025-11-25' }),
      is: 'legacy request',
      why: 'the handshake is legacy by definition',
    },
    {
      body: request('initialize', { protocolVersion: '2099-01-01' }),
      is: 'legacy request',
      why: 'negotiation answers an unknown version, it never refuses one',
    },
    { body: request('initialize'), is: 'legacy request', why: 'a poor handshake is the upstream’s to judge' },
    {
      body: request('initialize', {}),
      headers: { 'mcp-protocol-version': 'nonsense-1' },
      is: 'HEADER_MISMATCH',
      why: 'a header that sorts after 2026-07-28 claims the stateless era',
    },
    {
      body: request('initialize', {}),
      headers: { 'mcp-protocol-version': '1999-01-01' },
      is: 'legacy request',
      why: 'initialize negotiates in its body, not in the header',
    },
    {
      body: request('initialize', {}),
      headers: { 'mcp-protocol-version': MODERN },
      is: 'HEADER_MISMATCH',
      why: 'a handshake under a modern header contradicts itself',
    },
    {
      body: request('initialize', { _meta: { [metaKeys.protocolVersion]: MODERN } }),
      is: 'legacy request',
      why: 'a broken claim does not turn the handshake modern',
    },
    {
      body: request('initialize', {
        _meta: { [metaKeys.protocolVersion]: '2025-11-25', [metaKeys.clientCapabilities]: {} },
      }),
      is: 'legacy request',
      why: 'a claim of a legacy version does not either',
    },
    { body: request('tools/list'), is: 'legacy request', why: 'no claim, no header: legacy' },
    { body: request('tools/list', null), is: 'legacy request', why: 'some clients send params: null' },
    {
      body: request('tools/list', { _meta: { progressToken: 1 } }),
      is: 'legacy request',
      why: 'a progress token is no claim',
    },
    {
      body: request('tools/list', {
        _meta: { [metaKeys.clientInfo]: {}, [metaKeys.clientCapabilities]: {} },
      }),
      is: 'legacy request',
      why: 'only the version key claims the envelope',
    },
    {
      body: request('tools/list', { _meta: 'x' }),
      is: 'legacy request',
      why: 'a _meta that is no object claims nothing',
    },
    {
      body: request('tools/list'),
      headers: { 'mcp-protocol-version': '2025-06-18' },
      is: 'legacy request',
      why: 'a spoken legacy version',
    },
    {
      body: request('tools/list'),
      headers: { 'mcp-protocol-version': '2025-06-18', 'mcp-method': 'other' },
      is: 'legacy request',
      why: 'Mcp-* mean nothing to a legacy message',
    },
    {
      body: request('tools/list'),
      headers: { 'mcp-protocol-version': '1999-01-01' },
      is: 'UNSUPPORTED_VERSION',
      why: '2025-06-18: an unknown version header is 400',
    },
    {
      body: request('tools/list'),
      headers: { 'mcp-protocol-version': '2025-06-18, 2025-06-18' },
      is: 'UNSUPPORTED_VERSION',
      why: 'a doubled header is no version',
    },
    {
      body: request('tools/list'),
      headers: { 'mcp-protocol-version': '2099-01-01' },
      is: 'UNSUPPORTED_VERSION',
      why: 'an invented version says more than the envelope that is missing',
    },
    {
      body: request('tools/list', {}, 2 ** 60),
      is: 'legacy request',
      why: 'an id beyond 2^53 is an integer all the same',
    },
    { body: request('x/unknown', { a: 1 }), is: 'legacy request', why: 'unknown methods are relayed' },
    {
      body: { jsonrpc: '2.0', id: 1, method: 'ping', extra: true },
      is: 'legacy request',
      why: 'unknown members are relayed',
    },
    {
      body: { jsonrpc: '2.0', method: 'notifications/initialized' },
      is: 'legacy notification',
      why: 'no claim, no header',
    },
    {
      body: { jsonrpc: '2.0', method: 'x' },
      headers: { 'mcp-protocol-version': '2025-11-25' },
      is: 'legacy notification',
      why: 'a notification follows its header',
    },
    {
      body: { jsonrpc: '2.0', method: 'x' },
      headers: { 'mcp-protocol-version': '1999-01-01' },
      is: 'UNSUPPORTED_VERSION',
      why: 'also for notifications',
    },
    {
      body: { jsonrpc: '2.0', id: 1, result: {} },
      is: 'legacy response',
      why: 'an answer to a server request',
    },
    {
      body: { jsonrpc: '2.0', id: 1, result: {} },
      headers: { 'mcp-protocol-version': MODERN },
      is: 'legacy response',
      why: 'the modern era has no posted responses to confuse it with',
    },
    {
      body: { jsonrpc: '2.0', id: 'a', error: { code: 1, message: 'm' } },
      is: 'legacy response',
      why: 'a refusal of a server request',
    },
    {
      body: { jsonrpc: '2.0', error: { code: 1, message: 'm' } },
      is: 'legacy response',
      why: 'an error without an id is legal, and nobody’s',
    },
    {
      body: [request('ping'), { jsonrpc: '2.0', id: 2, result: {} }],
      is: 'legacy batch',
      why: '2025-03-26 has batches',
    },
    // Modern
    {
      body: modern('tools/list'),
      headers: listHeaders,
      is: 'modern request',
      why: 'claim and headers agree',
    },
    {
      body: modern('tools/call', { name: 'echo' }),
      headers: callHeaders,
      is: 'modern request',
      why: 'Mcp-Name equals params.name',
    },
    {
      body: modern('tools/call', { name: 'écho' }),
      headers: { ...callHeaders, 'mcp-name': '=?base64?w6ljaG8=?=' },
      is: 'modern request',
      why: 'an unsafe name is encoded',
    },
    {
      body: modern('resources/read', { uri: 'file:///a b' }),
      headers: { ...callHeaders, 'mcp-method': 'resources/read', 'mcp-name': 'file:///a b' },
      is: 'modern request',
      why: 'resources are named by uri',
    },
    {
      body: modern('tools/call', {}),
      headers: { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call' },
      is: 'modern request',
      why: 'a missing name is the upstream’s to refuse',
    },
    {
      body: modern('tools/list'),
      headers: { ...listHeaders, 'mcp-name': 'whatever' },
      is: 'modern request',
      why: 'Mcp-Name mirrors nothing for this method',
    },
    {
      body: modern('constructor'),
      headers: { ...listHeaders, 'mcp-method': 'constructor' },
      is: 'modern request',
      why: 'a method called like a prototype member is only unknown',
    },
    {
      body: modern('initialize'),
      headers: { ...listHeaders, 'mcp-method': 'initialize' },
      is: 'modern request',
      why: 'a valid claim outranks the method; the era then lacks it',
    },
    {
      body: modern(
        'tools/list',
        {},
        { [metaKeys.logLevel]: 'debug', [metaKeys.clientInfo]: { name: 'a', version: '1' } },
      ),
      headers: listHeaders,
      is: 'modern request',
      why: 'a full envelope',
    },
    {
      body: { jsonrpc: '2.0', method: 'x' },
      headers: { 'mcp-protocol-version': MODERN },
      is: 'modern notification',
      why: 'an unclaimed notification follows its header',
    },
    {
      body: { jsonrpc: '2.0', method: 'x', params: { _meta: envelope } },
      is: 'modern notification',
      why: 'header rules for notifications are not defined by this revision',
    },
    // Refused: envelope
    {
      body: request('tools/list', {}),
      headers: listHeaders,
      is: 'INVALID_PARAMS',
      why: 'a modern header without the claim',
    },
    {
      body: request('tools/list', { _meta: { [metaKeys.clientCapabilities]: {} } }),
      headers: listHeaders,
      is: 'INVALID_PARAMS',
      why: 'the claim itself is missing',
    },
    {
      body: modern('tools/list', {}, { [metaKeys.protocolVersion]: 7 }),
      headers: listHeaders,
      is: 'INVALID_PARAMS',
      why: 'the claim is no string',
    },
    {
      body: request('tools/list', { _meta: { [metaKeys.protocolVersion]: MODERN } }),
      headers: listHeaders,
      is: 'INVALID_PARAMS',
      why: 'capabilities are required',
    },
    {
      body: modern('tools/list', {}, { [metaKeys.clientCapabilities]: [] }),
      headers: listHeaders,
      is: 'INVALID_PARAMS',
      why: 'capabilities are an object',
    },
    {
      body: modern('tools/list', {}, { [metaKeys.clientCapabilities]: { roots: true } }),
      headers: listHeaders,
      is: 'INVALID_PARAMS',
      why: 'each capability is an object',
    },
    {
      body: modern('tools/list', {}, { [metaKeys.clientInfo]: { name: 'a' } }),
      headers: listHeaders,
      is: 'INVALID_PARAMS',
      why: 'client info has a version',
    },
    {
      body: modern('tools/list', {}, { [metaKeys.logLevel]: 'loud' }),
      headers: listHeaders,
      is: 'INVALID_PARAMS',
      why: 'not a log level',
    },
    {
      body: modern('tools/list', {}, { progressToken: {} }),
      headers: listHeaders,
      is: 'INVALID_PARAMS',
      why: 'a progress token is a string or an integer',
    },
    {
      body: { jsonrpc: '2.0', method: 'x', params: { _meta: { [metaKeys.protocolVersion]: 1 } } },
      is: 'INVALID_PARAMS',
      why: 'a notification’s broken claim is not ignored',
    },
    // Refused: headers
    {
      body: modern('tools/list'),
      headers: { 'mcp-method': 'tools/list' },
      is: 'HEADER_MISMATCH',
      why: 'the version header is required',
    },
    {
      body: modern('tools/list'),
      headers: { 'mcp-protocol-version': MODERN },
      is: 'HEADER_MISMATCH',
      why: 'Mcp-Method is required',
    },
    {
      body: modern('tools/list'),
      headers: { ...listHeaders, 'mcp-protocol-version': '2025-11-25' },
      is: 'HEADER_MISMATCH',
      why: 'header and body name different versions',
    },
    {
      body: modern('tools/list'),
      headers: { ...listHeaders, 'mcp-protocol-version': `${MODERN}, ${MODERN}` },
      is: 'HEADER_MISMATCH',
      why: 'a doubled version header',
    },
    {
      body: modern('tools/list'),
      headers: { ...listHeaders, 'mcp-method': 'prompts/list' },
      is: 'HEADER_MISMATCH',
      why: 'header and body name different methods',
    },
    {
      body: modern('tools/list'),
      headers: { ...listHeaders, 'mcp-method': 'TOOLS/LIST' },
      is: 'HEADER_MISMATCH',
      why: 'values are case-sensitive',
    },
    {
      body: modern('tools/list'),
      headers: { ...listHeaders, 'mcp-method': 'tools/list, tools/list' },
      is: 'HEADER_MISMATCH',
      why: 'a doubled method header',
    },
    {
      body: modern('tools/call', { name: 'echo' }),
      headers: { ...callHeaders, 'mcp-name': 'other' },
      is: 'HEADER_MISMATCH',
      why: 'the header names another tool',
    },
    {
      body: modern('tools/call', { name: 'echo' }),
      headers: { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call' },
      is: 'HEADER_MISMATCH',
      why: 'Mcp-Name is required',
    },
    {
      body: modern('tools/call', {}),
      headers: callHeaders,
      is: 'HEADER_MISMATCH',
      why: 'the header names a tool that the body does not',
    },
    {
      body: modern('tools/call', { name: 'echo' }),
      headers: { ...callHeaders, 'mcp-name': '=?base64?ZWNobw?=' },
      is: 'HEADER_MISMATCH',
      why: 'padding is required',
    },
    {
      body: modern('tools/call', { name: 'écho' }),
      headers: { ...callHeaders, 'mcp-name': 'écho' },
      is: 'HEADER_MISMATCH',
      why: 'raw Latin-1 in a header is no valid character',
    },
    {
      body: { jsonrpc: '2.0', method: 'x', params: { _meta: envelope } },
      headers: { 'mcp-method': 'y' },
      is: 'HEADER_MISMATCH',
      why: 'a notification’s method header lies',
    },
    {
      body: { jsonrpc: '2.0', method: 'x', params: { _meta: envelope } },
      headers: { 'mcp-protocol-version': '2025-11-25' },
      is: 'HEADER_MISMATCH',
      why: 'a notification’s version header lies',
    },
    // Refused: version
    {
      body: modern('tools/list', {}, { [metaKeys.protocolVersion]: '2099-01-01' }),
      headers: { ...listHeaders, 'mcp-protocol-version': '2099-01-01' },
      is: 'UNSUPPORTED_VERSION',
      why: 'a later revision',
    },
    {
      body: request('tools/list', { _meta: { [metaKeys.protocolVersion]: '2099-01-01' } }),
      headers: { 'mcp-protocol-version': '2099-01-01' },
      is: 'UNSUPPORTED_VERSION',
      why: 'the envelope and the required headers of an unknown revision cannot be judged',
    },
    {
      body: modern('tools/list', {}, { [metaKeys.protocolVersion]: '2099-01-01' }),
      headers: listHeaders,
      is: 'HEADER_MISMATCH',
      why: 'a contradiction outranks an unknown version',
    },
    {
      body: modern('tools/list', {}, { [metaKeys.protocolVersion]: '2025-11-25' }),
      headers: { ...listHeaders, 'mcp-protocol-version': '2025-11-25' },
      is: 'UNSUPPORTED_VERSION',
      why: 'the envelope does not exist in a legacy version',
    },
    {
      body: { jsonrpc: '2.0', method: 'x' },
      headers: { 'mcp-protocol-version': '2099-01-01' },
      is: 'UNSUPPORTED_VERSION',
      why: 'a notification of a later revision',
    },
    // Refused: shape
    { body: undefined, is: 'INVALID_REQUEST', why: 'a POST needs a body' },
    { body: 'x', is: 'INVALID_REQUEST', why: 'no object' },
    { body: {}, is: 'INVALID_REQUEST', why: 'no JSON-RPC' },
    { body: { id: 1, method: 'ping' }, is: 'INVALID_REQUEST', why: 'jsonrpc is required' },
    {
      body: { jsonrpc: '2.0', id: null, method: 'ping' },
      is: 'INVALID_REQUEST',
      why: 'MCP forbids a null id',
    },
    {
      body: { jsonrpc: '2.0', id: 1.5, method: 'ping' },
      is: 'INVALID_REQUEST',
      why: 'ids are strings or integers',
    },
    { body: { jsonrpc: '2.0', id: 1, method: 7 }, is: 'INVALID_REQUEST', why: 'the id could be read' },
    {
      body: { jsonrpc: '2.0', id: 1, method: 'ping', params: [] },
      is: 'INVALID_REQUEST',
      why: 'MCP parameters are named',
    },
    {
      body: { jsonrpc: '2.0', id: 1, method: 'ping', result: {} },
      is: 'INVALID_REQUEST',
      why: 'a request that is also a response',
    },
    {
      body: { jsonrpc: '2.0', id: 1, result: {}, error: { code: 1, message: 'm' } },
      is: 'INVALID_REQUEST',
      why: 'a result that is also an error',
    },
    { body: { jsonrpc: '2.0', result: {} }, is: 'INVALID_REQUEST', why: 'a result for nobody' },
    { body: [], is: 'INVALID_REQUEST', why: 'an empty batch' },
    { body: [request('ping'), 7], is: 'INVALID_REQUEST', why: 'a batch with something else in it' },
    {
      body: [request('ping'), modern('tools/list')],
      is: 'INVALID_REQUEST',
      why: 'modern requests stand alone',
    },
  ]

describe('classify', () => {
  for (const row of rows) {
    const shown = JSON.stringify(row.body)?.slice(0, 60)
    test(`${row.is}: ${row.why} (${shown})`, () => {
      expect(run(row.body, row.headers, row.method)).toBe(row.is)
    })
  }

  test('a rejection of a version names what is supported', () => {
    const verdict = classify({
      httpMethod: 'POST',
      headers: new Headers({ ...listHeaders, 'mcp-protocol-version': '1900-01-01' }),
      body: modern('tools/list', {}, { [metaKeys.protocolVersion]: '1900-01-01' }),
    })
    if (verdict.kind !== 'rejection') throw new Error('expected a rejection')
    expect(verdict.data).toEqual({ supported: [MODERN], requested: '1900-01-01' })
  })

  test('an invented version is named with all that are spoken, where the body does not say which era it is of', () => {
    const verdict = classify({
      httpMethod: 'POST',
      headers: new Headers({ 'mcp-protocol-version': '2099-01-01' }),
      body: request('tools/list'),
    })
    if (verdict.kind !== 'rejection') throw new Error('expected a rejection')
    expect(verdict.message).toContain('"2099-01-01" is not spoken here')
    expect(verdict.data).toEqual({
      supported: expect.arrayContaining(['2024-11-05', '2025-11-25', MODERN]),
      requested: '2099-01-01',
    })
  })

  test('never throws, whatever JSON it is given', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), fc.string(), (body, version, method) => {
        const headers: Record<string, string> = { 'mcp-protocol-version': version, 'mcp-method': method }
        run(body, headers)
        run(body)
      }),
    )
  })
})

/**
 * The SDK's own classifier as the oracle. Where the two may differ, and why:
 * - it answers with the raw JSON-RPC shape of zod (unknown members, large ids, null params refused): we relay those;
 * - it checks missing headers, Mcp-Name and the spoken versions in later steps: we do it at once;
 * - it lets a legacy version inside the envelope, or an unknown version header, pass on: we answer 400.
 */
describe('classify against the SDK', () => {
  const version = fc.constantFrom(MODERN, '2025-11-25', '2025-06-18', '2099-01-01', '2024-11-05')
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
  const method = fc.constantFrom('initialize', 'tools/list', 'tools/call', 'ping', 'x/y')
  const meta = fc.record(
    {
      [metaKeys.protocolVersion]: fc.oneof(version, fc.constantFrom(1, null)),
      [metaKeys.clientCapabilities]: fc.constantFrom({}, { roots: {} }, null, []),
      [metaKeys.clientInfo]: fc.constantFrom({ name: 'a', version: '1' }, { name: 'a' }, 7),
      [metaKeys.logLevel]: fc.constantFrom('info', 'loud'),
      progressToken: fc.constantFrom(1, 'a'),
    },
    { requiredKeys: [] },
  )
  const params = fc.record(
    { _meta: meta, name: fc.constant('echo'), protocolVersion: version },
    { requiredKeys: [] },
  )
  const response = fc.record(
    {
      jsonrpc: fc.constantFrom('2.0', '1.0'),
      id: fc.constantFrom<unknown>(1, 'a', null),
      result: fc.constant({}),
    },
    { requiredKeys: ['jsonrpc'] },
  )
  const requestLike = fc.record(
    {
      jsonrpc: fc.constantFrom('2.0', '2.0', '2.0', '1.0'),
      id: fc.constantFrom<unknown>(1, 'a', null, 1.5),
      method,
      params: fc.oneof({ weight: 5, arbitrary: params }, { weight: 1, arbitrary: fc.constant<unknown>([]) }),
      result: fc.constant({}),
    },
    { requiredKeys: ['jsonrpc', 'method'] },
  )
  const message = fc.oneof({ weight: 6, arbitrary: requestLike }, { weight: 1, arbitrary: response })
  const body = fc.oneof(
    { weight: 8, arbitrary: message },
    { weight: 1, arbitrary: fc.array(message, { maxLength: 2 }) },
  )

  test('agrees on the era, or refuses where the SDK refuses a step later', () => {
    fc.assert(
      fc.property(body, maybe(version), maybe(method), (json, versionHeader, methodHeader) => {
        const headers: Record<string, string> = {
          ...(versionHeader && { 'mcp-protocol-version': versionHeader }),
          ...(methodHeader && { 'mcp-method': methodHeader }),
          ...(methodHeader === 'tools/call' && { 'mcp-name': 'echo' }),
        }
        const oracle = classifyInboundRequest({
          httpMethod: 'POST',
          body: json,
          ...(versionHeader && { protocolVersionHeader: versionHeader }),
          ...(methodHeader && { mcpMethodHeader: methodHeader }),
        })
        const ours = classify({
          httpMethod: 'POST',
          headers: { get: (name) => headers[name] ?? null },
          body: json,
        })
        const verdict = ours.kind === 'rejection' ? ours.code : ours.kind
        if (oracle.kind === 'legacy') {
          expect(['legacy', 'UNSUPPORTED_VERSION']).toContain(verdict)
          if (verdict === 'UNSUPPORTED_VERSION') expect(versionHeader).toBeDefined()
        } else if (oracle.kind === 'modern') {
          expect(['modern', 'UNSUPPORTED_VERSION', 'HEADER_MISMATCH']).toContain(verdict)
          const spoken = oracle.classification.revision === MODERN
          const complete = oracle.messageKind === 'notification' || (versionHeader && methodHeader)
          if (spoken && complete) expect(['modern', 'HEADER_MISMATCH']).toContain(verdict)
          if (verdict === 'modern') expect(oracle.classification.revision).toBe(MODERN)
        } else if (ours.kind === 'rejection') {
          // A doubly wrong message may fail an earlier step of ours; the status is the same.
          expect(oracle.httpStatus).toBe(catalogue[ours.code].status)
        } else {
          expect.unreachable(`the SDK refuses (${oracle.cell}) what classify lets pass`)
        }
      }),
      { numRuns: 5000 },
    )
  })
})
