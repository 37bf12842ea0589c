/** Who reaches the port at which replicas reach each other, or writes its header elsewhere, becomes nobody by that. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { type Common, writeBrought, writeMessage } from '../../src/cluster/forward/wire/channel/brought.ts'
import { frameText, readFrames } from '../../src/cluster/forward/wire/channel/frames.ts'
import { channelTarget } from '../../src/cluster/forward/wire/channel/front-channel.ts'
import { type Carried, digestOfBody, writeHeader } from '../../src/cluster/forward/wire/forwarded-header.ts'
import { createSeal } from '../../src/cluster/seal.ts'
import { wireVersion } from '../../src/cluster/wire-version.ts'
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
  if (redisProgram === null) return
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
afterAll(() => cluster?.[Symbol.asyncDispose]())

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
    wire: wireVersion,
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
  const socket = new WebSocket(`${internal.replace('http', 'ws')}${channelTarget}`, { headers })
  return new Promise((resolve) => {
    socket.onopen = () => resolve(socket)
    socket.onclose = () => resolve(null)
  })
}

function signedOpening(change: Partial<Carried> = {}, method = 'GET'): string {
  const seal = createSeal([clusterSecret])
  const carries = carried({ principal: null, digest: null, ...change })
  return writeHeader(carries, { method, target: channelTarget, sessionId: null }, (text) =>
    seal.macs('forward', text),
  )
}

/** One request, as a member writes it. */
function message(change: Partial<Carried & Pick<Common, 'target'>> = {}, secret = clusterSecret): string {
  const all = { ...carried(), target, ...change }
  const headers = ['content-type', 'application/json', 'accept', 'application/json, text/event-stream']
  const { peer, client, base, requestId } = all
  const principal = all.principal as Common['principal']
  const head = writeBrought(requestId, { principal, peer, client, base, target: all.target, headers })
  const seal = createSeal([secret])
  return writeMessage(all, frameText('R', 1, 0, head, body), (text) => seal.macs('forward', text))
}

describe.skipIf(redisProgram === null)('a channel to the internal port', () => {
  let socket: WebSocket
  beforeAll(async () => {
    const opened = await openChannel(signedOpening())
    if (opened === null) throw new Error('no channel')
    socket = opened
  })
  afterAll(() => socket.close())

  /** The status of the answer to the request in it. */
  function ask(text: string): Promise<number> {
    return new Promise((resolve) => {
      socket.onmessage = ({ data }) => resolve(readFrames(String(data))?.[0]?.value ?? 0)
      socket.send(text)
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
    const text = message()
    expect(await ask(text)).toBe(200)
    expect(await ask(text)).toBe(403)
  })

  test.each([
    { why: 'that another secret has signed', text: () => message({}, 'x'.repeat(32)) },
    { why: 'for another member', text: () => message({ to: 'e'.repeat(16) }) },
    { why: 'of two minutes ago', text: () => message({ atMs: Date.now() - 120_000 }) },
    {
      why: 'of an admin',
      text: () => message({ principal: { id: 'admin:x', shown: 'admin:x', role: 'admin' as 'client' } }),
    },
    { why: 'of nobody', text: () => message({ principal: null }) },
    { why: 'to another place', text: () => message({ target: '/admin/mcps' }) },
    { why: 'with another header under its code', text: () => message().replace('json', 'text') },
    { why: 'of another principal under its code', text: () => message().replaceAll('ada', 'bob') },
    { why: 'of another sender under its code', text: () => message().replace('ffff', 'eeee') },
    { why: 'with another body under its code', text: () => message().replace('"x"', '"y"') },
    { why: 'with another number under its code', text: () => message().replace(/ \d+\n/, ' 999\n') },
    { why: 'without its code', text: () => message().replace(/^.{43}/, 'A'.repeat(43)) },
  ])('refuses a request $why', async ({ text }) => {
    expect(await ask(text())).toBe(403)
  })

  test.each([
    { why: 'noise', text: () => 'noise' },
    { why: 'bytes', text: () => new Uint8Array([1, 2, 3]) },
    { why: 'a message that ends within its first line', text: () => message().split('\n')[0] ?? '' },
    { why: 'a message that ends within a request', text: () => message().slice(0, -1) },
  ])('ends with $why', async ({ text }) => {
    const opened = await openChannel(signedOpening())
    const closed = new Promise((resolve) => opened?.addEventListener('close', resolve))
    opened?.send(text())
    await closed
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
