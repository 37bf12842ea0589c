/**
 * Gateways of a cluster that go, while their clients call and listen: nobody notices. The server writes down every call
 * that reaches it.
 *
 * CLUSTER_ROUNDS=1 has what takes long (`bun run test:long:cluster`).
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { join, resolve } from 'node:path'
import { readEvents } from '../support/event-reader.ts'
import { poll } from '../support/gateway.ts'
import { RawClient, readExchange } from '../support/raw-client.ts'
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
