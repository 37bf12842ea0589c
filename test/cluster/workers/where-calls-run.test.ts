/**
 * Which worker runs a call: that of its session or lane, or whichever it comes to (`affinity`); connections come to be
 * at the right one; and what becomes of sessions whose worker is gone (`onOwnerLoss`).
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { type HttpSocket, openHttpSocket } from '../../../bench/load/http-socket.ts'
import { type RunningGateway, startGatewayProcess } from '../../support/gateway.ts'
import { callModern, modernHeaders, modernText } from '../../support/modern-client.ts'
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

/** One client that keeps its connection until the gateway ends it. */
class KeepingClient {
  readonly #text: string
  #socket: HttpSocket | null = null
  /** Answers since the connection was begun. */
  answers = 0

  constructor(path: string, headers: Readonly<Record<string, string>>, body: string) {
    const all = { ...headers, 'content-length': String(body.length), host: new URL(gateway.url).host }
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
    this.#text = [`POST ${path} HTTP/1.1`, ...lines, '', body].join('\r\n')
  }

  async call(): Promise<void> {
    const { hostname: host, port } = new URL(gateway.url)
    this.#socket ??= await openHttpSocket({ host, port: Number(port) })
    const { status, head } = await this.#socket.request(this.#text)
    expect(status).toBe(200)
    this.answers++
    if (!/\r\nconnection: *close/i.test(head)) return
    this.close()
    this.answers = 0
  }

  close(): void {
    this.#socket?.close()
    this.#socket = null
  }
}

async function passedOn(): Promise<number> {
  const page = await (await fetch(`${gateway.url}/metrics`)).text()
  const counts = page.matchAll(/^compozy_cluster_forwards_total\{[^}]*\} (\d+)/gm)
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
}

test.each([
  { whose: 'a session', name: 'goes-on' },
  { whose: 'a client without sessions', name: 'goes-on' },
])(
  'connections of $whose are ended until they come to its worker; then nothing is passed on',
  async ({ whose, name }) => {
    const path = `/mcp-proxy/${name}/stream`
    const session = await RawClient.open(gateway.face(name, 'stream'), { headers })
    const post = { params: { name: 'pid', arguments: {} } }
    const clients = Array.from({ length: 8 }, () =>
      whose === 'a session'
        ? new KeepingClient(
            path,
            {
              'content-type': 'application/json',
              accept: 'application/json, text/event-stream',
              'mcp-session-id': session.sessionId,
            },
            pingText(1),
          )
        : new KeepingClient(path, modernHeaders('tools/call', post), modernText('tools/call', post)),
    )
    // One that is at the wrong worker is ended before so many answers.
    for (const client of clients) while (client.answers < 8) await client.call()
    const settled = await passedOn()
    for (const client of clients) for (let n = 0; n < 8; n++) await client.call()
    expect(await passedOn()).toBe(settled)
    for (const client of clients) client.close()
    await session[Symbol.asyncDispose]()
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
