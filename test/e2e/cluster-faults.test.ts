/**
 * Gateways of a cluster that die, stand still or go: what is known not to have run is served elsewhere, what may have
 * run is answered under its id and never run again. The server writes down every call that reaches it.
 *
 * CLUSTER_ROUNDS=20 kills so often, and has the cases that take long (`bun run test:long:cluster`).
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { join, resolve } from 'node:path'
import { readEvents } from '../support/event-reader.ts'
import { poll, type RunningGateway } from '../support/gateway.ts'
import { RawClient, type RpcMessage, readExchange } from '../support/raw-client.ts'
import { redisProgram } from '../support/redis-server.ts'
import { type RunningReplicas, startReplicas } from '../support/replicas.ts'
import { tallied } from '../support/tally.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const rounds = Number(process.env['CLUSTER_ROUNDS'] ?? 0)
/** Without these rounds, or without Redis. */
const isShort = redisProgram === null || rounds === 0
let directory: ReturnType<typeof temporaryDirectory>
let tally: string
let cluster: RunningReplicas

beforeEach(async () => {
  directory = temporaryDirectory()
  tally = join(directory.path, 'calls')
  cluster = await startReplicas({
    cluster: { lease: '2s' },
    settings: { shutdown_timeout: '10s' },
    mcps: [
      {
        name: 'raw',
        transport: 'stdio',
        command: process.execPath,
        args: [rawServer, '--transport', 'stdio', '--tally', tally],
      },
    ],
  })
}, 60_000)
afterEach(async () => {
  await cluster[Symbol.asyncDispose]()
  directory[Symbol.dispose]()
})

const asking = { capabilities: { roots: {} } }

function open(): Promise<RawClient> {
  return RawClient.open(cluster.face('raw', 'stream'), asking)
}

/** The gateway that holds a session. */
function ownerOf({ sessionId }: RawClient): RunningGateway {
  const url = cluster.splitter.begunAt(sessionId)
  const owner = cluster.gateways.find((gateway) => gateway.url === url)
  if (owner === undefined) throw new Error('no gateway has begun the session')
  return owner
}

/** How often each call reached a server, by what it says. */
function runs(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { method, params } of tallied(tally)) {
    if (method !== 'tools/call') continue
    const nonce = String((params?.['arguments'] as { nonce?: string } | undefined)?.nonce)
    counts.set(nonce, (counts.get(nonce) ?? 0) + 1)
  }
  return counts
}

function repeated(): string[] {
  return [...runs()].filter(([nonce, count]) => nonce !== 'undefined' && count > 1).map(([nonce]) => nonce)
}

/** What comes on the standing stream of a client that comes back whenever that ends. */
function listen(client: RawClient, isOver: () => boolean): string[] {
  const tales: string[] = []
  let last: string | undefined
  const read = async (): Promise<void> => {
    while (!isOver()) {
      try {
        const { body } = await client.get(last)
        for await (const { id, data } of readEvents(body ?? new ReadableStream(), { all: true })) {
          last = id ?? last
          const tale = /"tale":"([^"]+)"/.exec(data)?.[1]
          if (tale !== undefined) tales.push(tale)
        }
      } catch {
        await Bun.sleep(20)
      }
    }
  }
  void read()
  return tales
}

/** A call that takes a while; its answer, whatever it is, and when it came. */
async function slowCall(client: RawClient, nonce: string, ms: number) {
  const text = JSON.stringify({
    jsonrpc: '2.0',
    id: nonce,
    method: 'tools/call',
    params: { name: 'slow', arguments: { ms, nonce } },
  })
  const response = await client.post(text)
  const { answer } = await readExchange(response, nonce)
  return { answer, atMs: performance.now(), status: response.status }
}

describe.skipIf(redisProgram === null)('an owner that is killed', () => {
  // In short runs the sessions of the next test show it.
  test.skipIf(isShort)(
    'while its session is idle: the next request works at once',
    async () => {
      const client = await open()
      const before = await client.call<{ pid: number }>(1, 'pid', {})
      await ownerOf(client).process.kill()
      const startedMs = performance.now()
      const after = await client.call<{ pid: number }>(2, 'pid', {})
      expect(after.pid).not.toBe(before.pid)
      expect(performance.now() - startedMs).toBeLessThan(1_000)
      expect((await client.call<{ pid: number }>(3, 'pid', {})).pid).toBe(after.pid)
    },
    30_000,
  )

  test('with calls in flight: each is answered under its id within a second, and none runs twice', async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, open))
    const [first] = clients
    if (first === undefined) throw new Error('unreachable')
    const victim = ownerOf(first)
    // What comes by way of the victim itself is reset with it.
    cluster.splitter.targets = cluster.splitter.targets.filter((url) => url !== victim.url)
    const calls = clients.flatMap((client, index) =>
      Array.from({ length: 5 }, (_, at) => slowCall(client, `c${index}-${at}`, 800)),
    )
    const settled = Promise.all(calls)
    await poll('all calls to run', async () => runs().size >= calls.length)
    const killedMs = performance.now()
    await victim.process.kill()
    const answers = await settled
    for (const { answer, atMs, status } of answers) {
      expect(status).toBe(200)
      if (answer.error === undefined) expect(answer.result?.structuredContent).toEqual({ slept: 800 })
      else {
        expect(answer.error.message).toContain('may have run')
        expect(atMs - killedMs).toBeLessThan(1_000)
      }
    }
    const affected = clients.filter((client) => ownerOf(client) === victim).length
    expect(answers.filter(({ answer }) => answer.error !== undefined).length).toBe(affected * 5)
    expect(affected).toBeGreaterThan(0)
    for (const [index, client] of clients.entries())
      expect((await client.call<{ pid: number }>(`again-${index}`, 'pid', {})).pid).toBeGreaterThan(0)
    expect(repeated()).toEqual([])
  }, 60_000)
})

describe.skipIf(isShort)('an owner that stands still for longer than its lease', () => {
  test('is replaced, and runs nothing twice once it goes on', async () => {
    const client = await open()
    await client.call(1, 'pid', { nonce: 'before' })
    const owner = ownerOf(client)
    // Whoever balances has seen that it answers no probe.
    cluster.splitter.targets = cluster.splitter.targets.filter((url) => url !== owner.url)
    owner.process.signal('SIGSTOP')
    const startedMs = performance.now()
    const answers: Promise<RpcMessage>[] = []
    for (let at = 0; at < 20; at++) {
      answers.push(slowCall(client, `s${at}`, 1).then(({ answer }) => answer))
      await Bun.sleep(300)
    }
    const last = await slowCall(client, 'last', 1)
    expect(last.answer.error).toBeUndefined()
    expect(performance.now() - startedMs).toBeLessThan(15_000)
    owner.process.signal('SIGCONT')
    const all = await Promise.all(answers)
    // Each has an answer of its own, good or bad.
    expect(all.every(({ id }) => typeof id === 'string')).toBe(true)
    await Bun.sleep(500)
    expect(repeated()).toEqual([])
  }, 60_000)
})

describe.skipIf(isShort)('replicas that are replaced one after the other', () => {
  test('fail no call, and lose no event of a standing stream', async () => {
    const clients = await Promise.all(Array.from({ length: 12 }, open))
    const faults: string[] = []
    let calls = 0
    let over = false
    const listeners = await Promise.all([open(), open()])
    const told: string[] = []
    const heard = listeners.map((client) => listen(client, () => over))
    const telling = (async () => {
      for (let at = 0; !over; at++) {
        const message = { jsonrpc: '2.0', method: 'notifications/tell', params: { tale: `tale-${at}` } }
        await Promise.all(
          listeners.map((client) => client.call(`t${at}`, 'emit', { messages: [message], apart: true })),
        )
        told.push(`tale-${at}`)
        await Bun.sleep(30)
      }
    })()
    const busy = clients.map(async (client, index) => {
      while (!over) {
        const nonce = `r${index}-${calls++}`
        try {
          const { answer, status } = await slowCall(client, nonce, 5)
          if (answer.error !== undefined) faults.push(`${nonce}: ${status} ${answer.error.message}`)
        } catch (thrown) {
          faults.push(`${nonce}: ${String(thrown)}`)
        }
        await Bun.sleep(20)
      }
    })
    for (const gateway of cluster.gateways) {
      const next = await cluster.start()
      cluster.splitter.targets = [...cluster.splitter.targets, next.url]
      await Bun.sleep(300)
      gateway.process.signal('SIGTERM')
      // As a balancer does that asks `/healthz`.
      cluster.splitter.targets = cluster.splitter.targets.filter((url) => url !== gateway.url)
      await gateway.process.exited
    }
    await Bun.sleep(1_500)
    over = true
    await Promise.all([...busy, telling])
    await poll('the last tale', async () => heard.every((tales) => tales.includes(told.at(-1) ?? '')))
    for (const tales of heard) expect(tales).toEqual(told)
    expect(faults).toEqual([])
    expect(calls).toBeGreaterThan(100)
    expect(repeated()).toEqual([])
  }, 90_000)
})

describe.skipIf(isShort)('any replica that is killed, again and again', () => {
  test('costs nobody but its own: every call has one end, none runs twice, and every session goes on', async () => {
    let gateways = [...cluster.gateways]
    const clients = await Promise.all(Array.from({ length: 10 }, open))
    for (let round = 0; round < rounds; round++) {
      const victim = gateways[Math.floor(Math.random() * gateways.length)]
      if (victim === undefined) throw new Error('unreachable')
      const calls = clients.flatMap((client, index) =>
        Array.from({ length: 5 }, (_, at) => {
          const nonce = `k${round}-${index}-${at}`
          return slowCall(client, nonce, 700).catch((thrown: unknown) => {
            // The front itself was killed: its client sees that the connection is gone.
            if (!/ECONNRESET|the splitter|stream ended/.test(String(thrown))) throw thrown
            return null
          })
        }),
      )
      await poll('all calls to run', async () =>
        clients.every((_, index) => runs().has(`k${round}-${index}-4`)),
      )
      const killedMs = performance.now()
      await victim.process.kill()
      for (const ended of await Promise.all(calls)) {
        if (ended === null) continue
        const { answer, atMs } = ended
        if (answer.error === undefined) continue
        expect(answer.error.message).toContain('may have run')
        expect(atMs - killedMs).toBeLessThan(1_000)
      }
      cluster.splitter.targets = cluster.splitter.targets.filter((url) => url !== victim.url)
      const next = await cluster.start()
      cluster.splitter.targets = [...cluster.splitter.targets, next.url]
      gateways = [...gateways.filter((gateway) => gateway !== victim), next]
      const startedMs = performance.now()
      await Promise.all(clients.map((client, index) => client.call(`u${round}-${index}`, 'pid', {})))
      expect(performance.now() - startedMs).toBeLessThan(3_000)
    }
    expect(repeated()).toEqual([])
  }, 600_000)
})
