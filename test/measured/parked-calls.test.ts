/** Calls that wait for input of a client that never comes back leave nothing behind, however many they are. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { callModern } from '../support/modern-client.ts'
import { type RunningProcess, startProcess } from '../support/process.ts'
import { rssMib } from '../support/process-facts.ts'
import type { RpcMessage } from '../support/raw-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const callsAtOnce = 200
/** What every call carries: a leak of one wave is 26 MB and more. */
const argumentBytes = 128 * 1024
const directory = temporaryDirectory()
const tally = join(directory.path, 'tally')
let upstream: RunningProcess
let gateway: RunningGateway

beforeAll(async () => {
  upstream = startProcess({
    command: [process.execPath, rawServer, '--transport', 'http', '--tally', tally],
  })
  const { url } = JSON.parse(await upstream.line((line) => line.startsWith('{"url"'))) as { url: string }
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: { timeouts: { client_input: '400ms' } },
      mcps: [{ name: 'raw', transport: 'streamable-http', url }],
    },
  })
}, 30_000)

afterAll(async () => {
  await gateway.stop()
  await upstream.kill()
  directory[Symbol.dispose]()
})

/** 200 calls whose clients are asked and stay away. Resolves when the server has heard of the end of each. */
async function wave(expired: number): Promise<void> {
  const replies = await Promise.all(
    Array.from({ length: callsAtOnce }, (_, id) =>
      callModern(
        gateway.face('raw', 'stream'),
        'ask',
        { method: 'roots/list', params: {}, ballast: 'x'.repeat(argumentBytes) },
        { id, capabilities: { roots: {} } },
      ),
    ),
  )
  const kinds = new Set(replies.map(({ answer }) => answer.result?.['resultType']))
  expect([...kinds]).toEqual(['input_required'])
  await poll('the cancels', async () => heard().cancelled.length === expired)
}

interface Heard {
  readonly calls: unknown[]
  readonly cancelled: unknown[]
  readonly refusals: RpcMessage[]
}

let readBytes = 0
const all: Heard = { calls: [], cancelled: [], refusals: [] }

/** What has reached the server so far. Reads only what is new of the tally. */
function heard(): Heard {
  const fresh = readFileSync(tally).subarray(readBytes)
  const whole = fresh.subarray(0, fresh.lastIndexOf(10) + 1)
  readBytes += whole.length
  for (const line of whole.toString('utf8').split('\n')) {
    if (line === '') continue
    const message = JSON.parse(line) as RpcMessage
    if (message.method === 'tools/call') all.calls.push(message.id)
    else if (message.method === 'notifications/cancelled') all.cancelled.push(message.params?.['requestId'])
    else if (message.method === undefined && message.error !== undefined) all.refusals.push(message)
  }
  return all
}

test('200 parked calls expire at once: questions answered, calls cancelled, memory back', async () => {
  const residentMib: number[] = []
  for (const round of [1, 2, 3, 4, 5]) {
    await wave(round * callsAtOnce)
    residentMib.push(rssMib(gateway.pid))
  }
  const { calls, cancelled, refusals } = heard()
  // Each call under the id that the server knows it by, each question once.
  expect(calls).toHaveLength(5 * callsAtOnce)
  expect(new Set(cancelled)).toEqual(new Set(calls))
  expect(new Set(refusals.map(({ id }) => id)).size).toBe(5 * callsAtOnce)
  expect([...new Set(refusals.map(({ error }) => error?.code))]).toEqual([-32603])
  // What is garbage goes in the quiet time that follows; what is kept would be 78 MiB more than after two waves.
  const allowedMib = Math.max(...residentMib.slice(0, 2)) + 40
  await poll('the memory', async () => rssMib(gateway.pid) < allowedMib)
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text()
  expect(metrics).toContain('compozy_mcp_requests_in_flight{server="raw"} 0')
}, 60_000)
