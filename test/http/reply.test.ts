import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../src/errors.ts'
import { attachContext, contextOf, type RequestContext } from '../../src/http/context.ts'
import {
  replyEmpty,
  replyError,
  replyErrorIn,
  replyJson,
  replyRpcError,
  replyRpcFailure,
  replyRpcText,
  replyText,
} from '../../src/http/reply.ts'

const error = new GatewayError('SERVER_STARTING', 'Try again "soon".', 2.2)

describe('a reply', () => {
  test('in the plain form has title, details and code', async () => {
    const reply = replyError(error)
    expect(reply.status).toBe(503)
    expect(reply.headers.get('retry-after')).toBe('3')
    expect(await reply.json()).toEqual({
      error: 'Server is starting',
      details: 'Try again "soon".',
      code: 'SERVER_STARTING',
    })
  })

  test.each([
    { id: '7', text: ',"id":7', why: 'a number' },
    { id: '"a\\"b"', text: ',"id":"a\\"b"', why: 'a string, as it was written' },
    { id: '12345678901234567890', text: ',"id":12345678901234567890', why: 'a number beyond 2^53' },
    { id: null, text: ',"id":null', why: 'null' },
    { id: undefined, text: '', why: 'none' },
  ])('in the JSON-RPC form gives back the id: $why', async ({ id, text }) => {
    const body = await replyRpcError(error, id).text()
    expect(JSON.parse(body)).toMatchObject({
      jsonrpc: '2.0',
      error: { code: -31503, data: { code: 'SERVER_STARTING' } },
    })
    if (text !== '') expect(body).toContain(text)
    else expect(body).not.toContain('"id"')
  })

  const claiming = (version?: string) => ({
    headers: new Headers(version === undefined ? {} : { 'mcp-protocol-version': version }),
  })

  test('without a body to answer takes the form of the area', async () => {
    for (const area of ['admin', 'unknown', 'health'] as const)
      expect(await replyErrorIn(area, claiming(), error).json()).toHaveProperty('details')
    expect(await replyErrorIn('mcp', claiming(), error).json()).toHaveProperty('jsonrpc')
  })

  test.each([
    { version: undefined, id: null, why: 'no era is claimed' },
    { version: '2025-11-25', id: null, why: 'JSON-RPC has null for an id that could not be read' },
    { version: '1999-01-01', id: null, why: 'that is older than the stateless revisions' },
    { version: '2026-07-28', id: undefined, why: 'null is no id of this revision' },
    { version: '2099-01-01', id: undefined, why: 'nor of later ones' },
  ])('to an id that nobody could read is $id with version $version: $why', async ({ version, id }) => {
    const body = (await replyErrorIn('mcp', claiming(version), error).json()) as { id?: unknown }
    expect(body.id).toBe(id)
  })

  test.each([
    {
      code: 'UPSTREAM_CLOSED',
      seconds: undefined,
      status: 200,
      retryAfterMs: undefined,
      why: 'it was accepted',
    },
    { code: 'IN_FLIGHT_EXHAUSTED', seconds: 1.5, status: 200, retryAfterMs: 1500, why: 'to the millisecond' },
    {
      code: 'SERVER_UNAVAILABLE',
      seconds: undefined,
      status: 200,
      retryAfterMs: 1000,
      why: 'as Retry-After does',
    },
    {
      code: 'INTERNAL',
      seconds: undefined,
      status: 200,
      retryAfterMs: undefined,
      why: 'also a fault of our own',
    },
    {
      code: 'HEADER_MISMATCH',
      seconds: undefined,
      status: 400,
      retryAfterMs: undefined,
      why: '2026-07-28 asks for it',
    },
    {
      code: 'METHOD_NOT_FOUND',
      seconds: undefined,
      status: 404,
      retryAfterMs: undefined,
      why: '2026-07-28 too',
    },
  ] as const)('of an accepted request that ends in $code is $status: $why', async (row) => {
    const reply = replyRpcFailure(new GatewayError(row.code, 'x', row.seconds), '7')
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([row.status, null])
    const { id, error: told } = (await reply.json()) as { id: unknown; error: { data: object } }
    expect({ id, data: told.data }).toEqual({
      id: 7,
      data: { code: row.code, ...(row.retryAfterMs !== undefined && { retryAfterMs: row.retryAfterMs }) },
    })
  })

  test('that asks for credentials says which', () => {
    expect(replyError(new GatewayError('UNAUTHENTICATED', 'x')).headers.get('www-authenticate')).toBe(
      'Bearer',
    )
  })

  test('that is busy always says when to come back', () => {
    expect(replyError(new GatewayError('DRAINING', 'x')).headers.get('retry-after')).toBe('1')
    expect(replyError(new GatewayError('NOT_FOUND', 'x')).headers.get('retry-after')).toBeNull()
  })

  test('sends a ready text byte for byte', async () => {
    const text = '{"jsonrpc":"2.0","id":1,"result":{"n":12345678901234567890}}'
    const reply = replyRpcText(text, { 'mcp-session-id': 'abc' })
    expect(await reply.text()).toBe(text)
    expect(reply.headers.get('mcp-session-id')).toBe('abc')
  })

  test('does not pass its own headers on to the next one', () => {
    replyRpcText('{}', { 'mcp-session-id': 'abc' })
    replyJson(200, {}, { 'x-extra': '1' })
    replyText(200, '', 'text/plain')
    expect(replyRpcText('{}').headers.get('mcp-session-id')).toBeNull()
    expect(replyJson(200, {}).headers.get('x-extra')).toBeNull()
    expect(replyJson(200, {}).headers.get('content-type')).toBe('application/json')
  })

  test('204 has no body', async () => {
    const reply = replyEmpty(204)
    expect(reply.status).toBe(204)
    expect(await reply.text()).toBe('')
  })
})

describe('the context of a request', () => {
  test('is the one that the hooks tied to it', () => {
    const request = new Request('http://localhost/')
    const context = { requestId: 'r' } as RequestContext
    attachContext(request, context)
    expect(contextOf(request)).toBe(context)
  })

  test('of a request that no hook saw is an error, not a default', () => {
    expect(() => contextOf(new Request('http://localhost/'))).toThrow('not admitted')
  })
})
