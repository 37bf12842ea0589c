/**
 * What admins change at one of three gateways is at both others soon, also where Redis carries no hints; and what is
 * bounded stays within its bound when all three are flooded at once.
 *
 * CLUSTER_FAULTS=1 runs it (`bun run test:long:cluster`).
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { startReplica } from '../support/cluster.ts'
import { json, startCountedHttp } from '../support/counted-http.ts'
import { poll, type RunningGateway } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { type RedisServer, redisProgram, startRedis } from '../support/redis-server.ts'
import { quantile, spread } from '../support/spread.ts'

const wanted = process.env['CLUSTER_FAULTS'] === '1' && redisProgram !== null
const modernServer = resolve(import.meta.dir, '../support/modern-raw-server.ts')
const changesCount = 1_000
const changesWithoutHints = 102

let redis: RedisServer
let gateways: RunningGateway[]

beforeAll(async () => {
  if (!wanted) return
  redis = await startRedis()
  // Of few tools: reading hundreds of them again and again would take longer than what is measured.
  const command = { command: process.execPath, args: [modernServer] }
  const mcps = [{ name: 'pinned', transport: 'stdio', pin: true, ...command }]
  // The lease is that of users.
  const options = { via: 'executable', cluster: { lease: '4s' }, mcps } as const
  gateways = await Promise.all([1, 2, 3].map(() => startReplica(redis, options)))
}, 60_000)
afterAll(async () => {
  if (!wanted) return
  await Promise.all(gateways.map((gateway) => gateway.stop()))
  await redis[Symbol.asyncDispose]()
})

type Body = Readonly<Record<string, unknown>>

async function ask(gateway: RunningGateway, method: string, path: string, body?: unknown) {
  const answer = await fetch(`${gateway.url}/admin${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, body: (text === '' ? {} : JSON.parse(text)) as Body }
}

async function pinnedAt(gateway: RunningGateway) {
  const { body } = await ask(gateway, 'GET', '/approvals?name=pinned')
  const [server] = body['servers'] as { pendingHash: string; approved: unknown[] }[]
  if (server === undefined) throw new Error('the server is not pinned')
  return server
}

/** A change at one gateway, and whether another one has it. */
interface Change {
  readonly kind: string
  make(gateway: RunningGateway): Promise<void>
  isAt(gateway: RunningGateway): Promise<boolean>
}

/** Six changes that leave everything as it was. */
function changesOf(at: number): Change[] {
  const name = `s${at}`
  let keyId = ''
  const expected = async (wantedStatus: number, asked: ReturnType<typeof ask>): Promise<Body> => {
    const { status, body } = await asked
    expect(status, JSON.stringify(body)).toBe(wantedStatus)
    return body
  }
  const definition = { name, transport: 'streamable-http', url: 'http://127.0.0.1:1/mcp' }
  const statusOf = async (gateway: RunningGateway, path: string) => (await ask(gateway, 'GET', path)).status
  return [
    {
      kind: 'server',
      make: async (gateway) => void (await expected(201, ask(gateway, 'POST', '/mcps', definition))),
      isAt: async (gateway) => (await statusOf(gateway, `/mcps/${name}`)) === 200,
    },
    {
      kind: 'key',
      async make(gateway) {
        const body = { name, access: [{ servers: [name] }] }
        const made = await expected(201, ask(gateway, 'POST', '/keys', body))
        keyId = (made['key'] as { id: string }).id
      },
      isAt: async (gateway) => (await statusOf(gateway, `/keys/${keyId}`)) === 200,
    },
    {
      kind: 'approval',
      async make(gateway) {
        const { pendingHash } = await pinnedAt(gateway)
        await expected(200, ask(gateway, 'POST', '/approvals/pinned', { all: pendingHash }))
      },
      isAt: async (gateway) => (await pinnedAt(gateway)).approved.length > 0,
    },
    {
      kind: 'approval',
      make: async (gateway) => void (await expected(204, ask(gateway, 'DELETE', '/approvals/pinned?all'))),
      isAt: async (gateway) => (await pinnedAt(gateway)).approved.length === 0,
    },
    {
      kind: 'key',
      make: async (gateway) => void (await expected(204, ask(gateway, 'DELETE', `/keys/${keyId}?open=true`))),
      // A key that was taken back is shown as such.
      isAt: async (gateway) => {
        const { status, body } = await ask(gateway, 'GET', `/keys/${keyId}`)
        return status === 404 || (body['key'] as { status?: string }).status !== 'active'
      },
    },
    {
      kind: 'server',
      make: async (gateway) => void (await expected(204, ask(gateway, 'DELETE', `/mcps/${name}`))),
      isAt: async (gateway) => (await statusOf(gateway, `/mcps/${name}`)) === 404,
    },
  ]
}

/** Makes so many, at each gateway in turn; when each was at the last of the others, since its answer. */
async function measure(count: number, pauseMsMax: number): Promise<number[]> {
  const tookMs: number[] = []
  for (let at = 0; tookMs.length < count; at++)
    for (const [step, { kind, make, isAt }] of changesOf(at).entries()) {
      const from = gateways[(at + step) % 3] as RunningGateway
      const others = gateways.filter((gateway) => gateway !== from)
      // At any time between two beats.
      await Bun.sleep(Math.random() * pauseMsMax)
      await make(from)
      const answeredMs = performance.now()
      await Promise.all(others.map((other) => poll(`the ${kind}`, () => isAt(other))))
      tookMs.push(performance.now() - answeredMs)
    }
  return tookMs
}

describe.skipIf(!wanted)('what admins change', () => {
  test('is everywhere within 200 ms of its answer', async () => {
    const tookMs = await measure(changesCount, 10)
    console.log(`  changes of servers, keys and approvals were everywhere after ${spread(tookMs)}`)
    expect(quantile(tookMs, 0.99)).toBeLessThan(200)
  }, 300_000)

  test('is everywhere within a second where Redis carries no hints', async () => {
    // Whoever listens is cut off, and nobody may listen or say anything any more.
    await redis.command('ACL', 'SETUSER', 'default', 'resetchannels')
    const tookMs = await measure(changesWithoutHints, 400)
    const { body } = await ask(gateways[0] as RunningGateway, 'GET', '/cluster')
    await redis.command('ACL', 'SETUSER', 'default', 'allchannels')
    console.log(`  and without hints after ${spread(tookMs)}`)
    expect(JSON.stringify(body)).toContain('NOPERM')
    expect(quantile(tookMs, 0.99)).toBeLessThan(1_000)
  }, 300_000)

  test('is everywhere within a second where listeners are cut off again and again', async () => {
    let isOver = false
    const cutting = (async () => {
      while (!isOver) {
        await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
        await Bun.sleep(100)
      }
    })()
    const tookMs = await measure(changesWithoutHints, 400)
    isOver = true
    await cutting
    console.log(`  with listeners cut off ten times a second after ${spread(tookMs)}`)
    expect(quantile(tookMs, 0.99)).toBeLessThan(1_000)
  }, 300_000)
})

const bounds = { sessions: 40, inFlight: 24 }
const floodMs = 8_000

test.skipIf(!wanted)(
  'sessions and calls in flight stay within their bounds under a flood at all three at once, and use them',
  async () => {
    await using floodRedis = await startRedis()
    let running = 0
    let most = 0
    const odd = {
      runs: true,
      respond(response: Parameters<typeof json>[0], id: number) {
        most = Math.max(most, ++running)
        setTimeout(() => {
          running--
          json(response, 200, { jsonrpc: '2.0', id, result: { content: [] } })
        }, 30)
      },
    }
    await using server = await startCountedHttp({ flooded: odd })
    const { sessions, inFlight } = bounds
    const limits = {
      sessions_max: sessions,
      sessions_per_client_max: 1_000,
      in_flight_per_server_max: inFlight,
    }
    const mcps = [{ name: 'flooded', transport: 'streamable-http', url: server.url('flooded') }]
    const options = { via: 'executable', settings: { limits }, mcps } as const
    const flooded = await Promise.all([1, 2, 3].map(() => startReplica(floodRedis, options)))
    const faceAt = (at: number): URL => (flooded[at % 3] as RunningGateway).face('flooded', 'stream')
    const attempts = await Promise.allSettled(
      Array.from({ length: 150 }, (_, at) => RawClient.open(faceAt(at))),
    )
    const clients = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []))
    for (const attempt of attempts)
      if (attempt.status === 'rejected') expect(String(attempt.reason)).toContain('SESSIONS_EXHAUSTED')
    let [answered, refused] = [0, 0]
    const endsMs = performance.now() + floodMs
    await Promise.all(
      clients.flatMap((client, index) =>
        [0, 1, 2].map(async (lane) => {
          for (let at = 0; performance.now() < endsMs; at++) {
            const id = `${index}-${lane}-${at}`
            const { answer } = await client.callTool(id, 'odd', { nonce: id })
            if (answer.error === undefined) answered++
            else {
              expect(answer.error.message).toContain('in flight')
              refused++
            }
          }
        }),
      ),
    )
    console.log(
      `  ${clients.length} of 150 sessions for a bound of ${sessions}; at most ${most} calls in flight for a bound of ${inFlight}, ${answered} answered, ${refused} refused`,
    )
    expect(clients).toHaveLength(sessions)
    expect(most).toBeLessThanOrEqual(inFlight)
    expect(most).toBeGreaterThan(inFlight * 0.9)
    await Promise.all(flooded.map((gateway) => gateway.stop()))
  },
  120_000,
)
