/** Sessions at a server that are lost again and again: how often they are renewed, what is said, who is served. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  eventStream,
  type FaultHttp,
  jsonAnswer,
  type SeenRequest,
  startFaultHttp,
} from '../support/fault-http.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { statusOf, untilStatus } from '../support/supervised.ts'

let gateway: RunningGateway
beforeAll(async () => {
  gateway = await startGatewayProcess({ via: 'executable' })
}, 30_000)
afterAll(() => gateway.stop())

interface ForgetfulServer extends FaultHttp {
  /** Sessions that were given out. */
  given: number
}

/** A server with sessions; `knows` says whether a request finds its own. */
function sessionServer(
  knows: (request: SeenRequest, sessionId: string) => Response | boolean,
  greet: (request: SeenRequest, sessionId: string) => Record<string, string> = () => ({}),
): ForgetfulServer {
  const server: ForgetfulServer = Object.assign(
    startFaultHttp((request) => {
      const { id, method } = request.message
      if (method === 'server/discover') return new Response('none', { status: 404 })
      if (method === 'initialize') {
        const sessionId = `session-${++server.given}`
        const result = { protocolVersion: '2025-11-25', capabilities: { logging: {} }, serverInfo: {} }
        const headers = { 'mcp-session-id': sessionId, ...greet(request, sessionId) }
        return Response.json({ jsonrpc: '2.0', id, result }, { headers })
      }
      const known = knows(request, request.headers['mcp-session-id'] ?? '')
      if (known instanceof Response) return known
      if (!known) return new Response('no such session', { status: 404 })
      if (request.method === 'GET') return new Response(null, { status: 405 })
      return id === undefined ? new Response(null, { status: 202 }) : jsonAnswer(request, { content: [] })
    }),
    { given: 0 },
  )
  return server
}

async function add(url: string): Promise<string> {
  const name = `s${crypto.randomUUID().slice(0, 8)}`
  const body = { name, transport: 'streamable-http', url }
  expect((await gateway.admin('/mcps', { method: 'POST', body })).status).toBe(201)
  return name
}

test.concurrent('a server of replicas without affinity is in error, says what it needs, and hears few initialize', async () => {
  let turn = 0
  // Every other request finds a replica that does not know it.
  await using server = sessionServer(({ method }) => method === 'DELETE' || ++turn % 2 === 0)
  const name = await add(server.url)
  const { lastError } = await untilStatus(gateway, name, 'error', 12_000)
  expect(lastError).toContain('replicas')
  expect(server.given).toBeLessThanOrEqual(3)
  const refusal = await RawClient.open(gateway.face(name, 'stream')).then(
    () => 'opened',
    (thrown: Error) => thrown.message,
  )
  // A request starts no attempt of its own here, and hears why.
  expect(refusal).toStartWith('503 ')
  expect(refusal).toContain('replicas')
  expect(server.given).toBeLessThanOrEqual(3)
  expect(gateway.lines().some((line) => line.includes(name) && line.includes('session lost'))).toBe(true)
}, 20_000)

test.concurrent('a 404 to a notification costs a question, and no session that is there', async () => {
  await using server = sessionServer(({ message }) => message.method !== 'notifications/initialized')
  const name = await add(server.url)
  await untilStatus(gateway, name, 'connected')
  await using client = await RawClient.open(gateway.face(name, 'stream'))
  expect((await client.callTool(1, 'any', {})).answer.result).toEqual({ content: [] })
  await server.request(({ message }) => message.method === 'ping', 6)
  // One for the gateway, one for the client.
  expect(server.given).toBe(2)
  expect((await statusOf(gateway, name)).status).toBe('connected')
})

test.concurrent('a stream that is lost and refused, time after time, opens no session after the other', async () => {
  let streams = 0
  await using server = sessionServer(({ method }) => {
    if (method !== 'GET') return true
    if (++streams % 2 === 0) return false
    const stream = eventStream()
    stream.send('retry: 100\n\n')
    stream.end()
    return stream.response
  })
  const name = await add(server.url)
  await untilStatus(gateway, name, 'connected')
  await server.request(({ message }) => message.method === 'ping', 3)
  expect(streams).toBe(2)
  expect(server.given).toBe(1)
})

test.concurrent('what a new session must hear first is not waited for when that session is lost as well', async () => {
  let restarted = false
  await using server = sessionServer(({ message }, sessionId) => {
    if (message.method === 'tools/call' && !restarted) {
      restarted = true
      return false
    }
    // The first session of the client, and the second to come after its loss.
    return !(message.method === 'logging/setLevel' && sessionId === 'session-3')
  })
  const name = await add(server.url)
  await untilStatus(gateway, name, 'connected')
  await using client = await RawClient.open(gateway.face(name, 'stream'))
  const level = await client.post(
    '{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"info"}}',
  )
  expect(level.status).toBe(200)
  await level.text()
  const startedAtMs = performance.now()
  expect((await client.callTool(2, 'any', {})).answer.result).toEqual({ content: [] })
  // The pause before the second renewal in a row, and not the patience of a request.
  expect(performance.now() - startedAtMs).toBeLessThan(10_000)
  expect(server.given).toBe(4)
}, 20_000)

test.concurrent('cookies of a session come back with it, to the server alone', async () => {
  await using server = sessionServer(
    ({ headers, method }, sessionId) => method === 'GET' || headers['cookie'] === `node=${sessionId}`,
    (_, sessionId) => ({ 'set-cookie': `node=${sessionId}; Path=/; HttpOnly` }),
  )
  const name = await add(server.url)
  await untilStatus(gateway, name, 'connected')
  const url = gateway.face(name, 'stream')
  await using one = await RawClient.open(url)
  await using other = await RawClient.open(url)
  for (const [id, client] of [one, other, one].entries()) {
    const response = await client.post(
      `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"any"}}`,
      { headers: { cookie: 'mine=1' } },
    )
    expect(response.headers.get('set-cookie')).toBeNull()
    expect(await response.json()).toMatchObject({ id, result: { content: [] } })
  }
  expect(server.given).toBe(3)
})
