/**
 * What the definition of a server says of being one gateway of several processes: whether calls of a client without
 * sessions keep to one of them (`affinity`), and what becomes of sessions whose process is gone (`onOwnerLoss`).
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { type RunningGateway, startGatewayProcess } from '../../support/gateway.ts'
import { callModern } from '../../support/modern-client.ts'
import { RawClient } from '../../support/raw-client.ts'
import { commandOfRawServer } from '../../support/raw-fixture.ts'

const raw = { transport: 'stdio', ...commandOfRawServer() }

let gateway: RunningGateway
beforeAll(async () => {
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: { workers: 2 },
      mcps: [
        { name: 'goes-on', ...raw },
        { name: 'ends', ...raw, onOwnerLoss: 'end' },
        { name: 'spread', ...raw, affinity: 'none' },
      ],
    },
  })
})
afterAll(async () => {
  await gateway?.stop()
})

/** On a connection of its own each time, so that the kernel chooses among the workers. */
const headers = { connection: 'close' }

/** The worker under which a process runs. */
function workerOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
}

async function open(name: string): Promise<{ client: RawClient; worker: number; pid: number }> {
  const client = await RawClient.open(gateway.face(name, 'stream'), { headers })
  const { pid } = await client.call<{ pid: number }>(1, 'pid', {})
  return { client, pid, worker: workerOf(pid) }
}

/** One that this worker has opened. */
async function openAt(worker: number, name: string): ReturnType<typeof open> {
  for (;;) {
    const opened = await open(name)
    if (opened.worker === worker) return opened
    await opened.client[Symbol.asyncDispose]()
  }
}

const pingText = (id: number) => JSON.stringify({ jsonrpc: '2.0', id, method: 'ping' })

test.each([
  { name: 'goes-on', workers: 1, why: 'they find what earlier ones have left behind' },
  { name: 'spread', workers: 2, why: 'its affinity is none' },
])(
  'calls of a client without sessions at $name run at so many workers: $workers, as $why',
  async ({ name, workers }) => {
    const seen = new Set<number>()
    for (let id = 1; id <= 24; id++) {
      const { answer } = await callModern(gateway.face(name, 'stream'), 'pid', {}, { id, headers })
      const { pid = 0 } = (answer.result?.structuredContent ?? {}) as { pid?: number }
      seen.add(workerOf(pid))
    }
    expect(seen.size).toBe(workers)
  },
)

test.each([
  { signal: 'SIGKILL', said: /a worker has ended; another/, why: 'is killed' },
  { signal: 'SIGTERM', said: /a worker has ended as it was told/, why: 'is told to end' },
] as const)(
  'a session whose worker $why goes on, or is over where its server says so',
  async ({ signal, said }) => {
    const ending = await open('ends')
    const going = await openAt(ending.worker, 'goes-on')
    const isTold = (line: string): boolean => said.test(line)
    const before = gateway.lines().filter(isTold).length
    process.kill(ending.worker, signal)
    // Until the worker is gone, its clients notice nothing.
    if (signal === 'SIGTERM') expect((await ending.client.post(pingText(2))).status).toBe(200)
    await gateway.process.line((line) => isTold(line) && gateway.lines().filter(isTold).length > before)
    const { pid } = await going.client.call<{ pid: number }>(2, 'pid', {})
    expect(pid).not.toBe(going.pid)
    for (const id of [3, 4]) {
      const refused = await ending.client.post(pingText(id))
      expect(refused.status).toBe(404)
      expect(await refused.text()).toContain('SESSION_UNKNOWN')
    }
    expect(gateway.lines().join('\n')).not.toContain('the time to hand over is up')
    // Its client begins anew, where the server lives.
    const again = await open('ends')
    expect(again.pid).not.toBe(ending.pid)
    await Promise.all([going, again].map(({ client }) => client[Symbol.asyncDispose]()))
  },
)
