/**
 * Headers that say something else than the body are refused before anything of the request reaches a server:
 * whoever routes or limits by header must not be fooled by whoever executes the body.
 *
 * Sent over a bare socket, because HTTP libraries mend what is tested here. The classifier itself is held
 * against the SDK's in test/protocol/classify.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type FaultHttp, startFaultHttp, welcome } from '../support/fault-http.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { callModern, MODERN, modernHeaders, modernText } from '../support/modern-client.ts'
import { clientRequests, startModernUpstream } from '../support/modern-upstream.ts'
import type { RpcMessage } from '../support/raw-client.ts'
import { rawPost } from '../support/raw-http-request.ts'

const deploy = {
  name: 'deploy',
  inputSchema: {
    type: 'object',
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      replicas: { type: 'integer', 'x-mcp-header': 'Replicas' },
      dry: { type: 'boolean', 'x-mcp-header': 'Dry' },
      nested: { type: 'object', properties: { zone: { type: 'string', 'x-mcp-header': 'Zone' } } },
    },
  },
}
const toolCall = {
  method: 'tools/call',
  params: {
    name: 'deploy',
    arguments: { region: 'eu', replicas: 3, dry: true, nested: { zone: 'b' } },
  },
  headers: {
    'mcp-param-region': 'eu',
    'mcp-param-replicas': '3',
    'mcp-param-dry': 'true',
    'mcp-param-zone': 'b',
  },
}
const resourceRead = { method: 'resources/read', params: { uri: 'file:///é' }, headers: {} }
const promptGet = { method: 'prompts/get', params: { name: 'greet' }, headers: {} }
const toolsList = { method: 'tools/list', params: {}, headers: {} }

interface Lie {
  readonly why: string
  readonly request: { method: string; params: Record<string, unknown>; headers: Record<string, string> }
  /** Header lines in the place of those of this name; none leaves it out. */
  readonly lines: Readonly<Record<string, readonly string[]>>
  readonly code?: number
}

const lies: readonly Lie[] = [
  { why: 'another version', request: toolCall, lines: { 'mcp-protocol-version': ['2025-11-25'] } },
  { why: 'a version nobody speaks', request: toolCall, lines: { 'mcp-protocol-version': ['2099-01-01'] } },
  { why: 'no version', request: toolCall, lines: { 'mcp-protocol-version': [] } },
  { why: 'an empty version', request: toolCall, lines: { 'mcp-protocol-version': [''] } },
  { why: 'the version twice', request: toolCall, lines: { 'mcp-protocol-version': [MODERN, MODERN] } },
  { why: 'two versions', request: toolCall, lines: { 'mcp-protocol-version': [MODERN, '2025-11-25'] } },
  { why: 'another method', request: toolCall, lines: { 'mcp-method': ['tools/list'] } },
  { why: 'the method in capitals', request: toolCall, lines: { 'mcp-method': ['TOOLS/CALL'] } },
  { why: 'no method', request: toolsList, lines: { 'mcp-method': [] } },
  { why: 'an empty method', request: toolsList, lines: { 'mcp-method': [''] } },
  { why: 'the method twice', request: toolsList, lines: { 'mcp-method': ['tools/list', 'tools/list'] } },
  { why: 'another name', request: toolCall, lines: { 'mcp-name': ['delete'] } },
  { why: 'the name in capitals', request: toolCall, lines: { 'mcp-name': ['Deploy'] } },
  { why: 'no name', request: toolCall, lines: { 'mcp-name': [] } },
  { why: 'no name of a prompt', request: promptGet, lines: { 'mcp-name': [] } },
  { why: 'no name of a resource', request: resourceRead, lines: { 'mcp-name': [] } },
  { why: 'an empty name', request: toolCall, lines: { 'mcp-name': [''] } },
  { why: 'the name twice', request: toolCall, lines: { 'mcp-name': ['deploy', 'deploy'] } },
  { why: 'bytes that are no ASCII', request: resourceRead, lines: { 'mcp-name': ['file:///é'] } },
  { why: 'base64 without padding', request: toolCall, lines: { 'mcp-name': ['=?base64?ZGVwbG95Cg?='] } },
  { why: 'base64 of something else', request: toolCall, lines: { 'mcp-name': ['=?base64?eA==?='] } },
  { why: 'base64 of no UTF-8', request: resourceRead, lines: { 'mcp-name': ['=?base64?/w==?='] } },
  { why: 'markers in capitals', request: toolCall, lines: { 'mcp-name': ['=?BASE64?ZGVwbG95?='] } },
  { why: 'another string argument', request: toolCall, lines: { 'mcp-param-region': ['us'] } },
  { why: 'no string argument', request: toolCall, lines: { 'mcp-param-region': [] } },
  { why: 'a string argument twice', request: toolCall, lines: { 'mcp-param-region': ['eu', 'us'] } },
  { why: 'a badly encoded one', request: toolCall, lines: { 'mcp-param-region': ['=?base64?*?='] } },
  { why: 'a string that is no ASCII', request: toolCall, lines: { 'mcp-param-region': ['é'] } },
  { why: 'another integer', request: toolCall, lines: { 'mcp-param-replicas': ['4'] } },
  { why: 'an integer in hexadecimal', request: toolCall, lines: { 'mcp-param-replicas': ['0x3'] } },
  { why: 'an integer twice', request: toolCall, lines: { 'mcp-param-replicas': ['3', '3'] } },
  { why: 'another boolean', request: toolCall, lines: { 'mcp-param-dry': ['false'] } },
  { why: 'a boolean in capitals', request: toolCall, lines: { 'mcp-param-dry': ['True'] } },
  { why: 'another nested argument', request: toolCall, lines: { 'mcp-param-zone': ['c'] } },
  { why: 'no nested argument', request: toolCall, lines: { 'mcp-param-zone': [] } },
  {
    why: 'a header for an argument that is null',
    request: { ...toolCall, params: { name: 'deploy', arguments: { region: null } }, headers: {} },
    lines: { 'mcp-param-region': ['null'] },
  },
  {
    why: 'a header for an argument that is not there',
    request: { ...toolCall, params: { name: 'deploy', arguments: {} }, headers: {} },
    lines: { 'mcp-param-region': ['eu'] },
  },
]

const servers = ['modern', 'legacy'] as const
let upstreams: Record<(typeof servers)[number], FaultHttp>
let gateway: RunningGateway

beforeAll(async () => {
  upstreams = { modern: startModernUpstream({ tools: [deploy] }), legacy: startLegacyUpstream() }
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcps: servers.map((name) => ({ name, transport: 'streamable-http', url: upstreams[name].url })),
    },
  })
}, 30_000)

afterAll(async () => {
  await gateway.stop()
  await Promise.all(servers.map((name) => upstreams[name][Symbol.asyncDispose]()))
})

/** A legacy server may mark arguments too; the mark is honoured where the header ends, which is here. */
function startLegacyUpstream(): FaultHttp {
  return startFaultHttp((request) => {
    const { id, method } = request.message
    if (method === 'server/discover') return new Response(null, { status: 404 })
    if (id === undefined) return null
    const result = method === 'tools/list' ? { tools: [deploy] } : { content: [], contents: [], messages: [] }
    return welcome(request) ?? Response.json({ jsonrpc: '2.0', id, result })
  })
}

function linesOf({ request, lines }: Pick<Lie, 'request' | 'lines'>): string[] {
  const { method, params, headers } = request
  const kept = Object.entries(modernHeaders(method, { params, headers: { ...encoded(params), ...headers } }))
    .filter(([name]) => !(name in lines))
    .map(([name, value]) => `${name}: ${value}`)
  return [
    ...kept,
    ...Object.entries(lines).flatMap(([name, values]) => values.map((value) => `${name}: ${value}`)),
  ]
}

function encoded({ uri }: Record<string, unknown>): Record<string, string> {
  return typeof uri === 'string' ? { 'mcp-name': `=?base64?${Buffer.from(uri).toString('base64')}?=` } : {}
}

describe.each(servers)('a request for a %s server', (server) => {
  const requests = [toolCall, resourceRead, promptGet, toolsList]
  test.each(requests)('$method whose headers are true is served', async (request) => {
    const { method, params } = request
    const url = gateway.face(server, 'stream')
    const reply = await rawPost(url, linesOf({ request, lines: {} }), modernText(method, { params }))
    expect({ status: reply.status, error: (JSON.parse(reply.body) as RpcMessage).error }).toEqual({
      status: 200,
      error: undefined,
    })
  })

  test('every lie is refused, and the server hears of none', async () => {
    const url = gateway.face(server, 'stream')
    // Reads the tool list, which the gateway then knows.
    await callModern(url, 'deploy', {})
    const before = clientRequests(upstreams[server]).length
    const wrong: unknown[] = []
    for (const lie of lies) {
      const { method, params } = lie.request
      const reply = await rawPost(url, linesOf(lie), modernText(method, { id: 'liar', params }))
      const answer = JSON.parse(reply.body) as RpcMessage
      const seen = { status: reply.status, code: answer.error?.code, id: answer.id }
      if (!Bun.deepEquals(seen, { status: 400, code: -32020, id: 'liar' })) wrong.push([lie.why, seen])
    }
    expect(wrong).toEqual([])
    expect(clientRequests(upstreams[server])).toHaveLength(before)
  })

  test.each([
    { why: '42.0 is 42', header: '42.0', value: 42 },
    { why: 'a name may be encoded though it need not be', header: '=?base64?NDI=?=', value: 42 },
  ])('is served where header and body agree in other words: $why', async ({ header, value }) => {
    const lines = { 'mcp-param-replicas': [header] }
    const params = { name: 'deploy', arguments: { replicas: value } }
    const request = { method: 'tools/call', params, headers: {} }
    const reply = await rawPost(
      gateway.face(server, 'stream'),
      linesOf({ request, lines }),
      modernText('tools/call', { params }),
    )
    expect(reply.status).toBe(200)
  })
})
