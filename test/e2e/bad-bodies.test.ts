/** What is no message, or none for anybody here, gets the answer of the contract, and nobody suffers. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { gatewayForms } from '../support/gateway.ts'
import type { RawClient, RpcMessage } from '../support/raw-client.ts'
import { type RawFixture, startRawFixture } from '../support/raw-fixture.ts'

const MIB = 1024 * 1024

interface Bad {
  why: string
  body: string
  contentType?: string
  path?: string
  status: number
  code: number
  id?: unknown
}

const ping = '{"jsonrpc":"2.0","id":7,"method":"ping"}'

const bad: readonly Bad[] = [
  { why: 'broken JSON', body: '{"jsonrpc":"2.0","id":1,', status: 400, code: -32700 },
  { why: 'an empty body', body: '', status: 400, code: -32700 },
  { why: 'a string', body: '"hello"', status: 400, code: -32600 },
  { why: 'null', body: 'null', status: 400, code: -32600 },
  { why: 'an object that is no message', body: '{"hello":1}', status: 400, code: -32600 },
  {
    why: 'the wrong version of JSON-RPC',
    body: '{"jsonrpc":"1.0","id":7,"method":"ping"}',
    status: 400,
    code: -32600,
  },
  {
    why: 'a method that is no string',
    body: '{"jsonrpc":"2.0","id":7,"method":5}',
    status: 400,
    code: -32600,
    id: 7,
  },
  {
    why: 'an id that is an object',
    body: '{"jsonrpc":"2.0","id":{},"method":"ping"}',
    status: 400,
    code: -32600,
  },
  { why: 'a batch', body: `[${ping}]`, status: 400, code: -32600 },
  { why: 'an empty batch', body: '[]', status: 400, code: -32600 },
  { why: 'text instead of JSON', body: ping, contentType: 'text/plain', status: 415, code: -32600 },
  { why: 'a form', body: 'a=b', contentType: 'application/x-www-form-urlencoded', status: 415, code: -32600 },
  {
    why: 'an unknown server',
    body: ping,
    path: '/mcp-proxy/nobody/stream',
    status: 404,
    code: -31404,
    id: 7,
  },
  {
    why: '5 MiB where 4 are allowed',
    body: JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'ping', params: { x: 'x'.repeat(5 * MIB) } }),
    status: 413,
    code: -32600,
  },
]

describe.each(gatewayForms)('bad bodies (%s)', (via) => {
  let fixture: RawFixture
  let client: RawClient

  beforeAll(async () => {
    fixture = await startRawFixture({ via })
    client = await fixture.open('raw-stdio')
  }, 60_000)
  afterAll(async () => {
    await client.close()
    await fixture[Symbol.asyncDispose]()
  })

  test.each(bad)(
    '$why: $status, $code, and the gateway serves on',
    async ({ body, contentType, path, status, code, id }) => {
      const response = await fetch(new URL(path ?? client.url, client.url), {
        method: 'POST',
        headers: { ...client.headers(), 'content-type': contentType ?? 'application/json' },
        body,
      })
      const text = await response.text()
      expect({ status: response.status, text: text.slice(0, 500) }).toMatchObject({ status })
      const message = JSON.parse(text) as RpcMessage
      expect(message.jsonrpc).toBe('2.0')
      expect(message.error?.code).toBe(code)
      expect(message.error?.message).toBeString()
      if (id !== undefined) expect(message.id).toEqual(id as never)
      expect((await client.request('after', 'ping')).answer.result).toEqual({})
    },
  )

  test('a request without a session: 400', async () => {
    const { 'mcp-session-id': _, ...headers } = client.headers()
    const response = await fetch(client.url, { method: 'POST', headers, body: ping })
    expect(response.status).toBe(400)
    expect(((await response.json()) as RpcMessage).error?.code).toBe(-32600)
  })

  test('a request with a session that was never given out: 404', async () => {
    const headers = { ...client.headers(), 'mcp-session-id': crypto.randomUUID() }
    const response = await fetch(client.url, { method: 'POST', headers, body: ping })
    expect(response.status).toBe(404)
    expect(((await response.json()) as RpcMessage).error?.code).toBe(-32001)
  })
})
