/** Which revisions a server speaks is asked once, believed from its own words alone, and asked again when it changed. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join, resolve } from 'node:path'
import {
  type Answer,
  type FaultHttp,
  jsonAnswer,
  type SeenRequest,
  startFaultHttp,
  welcome,
} from '../support/fault-http.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { callModern } from '../support/modern-client.ts'
import { rpcError } from '../support/modern-upstream.ts'
import { RawClient } from '../support/raw-client.ts'
import { tallied } from '../support/tally.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const pipeServer = resolve(import.meta.dir, '../support/modern-raw-server.ts')
const directory = temporaryDirectory()
let gateway: RunningGateway

beforeAll(async () => {
  gateway = await startGatewayProcess({ via: 'executable' })
}, 30_000)
afterAll(async () => {
  await gateway.stop()
  directory[Symbol.dispose]()
})

/** A server over HTTP of one era, or of the other from one moment to the next. */
interface ChangingServer extends FaultHttp {
  era: 'modern' | 'legacy'
  /** Answers in the server's place while it is set. */
  wall: ((request: SeenRequest) => Answer) | null
}

function startServer(era: ChangingServer['era']): ChangingServer {
  const server: ChangingServer = Object.assign(
    startFaultHttp(async (request) => (await server.wall?.(request)) ?? inEra(request, server.era)),
    { era, wall: null },
  )
  return server
}

function inEra(request: SeenRequest, era: ChangingServer['era']): Response {
  const { id, method } = request.message
  if (request.method !== 'POST') return new Response(null, { status: 405 })
  if (era === 'legacy') {
    const greeting = welcome(request)
    if (greeting) return greeting
    // What SDK servers say to a request outside of a session.
    if (request.headers['mcp-session-id'] === undefined)
      return Response.json(
        { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Bad Request: Server not initialized' } },
        { status: 400 },
      )
    if (id === undefined) return new Response(null, { status: 202 })
    return jsonAnswer(request, method === 'tools/list' ? { tools: [] } : { content: [], era })
  }
  if (method === 'initialize') return rpcError(request, -32022, 400, { supported: ['2026-07-28'] })
  if (request.headers['mcp-session-id'] !== undefined || request.headers['mcp-method'] === undefined)
    return rpcError(request, -32020, 400)
  const complete = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' }
  if (method === 'server/discover')
    return jsonAnswer(request, { ...complete, supportedVersions: ['2026-07-28'], capabilities: {} })
  return jsonAnswer(request, {
    ...complete,
    ...(method === 'tools/list' ? { tools: [] } : { content: [] }),
    era,
  })
}

interface Status {
  readonly status: string
  readonly era: string | null
  readonly protocolVersion: string | null
  readonly lastError: string | null
  readonly processes: number
}

async function statusOf(name: string): Promise<Status> {
  const answer = await gateway.admin(`/mcps/${name}`)
  return ((await answer.json()) as { status: Status }).status
}

async function add(url: string, more: object = {}): Promise<string> {
  const name = `s${crypto.randomUUID().slice(0, 8)}`
  const definition = { name, transport: 'streamable-http', url, reconnectDelay: '50ms', ...more }
  expect((await gateway.admin('/mcps', { method: 'POST', body: definition })).status).toBe(201)
  return name
}

async function untilStatus(name: string, wanted: Partial<Status>): Promise<void> {
  await poll(`${name} to be ${JSON.stringify(wanted)}`, async () =>
    Bun.deepMatch(wanted, await statusOf(name)),
  )
}

const methods = ({ seen }: FaultHttp) => seen.map(({ message }) => message.method)

describe('over HTTP', () => {
  const rpcBody = ({ message }: SeenRequest, code: number, status: number) =>
    Response.json({ jsonrpc: '2.0', id: message.id, error: { code, message: 'no' } }, { status })
  const walls: { why: string; wall: (request: SeenRequest) => Response }[] = [
    ...[401, 403, 429, 500, 502, 503].map((status) => ({
      why: `HTTP ${status}`,
      wall: () => new Response('wall', { status }),
    })),
    ...[500, 503].map((status) => ({
      why: `HTTP ${status} with a JSON-RPC error under the right id`,
      wall: (request: SeenRequest) => rpcBody(request, -32603, status),
    })),
  ]
  test.concurrent.each(walls)(
    '$why says nothing: it is asked a second time, then the handshake is tried, and later all of it again',
    async ({ wall }) => {
      await using server = startServer('modern')
      server.wall = wall
      const name = await add(server.url)
      await untilStatus(name, { status: 'error' })
      expect((await statusOf(name)).lastError).not.toBeNull()
      expect(methods(server).slice(0, 3)).toEqual(['server/discover', 'server/discover', 'initialize'])
      server.wall = null
      await untilStatus(name, { status: 'connected', era: 'modern', protocolVersion: '2026-07-28' })
    },
  )

  const signs: { why: string; wall: (request: SeenRequest) => Response | null; probes: number }[] = [
    { why: 'no such page', wall: () => new Response('<html>', { status: 404 }), probes: 1 },
    { why: 'no such method', wall: (request) => rpcBody(request, -32601, 200), probes: 1 },
    { why: 'no such method, as 404', wall: (request) => rpcBody(request, -32601, 404), probes: 1 },
    { why: 'a request outside of a session', wall: () => null, probes: 1 },
    {
      why: 'another stateless revision only',
      wall: (request) => rpcError(request, -32022, 400, { supported: ['2099-01-01'] }),
      probes: 1,
    },
  ]
  test.each(signs)('$why means the older revisions', async ({ wall, probes }) => {
    await using server = startServer('legacy')
    server.wall = (request) => (request.message.method === 'server/discover' ? wall(request) : null)
    const name = await add(server.url)
    await untilStatus(name, { status: 'connected', era: 'legacy', protocolVersion: '2025-11-25' })
    expect(methods(server).filter((method) => method === 'server/discover')).toHaveLength(probes)
  })

  test('a server that names this revision among those it speaks is asked in it again', async () => {
    await using server = startServer('modern')
    let first = true
    server.wall = (request) => {
      if (!first || request.message.method !== 'server/discover') return null
      first = false
      return rpcError(request, -32022, 400, { supported: ['2026-07-28', '2025-11-25'] })
    }
    const name = await add(server.url)
    await untilStatus(name, { status: 'connected', era: 'modern' })
    expect(methods(server)).toEqual(['server/discover', 'server/discover'])
  })

  test('a server that speaks no revision of ours says which ones it speaks', async () => {
    await using server = startServer('modern')
    server.wall = (request) => rpcError(request, -32022, 400, { supported: ['2099-01-01'] })
    const name = await add(server.url)
    await untilStatus(name, { status: 'error' })
    expect((await statusOf(name)).lastError).toContain('-32022')
  })

  test('the verdict is kept: clients of both eras cost no further probe', async () => {
    await using server = startServer('modern')
    const name = await add(server.url)
    await untilStatus(name, { status: 'connected' })
    const url = gateway.face(name, 'stream')
    for (const id of [1, 2, 3]) await callModern(url, 'x', {}, { id })
    for (const _ of [1, 2]) await (await RawClient.open(url)).close()
    const seen = methods(server)
    expect(seen.filter((method) => method === 'server/discover')).toHaveLength(1)
    // Sessions would have been spoken in their own words, so that is asked, once.
    expect(seen.filter((method) => method === 'initialize')).toHaveLength(1)
  })

  test.each([
    { from: 'modern', to: 'legacy' },
    { from: 'legacy', to: 'modern' },
  ] as const)(
    'a server that turns from $from to $to is found out by its next answers',
    async ({ from, to }) => {
      await using server = startServer(from)
      // No health check: only the answers to calls can tell.
      const name = await add(server.url, { healthCheckEnabled: false })
      await untilStatus(name, { status: 'connected', era: from })
      const url = gateway.face(name, 'stream')
      const eraOfCall = async () => (await callModern(url, 'x', {})).answer.result?.['era']
      expect(await eraOfCall()).toBe(from)
      server.era = to
      await poll('a call in the other era', async () => (await eraOfCall()) === to)
      await untilStatus(name, { status: 'connected', era: to })
    },
  )
})

describe('over a pipe', () => {
  const stdio = (args: readonly string[]) => ({
    transport: 'stdio',
    url: undefined,
    command: process.execPath,
    args: [rawServer, ...args],
  })

  test('a server that exits on anything before initialize serves clients of both eras', async () => {
    const tally = join(directory.path, 'strict')
    const name = await add('', stdio(['--strict', '--tally', tally]))
    await untilStatus(name, { status: 'connected', era: 'legacy' })
    const url = gateway.face(name, 'stream')
    const { answer } = await callModern(url, 'echo', { secret: 'new' })
    expect(answer.result?.structuredContent).toEqual({ secret: 'new' })
    await using client = await RawClient.open(url)
    expect(await client.call(1, 'echo', { secret: 'old' })).toEqual({ secret: 'old' })
    // The sibling that was asked has exited before it could write anything down, and is asked no more.
    for (const id of [2, 3]) await callModern(url, 'echo', { secret: 'again' }, { id })
    expect(tallied(tally).filter(({ method }) => method === 'server/discover')).toEqual([])
    expect((await statusOf(name)).status).toBe('connected')
  })

  test('a stateless server is known by its refusal of the handshake; one process serves everybody', async () => {
    const tally = join(directory.path, 'modern')
    const name = await add('', { ...stdio([]), args: [pipeServer, '--tally', tally] })
    await untilStatus(name, { status: 'connected', era: 'modern' })
    const url = gateway.face(name, 'stream')
    await callModern(url, 'mirror', {})
    await using client = await RawClient.open(url, { capabilities: { roots: {} } })
    await client.callTool(1, 'mirror', {})
    const seen = tallied(tally).map(({ method }) => method)
    expect(seen.filter((method) => method === 'server/discover')).toHaveLength(1)
    expect(seen.filter((method) => method === 'initialize')).toHaveLength(1)
    const { processes } = await statusOf(name)
    expect(processes).toBe(1)
  })
})
