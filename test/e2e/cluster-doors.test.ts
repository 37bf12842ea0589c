/** Who reaches the port at which replicas reach each other, or writes its header elsewhere, becomes nobody by that. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { type Common, writeBrought } from '../../src/cluster/forward/wire/channel/brought.ts'
import { frameText, readFrames } from '../../src/cluster/forward/wire/channel/frames.ts'
import { type Carried, digestOfBody, writeHeader } from '../../src/cluster/forward/wire/forwarded-header.ts'
import { createSeal } from '../../src/cluster/seal.ts'
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import { clusterSecret } from '../support/cluster.ts'
import { callModern } from '../support/modern-client.ts'
import { RawClient } from '../support/raw-client.ts'
import { redisProgram } from '../support/redis-server.ts'
import { type RunningReplicas, startReplicas } from '../support/replicas.ts'

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const key = makeKeyText('kcluster')
let cluster: RunningReplicas
let internal: string
let instance: string

beforeAll(async () => {
  cluster = await startReplicas({
    count: 2,
    settings: {
      auth: {
        keys: [
          {
            id: 'kcluster',
            name: 'one',
            hash: hashOfKey(key),
            access: [{ servers: ['keyed'], tools: ['pid'] }],
          },
        ],
      },
    },
    mcps: [
      {
        name: 'keyed',
        transport: 'stdio',
        command: process.execPath,
        args: [rawServer, '--transport', 'stdio'],
      },
      {
        name: 'kept',
        transport: 'stdio',
        command: process.execPath,
        args: [rawServer, '--transport', 'stdio'],
        authTokens: ['token-of-ada', 'token-of-bob'],
      },
    ],
  })
  internal = `http://${cluster.advertised[0]}`
  instance = await (await fetch(`${internal}/ping`)).text()
}, 60_000)
afterAll(() => cluster[Symbol.asyncDispose]())

const target = '/mcp-proxy/kept/stream'
const body = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
})
let serial = 0

function carried(change: Partial<Carried> = {}): Carried {
  return {
    from: 'f'.repeat(16),
    to: instance,
    atMs: Date.now(),
    serial: ++serial,
    principal: { id: 'token:ada', shown: 'token:ada', role: 'client' },
    peer: '127.0.0.1',
    client: '127.0.0.1',
    base: 'http://127.0.0.1',
    requestId: 'x-1',
    digest: digestOfBody(body),
    ...change,
  }
}

function signed(carries: Carried, secret = clusterSecret): string {
  const seal = createSeal([secret])
  return writeHeader(carries, { method: 'POST', target, sessionId: null }, (text) =>
    seal.macs('forward', text),
  )
}

function bring(header: string | null, init: { at?: string; body?: string; path?: string } = {}) {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(header !== null && { 'compozy-forwarded': header }),
  }
  const { at = internal, path = target } = init
  return fetch(`${at}${path}`, { method: 'POST', headers, body: init.body ?? body })
}

describe.skipIf(redisProgram === null)('the internal port', () => {
  test('serves what a member brings', async () => {
    const response = await bring(signed(carried()))
    expect(response.status).toBe(200)
    expect(response.headers.get('mcp-session-id')).toContain(instance)
  })

  test('serves it once', async () => {
    const header = signed(carried())
    expect((await bring(header)).status).toBe(200)
    expect((await bring(header)).status).toBe(403)
  })

  test.each([
    { why: 'without the header', header: () => null },
    { why: 'with one that another secret has signed', header: () => signed(carried(), 'x'.repeat(32)) },
    { why: 'for another member', header: () => signed(carried({ to: 'e'.repeat(16) })) },
    { why: 'of two minutes ago', header: () => signed(carried({ atMs: Date.now() - 120_000 })) },
    {
      why: 'of an admin',
      header: () =>
        signed(carried({ principal: { id: 'admin:x', shown: 'admin:x', role: 'admin' as 'client' } })),
    },
    { why: 'of nobody', header: () => signed(carried({ principal: null })) },
    { why: 'with noise', header: () => 'x.y' },
  ])('refuses what comes $why', async ({ header }) => {
    const response = await bring(header())
    expect(response.status).toBe(403)
    expect(await response.text()).toBe('')
  })

  test('refuses the header of one request with another', async () => {
    expect((await bring(signed(carried()), { body: body.replace('"x"', '"y"') })).status).toBe(403)
    expect((await bring(signed(carried()), { path: '/admin/mcps' })).status).toBe(403)
    expect((await bring(signed(carried()), { path: '/handed-over' })).status).toBe(403)
  })
})

/** Opens a channel as a member does; null where it is not opened. */
function openChannel(header: string | null): Promise<WebSocket | null> {
  const headers = header === null ? {} : { 'compozy-forwarded': header }
  const socket = new WebSocket(`${internal.replace('http', 'ws')}/channel/2`, { headers })
  return new Promise((resolve) => {
    socket.onopen = () => resolve(socket)
    socket.onclose = () => resolve(null)
  })
}

function signedOpening(change: Partial<Carried> = {}, method = 'GET'): string {
  const seal = createSeal([clusterSecret])
  const carries = carried({ principal: null, digest: null, ...change })
  return writeHeader(carries, { method, target: '/channel/2', sessionId: null }, (text) =>
    seal.macs('forward', text),
  )
}

function frameHead(change: Partial<Carried & Pick<Common, 'target'>> = {}, secret = clusterSecret): string {
  const all = { ...carried(), target, ...change }
  const headers = ['content-type', 'application/json', 'accept', 'application/json, text/event-stream']
  const { peer, client, base } = all
  const principal = all.principal as Common['principal']
  const seal = createSeal([secret])
  return writeBrought(all, { principal, peer, client, base, target: all.target, headers }, body, (text) =>
    seal.macs('forward', text),
  )
}

describe.skipIf(redisProgram === null)('a channel to the internal port', () => {
  let socket: WebSocket
  beforeAll(async () => {
    const opened = await openChannel(signedOpening())
    if (opened === null) throw new Error('no channel')
    socket = opened
  })
  afterAll(() => socket.close())

  /** The status of the answer to a request. */
  function ask(head: string, message = body): Promise<number> {
    return new Promise((resolve) => {
      socket.onmessage = ({ data }) => resolve(readFrames(String(data))?.[0]?.value ?? 0)
      socket.send(frameText('R', 1, 0, head, message))
    })
  }

  test.each([
    { why: 'without the header', header: () => null },
    { why: 'with that of another request', header: () => signedOpening({}, 'POST') },
    { why: 'for another member', header: () => signedOpening({ to: 'e'.repeat(16) }) },
  ])('is not opened $why', async ({ header }) => {
    expect(await openChannel(header())).toBeNull()
  })

  test('is opened once for each header', async () => {
    const header = signedOpening()
    const opened = await openChannel(header)
    expect(opened).not.toBeNull()
    opened?.close()
    expect(await openChannel(header)).toBeNull()
  })

  test('serves what a member brings, once', async () => {
    const head = frameHead()
    expect(await ask(head)).toBe(200)
    expect(await ask(head)).toBe(403)
  })

  test.each([
    { why: 'that another secret has signed', head: () => frameHead({}, 'x'.repeat(32)) },
    { why: 'for another member', head: () => frameHead({ to: 'e'.repeat(16) }) },
    { why: 'of two minutes ago', head: () => frameHead({ atMs: Date.now() - 120_000 }) },
    {
      why: 'of an admin',
      head: () => frameHead({ principal: { id: 'admin:x', shown: 'admin:x', role: 'admin' as 'client' } }),
    },
    { why: 'of nobody', head: () => frameHead({ principal: null }) },
    { why: 'to another place', head: () => frameHead({ target: '/admin/mcps' }) },
    { why: 'with another header under its code', head: () => frameHead().replace('json', 'text') },
    { why: 'with another sender under its code', head: () => frameHead().replace('ffff', 'eeee') },
    { why: 'that ends within its first line', head: () => frameHead().split('\n')[0] ?? '' },
    { why: 'with noise', head: () => 'noise' },
  ])('refuses a request $why', async ({ head }) => {
    expect(await ask(head())).toBe(403)
  })

  test('refuses a request with another message', async () => {
    expect(await ask(frameHead(), body.replace('"x"', '"y"'))).toBe(403)
  })
})

describe.skipIf(redisProgram === null)('the public port', () => {
  test('does not read the header: whoever sends it is who they are without it', async () => {
    const [first] = cluster.gateways
    const response = await bring(signed(carried()), { at: first?.url ?? '' })
    expect(response.status).toBe(401)
  })

  test('passes on who let a client in, not who the client says it is', async () => {
    const url = cluster.face('kept', 'stream')
    await using client = await RawClient.open(url, { token: 'token-of-ada' })
    const response = await client.post('{"jsonrpc":"2.0","id":2,"method":"ping"}', {
      headers: { authorization: 'Bearer token-of-bob', 'compozy-forwarded': signed(carried()) },
    })
    expect(response.status).toBe(404)
  })

  test('lets a key see as much at another replica as at its own', async () => {
    const url = cluster.face('keyed', 'stream')
    await using client = await RawClient.open(url, { token: key })
    expect((await client.call<{ pid: number }>(1, 'pid', {})).pid).toBeGreaterThan(0)
    const { answer } = await client.callTool(2, 'echo', { secret: 'x' })
    expect(answer.error?.code).toBe(-32602)
    const stateless = { token: key, id: 3 }
    expect((await callModern(url, 'pid', {}, stateless)).answer.error).toBeUndefined()
    expect((await callModern(url, 'echo', {}, { ...stateless, id: 4 })).answer.error?.code).toBe(-32602)
  })

  test('knows a forged id, and asks nobody about it', async () => {
    await using client = await RawClient.open(cluster.face('kept', 'stream'), { token: 'token-of-ada' })
    const forged = client.sessionId.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))
    const response = await client.post('{"jsonrpc":"2.0","id":2,"method":"ping"}', {
      headers: { 'mcp-session-id': forged },
    })
    expect(response.status).toBe(404)
  })
})
