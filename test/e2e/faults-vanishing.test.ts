/** Clients that vanish without a word, by the thousand: nothing of them stays, and nobody else notices. */
import { expect, test } from 'bun:test'
import { callerWays, openCaller } from '../support/callers.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { descendants, descriptorCount, rssMib } from '../support/process-facts.ts'
import { rawStdio, statusOf } from '../support/supervised.ts'
import {
  inBatches,
  openVanishingClient,
  openVanishingStateless,
  type VanishingClient,
} from '../support/vanishing-client.ts'

const clients = 1_000
/** Of these, as many have a process of their own. */
const clientsWithProcess = 10
const sessionIdleMs = 2_000
/** The gateway looks for memory to give back once in five seconds without calls (`src/runtime/idle-memory.ts`). */
const collectorMs = 6_500

const config = {
  mcp_proxy: {
    timeouts: { session_idle: `${sessionIdleMs}ms`, lane_idle: `${sessionIdleMs}ms` },
    limits: { sessions_per_client_max: 20_000, in_flight_per_server_max: 20_000 },
  },
  mcps: [rawStdio('raw')],
}

interface Footprint {
  readonly processes: number
  readonly descriptors: number
}

function footprint({ pid }: RunningGateway): Footprint {
  return { processes: descendants(pid).length, descriptors: descriptorCount(pid) }
}

/** A thousand come, listen and are gone; resolves when the gateway has seen the last of them off. */
async function wave(gateway: RunningGateway, before: Footprint): Promise<void> {
  const opened: VanishingClient[] = []
  await inBatches(clients, 32, async (n) => {
    const client = await openVanishingClient(
      gateway.face('raw', 'stream'),
      n < clientsWithProcess ? { roots: {} } : {},
    )
    opened.push(client)
    if ((await client.stand()) !== 200) throw new Error('no standing stream')
  })
  expect(await statusOf(gateway, 'raw')).toMatchObject({
    sessions: clients,
    processes: clientsWithProcess + 1,
  })
  expect(footprint(gateway).descriptors).toBeGreaterThan(before.descriptors + clients)
  for (const client of opened) client.vanish()
  const back = async () =>
    (await statusOf(gateway, 'raw')).sessions === 0 && Bun.deepEquals(footprint(gateway), before)
  await poll('everything to be as before', back, sessionIdleMs + 3_000)
}

async function lowestRssMib({ pid }: RunningGateway, withinMs: number): Promise<number> {
  const untilMs = performance.now() + withinMs
  let lowest = Number.POSITIVE_INFINITY
  for (; performance.now() < untilMs; await Bun.sleep(100)) lowest = Math.min(lowest, rssMib(pid))
  return lowest
}

test.concurrent('a thousand clients that vanish with their streams open leave nothing: sessions, processes, descriptors, memory', async () => {
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config,
  })
  const before = footprint(gateway)
  // The first wave also pays for compiled code and the allocator's own; that is no leak, a second one would show it.
  await wave(gateway, before)
  const baselineMib = await lowestRssMib(gateway, collectorMs)
  await wave(gateway, before)
  await poll('the memory', async () => rssMib(gateway.pid) < baselineMib * 1.15, collectorMs)
})

/** As many clients call and are gone before the answer, while others work on every face and in both eras. */
async function disconnects(gateway: RunningGateway, count: number): Promise<void> {
  const url = gateway.face('raw', 'stream')
  let over = false
  const working = callerWays.map(async (way) => {
    await using caller = await openCaller(gateway, 'raw', way)
    let calls = 0
    for (; !over; calls++) {
      const secret = `secret ${way} ${calls}`
      const { answer } = await caller.call(calls, 'echo', { secret })
      expect(answer).toMatchObject({ id: calls, result: { structuredContent: { secret } } })
    }
    return calls
  })
  await inBatches(count, 32, async (n) => {
    // Without a session the end of the connection is a cancel; with one the call goes on unheard.
    const client = await (n % 2 === 0 ? openVanishingClient : openVanishingStateless)(url)
    client.call(n, 'slow', { ms: 50 })
    await Bun.sleep(1)
    client.vanish()
  })
  over = true
  for (const calls of await Promise.all(working)) expect(calls).toBeGreaterThan(0)
}

test.concurrent('ten thousand clients that disconnect in the middle of a call disturb nobody and leave no memory', async () => {
  await using gateway = await startGatewayProcess({ via: 'executable', config })
  const before = footprint(gateway)
  await disconnects(gateway, 5_000)
  const baselineMib = await lowestRssMib(gateway, collectorMs)
  await disconnects(gateway, 5_000)
  await poll('the memory', async () => rssMib(gateway.pid) < baselineMib * 1.15, 2 * collectorMs)
  // `fetch` keeps a few connections of the callers open for a while.
  const { processes, descriptors } = footprint(gateway)
  expect(processes).toBe(before.processes)
  expect(descriptors).toBeLessThan(before.descriptors + 10)
  expect((await statusOf(gateway, 'raw')).status).toBe('connected')
  expect(gateway.lines().filter((line) => /"level":"(error|fatal)"|unhandled/i.test(line))).toEqual([])
})
