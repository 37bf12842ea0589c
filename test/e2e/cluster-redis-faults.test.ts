/**
 * Redis fails in every way that it can while clients call and admins change things at three gateways: no call of a
 * known session fails, and whatever an admin was told to be done is there afterwards, at every gateway.
 */
import { expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { compiler, createFalseClock } from '../support/false-clock.ts'
import { poll, type RunningGateway } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { redisProgram, startRedis } from '../support/redis-server.ts'
import { type RunningReplicas, startReplicas } from '../support/replicas.ts'
import { startFailover } from '../support/sentinel.ts'
import { startSlowLink } from '../support/slow-link.ts'
import { spread } from '../support/spread.ts'

/** Takes a minute: `bun run test:long:cluster`. */
const wanted = process.env['CLUSTER_FAULTS'] === '1' && redisProgram !== null
const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
/** Keys that are made close every door that asks for nothing. */
const token = 'token-of-ada'
const sessionsCount = 6
const stoppedMs = 10_000
/** Later than any answer of Redis is waited for. */
const slowMs = 3_000
const slowForMs = 8_000

type RedisSettings = Readonly<Record<string, unknown>>

function start(
  redis: RedisSettings,
  server: Awaited<ReturnType<typeof startRedis>>,
): Promise<RunningReplicas> {
  return startReplicas({
    redis: server,
    cluster: { lease: '2s', redis },
    // What it had on disk would hide what the others have to bring back.
    settings: { storage: { type: 'memory' } },
    mcps: [
      {
        name: 'raw',
        transport: 'stdio',
        command: process.execPath,
        args: [rawServer, '--transport', 'stdio'],
        authTokens: [token],
      },
    ],
  })
}

/** What clients and admins have seen. */
class Busy {
  readonly faults: string[] = []
  readonly callsMs: number[] = []
  /** Answers of the admin API by status, and how long the refused ones took. */
  readonly statuses = new Map<number, number>()
  readonly refusedMs: number[] = []
  readonly registered: string[] = []
  readonly keys: string[] = []
  #over = false
  #work: Promise<unknown> = Promise.resolve()
  readonly #cluster: RunningReplicas

  constructor(cluster: RunningReplicas) {
    this.#cluster = cluster
  }

  async begin(): Promise<void> {
    const url = this.#cluster.face('raw', 'stream')
    const clients: RawClient[] = []
    for (let at = 0; at < sessionsCount; at++) clients.push(await RawClient.open(url, { token }))
    this.#work = Promise.all([...clients.map((client, at) => this.#calls(client, at)), this.#changes()])
  }

  async end(): Promise<void> {
    this.#over = true
    await this.#work
  }

  async #calls(client: RawClient, index: number): Promise<void> {
    for (let at = 0; !this.#over; at++) {
      const beganMs = performance.now()
      try {
        await client.call(`${index}-${at}`, 'pid', {})
        this.callsMs.push(performance.now() - beganMs)
      } catch (thrown) {
        this.faults.push(String(thrown))
      }
      await Bun.sleep(20)
    }
  }

  async #changes(): Promise<void> {
    for (let at = 0; !this.#over; at++) {
      const gateway = this.#cluster.gateways[at % 3] as RunningGateway
      const name = `s${at}`
      const definition = { name, transport: 'streamable-http', url: 'http://127.0.0.1:1/mcp' }
      if ((await this.#change(gateway, '/mcps', definition)) !== null) this.registered.push(name)
      const key = await this.#change(gateway, '/keys', { name: `k${at}`, access: [{ servers: ['other'] }] })
      if (key !== null) this.keys.push((key['key'] as { id: string }).id)
      await Bun.sleep(20)
    }
  }

  async #change(
    gateway: RunningGateway,
    path: string,
    body: unknown,
  ): Promise<Record<string, unknown> | null> {
    const beganMs = performance.now()
    const answer = await gateway.admin(path, { method: 'POST', body })
    const text = await answer.text()
    this.statuses.set(answer.status, (this.statuses.get(answer.status) ?? 0) + 1)
    if (answer.status === 201) return JSON.parse(text)
    this.refusedMs.push(performance.now() - beganMs)
    return null
  }

  /** Everything that was answered is there, everywhere, and everywhere it is the same. */
  async expectKept(): Promise<void> {
    const seen = async (gateway: RunningGateway): Promise<[string[], string[]]> => {
      const { mcps } = (await (await gateway.admin('/mcps')).json()) as {
        mcps: { definition: { name: string } }[]
      }
      const { keys } = (await (await gateway.admin('/keys')).json()) as { keys: { id: string }[] }
      return [mcps.map(({ definition }) => definition.name).sort(), keys.map(({ id }) => id).sort()]
    }
    await poll('all gateways to have the same', async () => {
      const all = await Promise.all(this.#cluster.gateways.map(seen))
      return all.every((one) => Bun.deepEquals(one, all[0]))
    })
    for (const gateway of this.#cluster.gateways) {
      const [names, ids] = await seen(gateway)
      expect(this.registered.filter((name) => !names.includes(name))).toEqual([])
      expect(this.keys.filter((id) => !ids.includes(id))).toEqual([])
    }
  }

  say(what: string): void {
    const statuses = [...this.statuses].map(([status, count]) => `${count} × ${status}`).join(', ')
    console.log(
      `  ${what}: calls ${spread(this.callsMs)}, ${this.faults.length} failed; changes ${statuses}; refused after ${spread(this.refusedMs)}`,
    )
  }
}

/** When every gateway says that all of them live and Redis answers. */
async function untilRegistered({ gateways }: RunningReplicas): Promise<void> {
  await poll('all to be registered', async () => {
    const states = await Promise.all(
      gateways.map(async (gateway) => {
        const { cluster } = (await (await gateway.admin('/cluster')).json()) as {
          cluster: { directory: { up: boolean }; members: unknown[] }
        }
        return cluster.directory.up && cluster.members.length === gateways.length
      }),
    )
    return states.every(Boolean)
  })
}

test.skipIf(!wanted)(
  'a failover by Sentinel fails no call, and loses nothing that was answered',
  async () => {
    await using failover = await startFailover()
    const { master, replica, sentinel, masterName } = failover
    const place = { url: 'redis://ignored', sentinels: [sentinel], name: masterName }
    await using cluster = await start(place, master)
    await untilRegistered(cluster)
    const busy = new Busy(cluster)
    await busy.begin()
    await Bun.sleep(1_500)
    const killedMs = performance.now()
    await master.kill()
    await failover.switched()
    const switchedMs = performance.now()
    const members = async () => (await replica.command('ZCARD', '{cz:default}:ml')).trim()
    await untilRegistered(cluster)
    const registeredMs = performance.now()
    expect(await members()).toBe(':3')
    await Bun.sleep(1_000)
    await busy.end()
    busy.say(
      `failed over ${Math.round(switchedMs - killedMs)} ms after the kill, all registered ${Math.round(registeredMs - switchedMs)} ms later`,
    )
    expect(busy.faults.slice(0, 5)).toEqual([])
    expect(busy.registered.length).toBeGreaterThan(10)
    expect(registeredMs - switchedMs).toBeLessThan(2_000)
    await busy.expectKept()
  },
  90_000,
)

test.skipIf(!wanted)(
  'a Redis that stands still for ten seconds fails no call, refuses changes in time, and loses none that it took',
  async () => {
    await using redis = await startRedis()
    await using cluster = await start({ url: redis.url }, redis)
    const busy = new Busy(cluster)
    await busy.begin()
    await Bun.sleep(500)
    redis.process.signal('SIGSTOP')
    await Bun.sleep(stoppedMs)
    redis.process.signal('SIGCONT')
    const beganMs = performance.now()
    await untilRegistered(cluster)
    const tookMs = performance.now() - beganMs
    await Bun.sleep(500)
    await busy.end()
    busy.say(`stood still for ${stoppedMs} ms, all registered ${Math.round(tookMs)} ms later`)
    expect(busy.faults.slice(0, 5)).toEqual([])
    expect(busy.statuses.get(503)).toBeGreaterThan(3)
    expect(tookMs).toBeLessThan(2_000)
    expect(Math.max(...busy.refusedMs)).toBeLessThan(2_500)
    await busy.expectKept()
  },
  90_000,
)

test.skipIf(!wanted)(
  'a Redis whose answers come late, one after the other, is one that is down, until they come in time',
  async () => {
    await using redis = await startRedis()
    await using link = startSlowLink(redis.port)
    await using cluster = await start({ url: `redis://127.0.0.1:${link.port}` }, redis)
    const busy = new Busy(cluster)
    await busy.begin()
    await Bun.sleep(500)
    link.delayMs = slowMs
    await Bun.sleep(slowForMs / 2)
    // Nobody knows of this one but its owner.
    const beganMs = performance.now()
    await using late = await RawClient.open(cluster.face('raw', 'stream'), { token })
    const openedMs = performance.now() - beganMs
    await late.call(1, 'pid', {})
    await Bun.sleep(slowForMs / 2)
    link.delayMs = 0
    await untilRegistered(cluster)
    await Bun.sleep(500)
    await busy.end()
    await late.call(2, 'pid', {})
    busy.say(`answers ${slowMs} ms late, a session begun meanwhile took ${Math.round(openedMs)} ms`)
    expect(busy.faults.slice(0, 5)).toEqual([])
    expect(busy.statuses.get(503)).toBeGreaterThan(2)
    expect(Math.max(...busy.refusedMs)).toBeLessThan(2_500)
    expect(openedMs).toBeLessThan(2_000)
    await busy.expectKept()
  },
  90_000,
)

test.skipIf(!wanted)(
  'a Redis that is emptied loses no session, not even one that was taken over and is asked for at a new gateway',
  async () => {
    await using redis = await startRedis()
    await using cluster = await start({ url: redis.url }, redis)
    const [first, second] = cluster.gateways
    const open = (gateway: RunningGateway | undefined) => {
      cluster.splitter.targets = [gateway?.url ?? '']
      return RawClient.open(cluster.face('raw', 'stream'), { token })
    }
    const clients = await Promise.all(Array.from({ length: 8 }, () => open(first)))
    await first?.process.kill()
    cluster.splitter.targets = [second?.url ?? '']
    await Promise.all(clients.map((client) => client.call('moved', 'pid', {})))
    // Of the new one nobody has told where the sessions are.
    for (let round = 0; round < 3; round++) {
      const fresh = await cluster.start()
      cluster.splitter.targets = [fresh.url]
      await redis.command('FLUSHALL')
      const faults: string[] = []
      await Promise.all(
        clients.map((client) =>
          client.call(`r${round}`, 'pid', {}).catch((thrown) => faults.push(String(thrown))),
        ),
      )
      expect(faults).toEqual([])
      await poll(
        'everything to be registered',
        async () =>
          Number((await redis.command('KEYS', '{cz:default}:s:*')).match(/^\*(\d+)/)?.[1]) === clients.length,
      )
    }
  },
  90_000,
)

test.skipIf(!wanted || compiler === null).each([
  { why: 'back by an hour', seconds: -3_600 },
  { why: 'on by two hours', seconds: 7_200 },
])(
  'a Redis whose clock is set $why fails no call, and who dies afterwards is missed as soon as ever',
  async ({ why, seconds }) => {
    using clock = createFalseClock()
    await using redis = await startRedis([], clock.env)
    await using cluster = await start({ url: redis.url }, redis)
    const busy = new Busy(cluster)
    await busy.begin()
    await Bun.sleep(1_000)
    clock.set(seconds)
    await Bun.sleep(3_000)
    await busy.end()
    busy.say(`the clock of Redis was set ${why}`)
    expect(busy.faults.slice(0, 5)).toEqual([])
    await busy.expectKept()
    const [last] = cluster.gateways.slice(-1)
    cluster.splitter.targets = cluster.splitter.targets.filter((url) => url !== last?.url)
    await last?.process.kill()
    const [first] = cluster.gateways
    await poll(
      'the dead one to be missed',
      async () => {
        const answer = await (first as RunningGateway).admin('/cluster')
        const { cluster: told } = (await answer.json()) as { cluster: { members: { state: string }[] } }
        return told.members.filter(({ state }) => state === 'serving').length === 2
      },
      5_000,
    )
  },
  90_000,
)
