/** `GET /admin/tools` and `POST /admin/tools/call`: every shape and status of the contract. */
import { describe, expect, test } from 'bun:test'
import { type ErrorCode, GatewayError } from '../../src/errors.ts'
import { startAdminServer } from './admin-server.ts'

const one = { name: 'one', transport: 'streamable-http', url: 'http://127.0.0.1:1/' }
const two = { ...one, name: 'two' }

describe('GET /admin/tools', () => {
  test('lists the tools of every server with all their fields and the name of the server', async () => {
    await using server = startAdminServer({ file: [one, two] })
    const tool = { name: 'echo', description: 'd', inputSchema: { type: 'object' }, annotations: { x: 1 } }
    server.behave('one', { listTools: async () => [tool] })
    server.behave('two', { listTools: async () => [{ name: 'add' }, { name: 'sub', mcpName: 'liar' }] })
    const response = await server.send('GET', '/admin/tools')
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      tools: [
        { ...tool, mcpName: 'one' },
        { name: 'add', mcpName: 'two' },
        { name: 'sub', mcpName: 'two' },
      ],
      errors: [],
    })
  })

  test('leaves out a server that fails or keeps silent, and names it', async () => {
    await using server = startAdminServer({ file: [one, two, { ...one, name: 'three' }], toolsListMs: 30 })
    server.behave('one', { listTools: async () => [{ name: 'echo' }] })
    server.behave('two', { listTools: () => new Promise(() => {}) })
    expect(await (await server.send('GET', '/admin/tools')).json()).toEqual({
      tools: [{ name: 'echo', mcpName: 'one' }],
      errors: [
        { mcpName: 'two', error: 'The server did not list its tools within 30 ms.' },
        { mcpName: 'three', error: 'The server is down.' },
      ],
    })
  })
})

describe('POST /admin/tools/call', () => {
  const image = { type: 'image', data: 'aGk=', mimeType: 'image/png' }
  const link = { type: 'resource_link', uri: 'file:///x', name: 'x' }

  test.each([
    {
      why: 'a text that is a JSON object comes back as that object, large integers unharmed',
      result: { content: [{ type: 'text', text: ' {"id": 12345678901234567890, "a": [1]}\n' }] },
      text: '{"result": {"id": 12345678901234567890, "a": [1]}\n}',
    },
    {
      why: 'any other text is a string',
      result: { content: [{ type: 'text', text: 'hi' }] },
      text: '{"result":"hi"}',
    },
    {
      why: 'a JSON list is a string',
      result: { content: [{ type: 'text', text: '[1]' }] },
      text: '{"result":"[1]"}',
    },
    {
      why: 'broken JSON is a string',
      result: { content: [{ type: 'text', text: '{a' }] },
      text: '{"result":"{a"}',
    },
    {
      why: 'only the first text counts',
      result: {
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
      text: '{"result":"a"}',
    },
    {
      why: 'an image is an image',
      result: { content: [{ ...image, annotations: {} }] },
      text: JSON.stringify({ result: image }),
    },
    {
      why: 'anything else is the content list',
      result: { content: [link, { type: 'text', text: 'a' }] },
      text: JSON.stringify({ result: [link, { type: 'text', text: 'a' }] }),
    },
    { why: 'nothing is an empty list', result: { content: [] }, text: '{"result":[]}' },
    {
      why: 'a result without content is passed as it is',
      result: { toolResult: 1 },
      text: '{"result":{"toolResult":1}}',
    },
    {
      why: 'a tool error is 200 with a null result',
      result: {
        isError: true,
        content: [{ type: 'text', text: 'no' }, image, { type: 'text', text: 'way' }],
      },
      text: '{"result":null,"error":"no\\nway"}',
    },
    {
      why: 'a tool error without a text still has an error',
      result: { isError: true },
      text: '{"result":null,"error":"The tool failed without saying why."}',
    },
  ])('$why', async ({ result, text }) => {
    await using server = startAdminServer({ file: [one] })
    server.behave('one', { callTool: async () => result })
    const response = await server.send('POST', '/admin/tools/call', {
      mcpName: 'one',
      toolName: 't',
      arguments: {},
    })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/json')
    const body = await response.text()
    expect(body.replace(/\s+/g, '')).toBe(text.replace(/\s+/g, ''))
    JSON.parse(body)
  })

  test.each([
    { why: 'given', sent: { a: 1 }, received: { a: 1 } },
    { why: 'absent', sent: undefined, received: {} },
    { why: 'null', sent: null, received: {} },
  ])('hands on the arguments when they are $why', async ({ sent, received }) => {
    await using server = startAdminServer({ file: [one] })
    const calls: unknown[] = []
    server.behave('one', {
      callTool: async (tool, args) => {
        calls.push([tool, args])
        return { content: [] }
      },
    })
    await server.send('POST', '/admin/tools/call', { mcpName: 'one', toolName: 't', arguments: sent })
    expect(calls).toEqual([['t', received]])
    expect(server.lastLog()).toEqual({
      mcp: 'one',
      rpcMethod: 'tools/call',
      tool: 't',
      ending: { outcome: 'ok' },
    })
  })

  test.each<{ why: string; code: ErrorCode; status: number }>([
    { why: 'not connected', code: 'SERVER_UNAVAILABLE', status: 503 },
    { why: 'still starting', code: 'SERVER_STARTING', status: 503 },
    { why: 'out of time', code: 'UPSTREAM_TIMEOUT', status: 504 },
    { why: 'gone in the middle', code: 'UPSTREAM_CLOSED', status: 502 },
    { why: 'too busy', code: 'IN_FLIGHT_EXHAUSTED', status: 429 },
  ])('answers $status when the server is $why', async ({ code, status }) => {
    await using server = startAdminServer({ file: [one] })
    server.behave('one', { callTool: () => Promise.reject(new GatewayError(code, 'why')) })
    const response = await server.send('POST', '/admin/tools/call', { mcpName: 'one', toolName: 't' })
    expect(response.status).toBe(status)
    expect(await response.json()).toEqual({ error: expect.any(String), details: 'why', code })
    if (status === 503) expect(response.headers.get('retry-after')).toBe('1')
  })

  test("the server's own error answer is a tool error", async () => {
    await using server = startAdminServer({ file: [one] })
    server.behave('one', {
      callTool: () => Promise.reject(new GatewayError('UPSTREAM_ERROR', 'Unknown tool: t')),
    })
    const response = await server.send('POST', '/admin/tools/call', { mcpName: 'one', toolName: 't' })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ result: null, error: 'Unknown tool: t' })
  })

  test('answers 404 for an unknown server', async () => {
    await using server = startAdminServer()
    const response = await server.send('POST', '/admin/tools/call', { mcpName: 'one', toolName: 't' })
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ code: 'SERVER_UNKNOWN' })
  })

  test.each([
    { why: 'no server', body: { toolName: 't' }, details: 'mcpName: is required: the name of a server' },
    { why: 'no tool', body: { mcpName: 'one' }, details: 'toolName: is required: the name of a tool' },
    {
      why: 'an empty tool',
      body: { mcpName: 'one', toolName: '' },
      details: 'toolName: must be the name of a tool',
    },
    {
      why: 'arguments in a list',
      body: { mcpName: 'one', toolName: 't', arguments: [1] },
      details: 'arguments: must be an object',
    },
    {
      why: 'a misspelt field',
      body: { mcpName: 'one', toolName: 't', argument: {} },
      details: 'argument: is not a known field; did you mean arguments?',
    },
    { why: 'a number', body: '1', details: 'input: must be an object' },
  ])('answers 400 for $why', async ({ body, details }) => {
    await using server = startAdminServer({ file: [one] })
    const response = await server.send('POST', '/admin/tools/call', body)
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({ error: 'Bad request', details, code: 'BAD_REQUEST' })
  })
})
