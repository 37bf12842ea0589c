/** What a server behind the executable sees of its clients' headers: what its definition lists, and never a key to the gateway. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type EchoingWire, echoingWires, startEchoingUpstream } from '../support/echoing-upstreams.ts'
import { readEvents } from '../support/event-reader.ts'
import type { FaultHttp, SeenRequest } from '../support/fault-http.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { sendModern } from '../support/modern-client.ts'

const globalToken = 'Z2xvYmFsLXRva2VuLTE='
const serverToken = 'server-token-1'
const adminToken = 'admin-token-1'
const listed = ['X-User', 'X-Api-Key', 'X-Note', 'Authorization']

/** What a client sends along; a browser, a proxy and somebody curious have all been at it. */
const clientHeaders = {
  authorization: `Bearer ${globalToken}`,
  cookie: `sid=canary-cookie; token=${globalToken}`,
  'x-api-key': serverToken,
  'x-note': `key=${adminToken}`,
  'x-user': 'kim',
  'x-secret': 'canary-unlisted',
  'proxy-authorization': `Basic ${btoa(`u:${globalToken}`)}`,
  'x-forwarded-for': '203.0.113.77',
  forwarded: 'for=203.0.113.77',
  referer: 'http://localhost/canary-referer',
  'user-agent': 'canary-agent',
  'accept-language': 'canary-language',
  traceparent: '00-canary-trace-01',
}
const forbidden = [globalToken, serverToken, adminToken, btoa(`u:${globalToken}`), 'canary', '203.0.113.77']

/** Everything that may reach a server: what its wire needs, what its definition adds, what it lists. */
const wireHeaders = [
  'accept',
  'accept-encoding',
  'connection',
  'content-length',
  'content-type',
  'host',
  'last-event-id',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'mcp-session-id',
  'user-agent',
  'via',
  'x-own',
]

type Way = 'stream' | 'sse' | 'modern'
const ways: readonly Way[] = ['stream', 'sse', 'modern']

let gateway: RunningGateway
const upstreams = new Map<EchoingWire, FaultHttp>()

beforeAll(async () => {
  for (const wire of echoingWires) upstreams.set(wire, startEchoingUpstream(wire))
  gateway = await gatewayWith({ global_tokens: [globalToken], admin_tokens: [adminToken] }, [serverToken])
})

afterAll(async () => {
  await gateway?.stop()
  for (const upstream of upstreams.values()) await upstream[Symbol.asyncDispose]()
})

function gatewayWith(
  auth: Record<string, readonly string[]>,
  authTokens: readonly string[],
): Promise<RunningGateway> {
  const mcps = [...upstreams].map(([name, { url }]) => ({
    name,
    transport: name === 'sse' ? 'sse' : 'streamable-http',
    url,
    headers: { 'X-Own': 'own' },
    forwardHeaders: listed,
    authTokens,
  }))
  return startGatewayProcess({ via: 'executable', config: { mcp_proxy: { auth }, mcps } })
}

/** One whole visit of a client: handshake where there is one, a call, streams, the end. Gives the call's answer. */
async function visit(
  to: RunningGateway,
  name: string,
  way: Way,
  headers: Record<string, string>,
): Promise<string> {
  if (way === 'modern') {
    const params = { name: 'echo', arguments: {} }
    const response = await sendModern(to.face(name, 'stream'), 'tools/call', { params, headers })
    return response.text()
  }
  return way === 'stream'
    ? visitStream(to.face(name, 'stream'), headers)
    : visitSse(to.face(name, 'sse'), headers)
}

const hello = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
}
const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' }
const call = { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'echo', arguments: {} } }

async function visitStream(url: URL, given: Record<string, string>): Promise<string> {
  const headers = {
    ...given,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  const post = (message: object, session: Record<string, string>) =>
    fetch(url, { method: 'POST', headers: { ...headers, ...session }, body: JSON.stringify(message) })
  const greeting = await post(hello, {})
  expect(`${greeting.status} ${await greeting.text()}`).toStartWith('200 ')
  const session = { 'mcp-session-id': greeting.headers.get('mcp-session-id') ?? '' }
  await post(initialized, session)
  const standing = await fetch(url, { headers: { ...headers, ...session, accept: 'text/event-stream' } })
  const answer = await (await post(call, session)).text()
  await standing.body?.cancel()
  await fetch(url, { method: 'DELETE', headers: { ...headers, ...session } })
  return answer
}

async function visitSse(url: URL, headers: Record<string, string>): Promise<string> {
  const stream = await fetch(url, { headers })
  expect(stream.status).toBe(200)
  if (stream.body === null) return ''
  const post = (to: string, message: object) =>
    fetch(to, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(message),
    })
  let endpoint = ''
  for await (const { type, data } of readEvents(stream.body, { all: true })) {
    if (type === 'endpoint') {
      endpoint = data
      await post(endpoint, hello)
    } else if (data.includes('"id":1')) {
      await post(endpoint, initialized)
      await post(endpoint, call)
    } else if (data.includes('"id":2')) return data
  }
  return ''
}

describe.each(echoingWires)('a server on the %s wire', (wire) => {
  test.each(ways)(
    'sees no gateway token, cookie or unlisted header of a client that comes by %s',
    async (way) => {
      const upstream = upstreams.get(wire)
      if (!upstream) return expect.unreachable()
      const before = upstream.seen.length
      const answer = await visit(gateway, wire, way, clientHeaders)
      expect(answer).toContain('\\"x-user\\":\\"kim\\"')
      expectClean(answer)
      const seen = upstream.seen.slice(before)
      expect(seen.length).toBeGreaterThan(0)
      for (const request of seen) expectClean(JSON.stringify(request.headers))
      for (const request of seen) expect(strangers(request)).toEqual([])
    },
  )
})

test('with a server’s own token for the key, the same', async () => {
  for (const way of ways) {
    const headers = { ...clientHeaders, authorization: `bearer ${serverToken}`, 'x-api-key': globalToken }
    expectClean(await visit(gateway, 'legacy', way, headers))
  }
})

test('without tokens Authorization is the client’s own, and goes where it is listed; a cookie never does', async () => {
  await using open = await gatewayWith({}, [])
  for (const wire of echoingWires) {
    for (const way of ways) {
      const headers = {
        authorization: 'Bearer theirs',
        cookie: 'sid=canary-cookie',
        'x-secret': 'canary-unlisted',
      }
      const answer = await visit(open, wire, way, headers)
      expect(answer).toContain('\\"authorization\\":\\"Bearer theirs\\"')
      expect(answer).not.toContain('canary')
    }
  }
})

function expectClean(text: string): void {
  for (const secret of forbidden) expect(text).not.toContain(secret)
}

/** Headers that are neither the wire's nor listed. */
function strangers({ headers }: SeenRequest): string[] {
  const allowed = new Set([...wireHeaders, 'x-user'])
  return Object.keys(headers).filter((name) => !allowed.has(name))
}
