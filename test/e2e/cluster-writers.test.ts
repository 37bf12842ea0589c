/**
 * Ids of others, and somebody who writes to Redis: whatever they do, nobody becomes somebody else, and whoever they
 * have not kept out goes on.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { sessionKey } from '../../src/cluster/forward/owned-sessions.ts'
import { challengeHeader, proofHeader } from '../../src/cluster/forward/wire/member-proof.ts'
import { poll, type RunningGateway } from '../support/gateway.ts'
import { callModern } from '../support/modern-client.ts'
import { RawClient } from '../support/raw-client.ts'
import { redisProgram } from '../support/redis-server.ts'
import { type RunningReplicas, startReplicas } from '../support/replicas.ts'

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const oneState = resolve(import.meta.dir, '../support/one-state-server.ts')
const [ada, bob] = ['token-of-ada', 'token-of-bob']
let cluster: RunningReplicas

beforeAll(async () => {
  if (redisProgram === null) return
  const raw = { transport: 'stdio', command: process.execPath, args: [rawServer, '--transport', 'stdio'] }
  cluster = await startReplicas({
    cluster: { lease: '2s' },
    mcps: [
      { ...raw, name: 'kept', authTokens: [ada, bob] },
      { ...raw, name: 'other', authTokens: [ada, bob] },
      { ...raw, name: 'asks', args: [oneState], authTokens: [ada, bob] },
      { name: 'both', transport: 'group', members: [{ server: 'kept' }], authTokens: [ada, bob] },
    ],
  })
}, 60_000)
afterAll(() => cluster?.[Symbol.asyncDispose]())

const open = (token: string) => RawClient.open(cluster.face('kept', 'stream'), { token })
const nameOf = (client: RawClient) => `{cz:default}:${sessionKey(client.sessionId)}`
const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'

async function field(client: RawClient, name: string): Promise<string> {
  return (await cluster.redis.command('HGET', nameOf(client), name)).split('\r\n')[1] ?? ''
}

test.skipIf(redisProgram === null)(
  'an id is good for its principal, its server and its endpoint alone',
  async () => {
    await using client = await open(ada)
    const statusOf = async (url: string, token = ada) => {
      const headers = { ...client.headers(), authorization: `Bearer ${token}` }
      return (await fetch(url, { method: 'POST', headers, body: ping })).status
    }
    for (const { url } of cluster.gateways) {
      const prefix = `${url}/mcp-proxy`
      expect(await statusOf(`${prefix}/kept/stream`)).toBe(200)
      const asked = [
        statusOf(`${prefix}/kept/stream`, bob),
        statusOf(`${prefix}/other/stream`),
        statusOf(`${prefix}/both/stream`),
        statusOf(`${prefix}/kept/message?sessionId=${client.sessionId}`),
      ]
      expect(await Promise.all(asked)).toEqual([404, 404, 404, 404])
    }
  },
)

test.skipIf(redisProgram === null)(
  'the answer to a question counts from whom it was asked alone',
  async () => {
    const url = cluster.face('asks', 'stream')
    const args = { method: 'roots/list' }
    const post = { token: ada, capabilities: { roots: {} } }
    const asked = await callModern(url, 'ask', args, post)
    const [key = ''] = Object.keys(asked.answer.result?.['inputRequests'] ?? {})
    const requestState = asked.answer.result?.['requestState']
    const params = { requestState, inputResponses: { [key]: { roots: [] } } }
    for (let at = 0; at < cluster.gateways.length; at++) {
      const { answer } = await callModern(url, 'ask', args, { ...post, token: bob, params })
      expect(answer.error?.code).toBe(-32602)
    }
    const { answer } = await callModern(url, 'ask', args, { ...post, params })
    expect(answer.result?.structuredContent).toMatchObject({ result: { roots: [] } })
    // And once.
    expect((await callModern(url, 'ask', args, { ...post, params })).answer.error?.code).toBe(-32602)
  },
)

test.skipIf(redisProgram === null)(
  'whoever takes leases and owners away in Redis takes no session from an owner that lives',
  async () => {
    await using client = await open(ada)
    const before = await client.call<{ pid: number }>(1, 'pid', {})
    await cluster.redis.command('DEL', '{cz:default}:ml', '{cz:default}:m')
    await cluster.redis.command('HSET', nameOf(client), 'o', 'nobody0000000000', 'e', '900719925474099')
    for (let id = 2; id < 8; id++) expect(await client.call<{ pid: number }>(id, 'pid', {})).toEqual(before)
  },
)

test.skipIf(redisProgram === null)(
  'a record that was put in the place of another one makes nobody its owner once the gateway is gone',
  async () => {
    const [client, mallory] = [await open(ada), await open(bob)]
    await poll(
      'both to be registered',
      async () => (await field(mallory, 'r')) !== '' && (await field(client, 'r')) !== '',
    )
    const stolen = await field(client, 'r')
    await cluster.redis.command('HSET', nameOf(mallory), 'r', stolen)
    const victim = await cluster.ownerOf(mallory.sessionId)
    cluster.splitter.targets = cluster.splitter.targets.filter((url) => url !== victim.url)
    await victim.process.kill()
    const response = await mallory.post(ping)
    expect(response.status).toBe(404)
    // Its own record, moved under the id of somebody else, opens nothing either.
    const [living] = cluster.gateways.filter((gateway) => gateway !== victim) as RunningGateway[]
    const url = living?.face('kept', 'stream') ?? ''
    const headers = { ...client.headers(), authorization: `Bearer ${bob}` }
    expect((await fetch(url, { method: 'POST', headers, body: ping })).status).toBe(404)
    expect((await client.call<{ pid: number }>(9, 'pid', {})).pid).toBeGreaterThan(0)
  },
)

test.skipIf(redisProgram === null)(
  'whoever has the address of a gateway that is gone, and writes its record again, is sent nothing of a client',
  async () => {
    const canary = 'canary-argument'
    const client = await open(ada)
    await client.call(1, 'pid', { canary })
    const victim = await cluster.ownerOf(client.sessionId)
    const advertised = cluster.advertised[cluster.gateways.indexOf(victim)] ?? ''
    const headers = { [challengeHeader]: 'n'.repeat(32) }
    const pong = await fetch(`http://${advertised}/ping`, { headers })
    const [instance, proof] = [await pong.text(), pong.headers.get(proofHeader) ?? '']
    expect(proof).toContain(instance)
    const { redis } = cluster
    const record = (await redis.command('HGET', '{cz:default}:m', instance)).split('\r\n')[1] ?? ''
    cluster.splitter.targets = cluster.splitter.targets.filter((url) => url !== victim.url)
    await victim.process.kill()
    let came = ''
    const [hostname = '', port] = advertised.split(':')
    using fake = Bun.listen({
      hostname,
      port: Number(port),
      socket: {
        data(socket, bytes) {
          const text = bytes.toString()
          came += text
          const begin = text.startsWith('GET /channel')
            ? 'HTTP/1.1 101 Switching Protocols\r\n'
            : `HTTP/1.1 200 OK\r\ncontent-length: ${instance.length}\r\n`
          socket.write(
            `${begin}${proofHeader}: ${proof}\r\n\r\n${text.startsWith('GET /ping') ? instance : ''}`,
          )
        },
      },
    })
    expect(fake.port).toBe(Number(port))
    await redis.command('HSET', '{cz:default}:m', instance, record)
    await redis.command('ZADD', '{cz:default}:ml', String(Date.now() + 60_000), instance)
    const beganMs = performance.now()
    expect((await client.call<{ pid: number }>(2, 'pid', { canary })).pid).toBeGreaterThan(0)
    expect(performance.now() - beganMs).toBeLessThan(5_000)
    await client.stand()
    await client.close()
    expect(came).toContain('GET /ping')
    for (const text of [ada, canary, client.sessionId, 'jsonrpc', 'mcp-proxy'])
      expect(came).not.toContain(text)
  },
)
