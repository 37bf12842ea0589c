/** Bounds that count over all replicas: never passed together, and a share of each while the directory is away. */
import { afterEach, describe, expect, test } from 'bun:test'
import { MemoryDirectory } from '../../src/cluster/directory/memory-directory.ts'
import { ClusterLimits } from '../../src/cluster/limits/cluster-limits.ts'
import { GatewayError } from '../../src/errors.ts'
import { CallCounters } from '../../src/upstream/server/counters.ts'
import { poll } from '../support/gateway.ts'
import { joined, type TestMember } from './members.ts'

const opened: { member: TestMember; limits: ClusterLimits }[] = []
afterEach(async () => {
  for (const { member, limits } of opened.splice(0)) {
    limits.close()
    member.directory.cut(false)
    await member.cluster.close()
  }
})

const bounds = { sessionsMax: 9, sessionsPerClientMax: 6, inFlightPerServerMax: 12 }

/** A replica that has sessions and calls. */
class Replica {
  readonly sessions = {
    open: [] as string[],
    get count() {
      return this.open.length
    },
    countOfClient: (client: string): number => this.sessions.open.filter((one) => one === client).length,
    room: null as ((client: string) => Promise<() => void>) | null,
  }
  readonly counters = new CallCounters('a', 1_000, { requestStarted() {}, requestEnded() {} })
  readonly member: TestMember
  readonly limits: ClusterLimits

  constructor(member: TestMember) {
    this.member = member
    const { directory, membership, seal } = member.cluster
    this.limits = new ClusterLimits({
      ...{ directory, membership, seal, bounds, sessions: this.sessions },
      leaseMs: 400,
      servers: {
        list: () => [{ name: 'a', counters: this.counters }],
        callsInFlight: () => new Map([['a', this.counters.inFlight]]),
        subscribe() {},
      },
    })
    opened.push({ member, limits: this.limits })
  }

  async begin(): Promise<this> {
    await this.limits.begin()
    return this
  }

  async openSession(client: string): Promise<boolean> {
    try {
      const leave = await this.sessions.room?.(client)
      this.sessions.open.push(client)
      leave?.()
      return true
    } catch (thrown) {
      if (thrown instanceof GatewayError && thrown.code === 'SESSIONS_EXHAUSTED') return false
      throw thrown
    }
  }

  /** Begins a call where that is allowed. */
  call(): boolean {
    try {
      this.counters.started()
      return true
    } catch {
      return false
    }
  }

  /** Begins one as requests do: where there is no room, when there may be some. */
  async patientCall(): Promise<boolean> {
    const { room } = this.counters
    if (room !== null) await room
    return this.call()
  }

  end(calls = 1): void {
    for (let ended = 0; ended < calls; ended++) this.counters.ended(1, 'ok')
  }
}

async function three(): Promise<[Replica, Replica, Replica]> {
  const memory = new MemoryDirectory()
  const members = [await joined(memory), await joined(memory), await joined(memory)] as const
  await Promise.all(members.map(({ cluster }) => cluster.membership.refresh()))
  const [one, two, three] = members.map((member) => new Replica(member).begin())
  if (one === undefined || two === undefined || three === undefined) throw new Error('unreachable')
  return await Promise.all([one, two, three])
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

describe('sessions', () => {
  test('of one client, and of all, are never more than their bound, and never fewer are let in', async () => {
    const replicas = await three()
    const attempts = await Promise.all(
      Array.from({ length: 20 }, (_, at) => replicas[at % 3]?.openSession('one') ?? false),
    )
    expect(attempts.filter(Boolean)).toHaveLength(6)
    const others = await Promise.all(
      Array.from({ length: 20 }, (_, at) => replicas[at % 3]?.openSession(`client ${at}`) ?? false),
    )
    expect(others.filter(Boolean)).toHaveLength(3)
  })

  test('that have ended are room for others at another replica', async () => {
    const [one, other] = await three()
    for (let at = 0; at < 6; at++) expect(await one.openSession('one')).toBe(true)
    expect(await other.openSession('one')).toBe(false)
    one.sessions.open.pop()
    await poll('the room', () => other.openSession('one'))
  })

  test('keep to a share while the directory is away', async () => {
    const replicas = await three()
    for (const { member } of replicas) member.directory.cut(true)
    const attempts = await Promise.all(
      Array.from({ length: 30 }, (_, at) => replicas[at % 3]?.openSession('one') ?? false),
    )
    expect(attempts.filter(Boolean)).toHaveLength(6)
  })

  test('that began while the directory was away count over all once it is there', async () => {
    const replicas = await three()
    for (const { member } of replicas) member.directory.cut(true)
    for (const replica of [...replicas, ...replicas]) expect(await replica.openSession('one')).toBe(true)
    for (const { member } of replicas) member.directory.cut(false)
    expect(await replicas[0].openSession('one')).toBe(false)
  })

  test('that ended while the directory was away are room for others once it is there', async () => {
    const [one, other] = await three()
    for (let at = 0; at < 6; at++) expect(await one.openSession('one')).toBe(true)
    one.member.directory.cut(true)
    one.sessions.open.length = 0
    // Seen to have ended, while nobody can be told.
    await Bun.sleep(300)
    one.member.directory.cut(false)
    expect(await other.openSession('one')).toBe(true)
  })
})

describe('calls in flight', () => {
  test('are never more than their bound, whoever rushes', async () => {
    const replicas = await three()
    for (let round = 0; round < 40; round++) {
      const busy = replicas[round % 3]
      while (busy?.call()) {
        // As many as it may.
      }
      expect(sum(replicas.map(({ counters }) => counters.inFlight))).toBeLessThanOrEqual(12)
      await Bun.sleep(20)
      for (const replica of replicas) replica.end(Math.min(replica.counters.inFlight, round % 2))
    }
  })

  test('may all be at one replica where the others have none', async () => {
    const [one, ...others] = await three()
    await poll('most of the bound', async () => {
      while (one.call()) {
        // As many as it may.
      }
      return one.counters.inFlight >= 12 - others.length * 2
    })
  })

  test('wait where others keep room in hand, and all of the bound may be at one replica', async () => {
    const [one, two] = await three()
    const begun = await Promise.all(Array.from({ length: 12 }, () => one.patientCall()))
    expect(begun.filter(Boolean)).toHaveLength(12)
    // Nothing is left: whoever waits is refused after a while, and takes none that is somebody's.
    const startedMs = performance.now()
    expect(await two.patientCall()).toBe(false)
    expect(performance.now() - startedMs).toBeWithin(400, 5_000)
    expect(one.counters.inFlight + two.counters.inFlight).toBe(12)
  })

  test('wait for one of another replica to end', async () => {
    const [one, two] = await three()
    await Promise.all(Array.from({ length: 12 }, () => one.patientCall()))
    const waiting = two.patientCall()
    await Bun.sleep(50)
    one.end()
    expect(await waiting).toBe(true)
    expect(two.counters.inFlight).toBe(1)
  })

  test('are never more than their bound while replicas rush and wait at the same time', async () => {
    const replicas = await three()
    let over = false
    let most = 0
    const look = setInterval(() => {
      most = Math.max(most, sum(replicas.map(({ counters }) => counters.inFlight)))
    }, 1)
    let refused = 0
    let ran = 0
    // Fewer clients than the bound, all of them at one replica for a while, then at the next one.
    const clients = Array.from({ length: 10 }, async () => {
      for (let at = 0; !over; at++) {
        const replica = replicas[Math.floor(at / 10) % 3]
        if (replica === undefined || !(await replica.patientCall())) {
          refused++
          continue
        }
        await Bun.sleep(2)
        replica.end()
        ran++
      }
    })
    await Bun.sleep(1_500)
    over = true
    await Promise.all(clients)
    clearInterval(look)
    expect(most).toBeLessThanOrEqual(12)
    expect(refused).toBe(0)
    expect(ran).toBeGreaterThan(200)
  })

  test('are refused at once where nobody answers who could give room', async () => {
    const [one] = await three()
    while (one.call()) {
      // As many as it may.
    }
    one.member.directory.cut(true)
    const startedMs = performance.now()
    expect(await one.patientCall()).toBe(false)
    expect(performance.now() - startedMs).toBeLessThan(100)
  })

  test('come after those that wait already', async () => {
    const [one] = await three()
    await Promise.all(Array.from({ length: 12 }, () => one.patientCall()))
    const order: number[] = []
    const waiting = [1, 2, 3].map((at) => one.patientCall().then((began) => began && order.push(at)))
    one.end(3)
    // There is room again, and it is theirs.
    const late = one.patientCall().then((began) => began && order.push(4))
    await Promise.all(waiting)
    expect(order).toEqual([1, 2, 3])
    one.end(1)
    await late
    expect(order).toEqual([1, 2, 3, 4])
  })

  test('have their share before the first one comes', async () => {
    const memory = new MemoryDirectory()
    const member = await joined(memory)
    const replica = new Replica(member)
    // Not a member yet: nobody knows of what would run.
    expect(replica.call()).toBe(false)
    await replica.begin()
    expect(replica.call()).toBe(true)
  })

  test('keep to a share once the leases of all have ended without a directory', async () => {
    const replicas = await three()
    await poll('something leased', async () => replicas.every(({ counters }) => counters.sharedMax >= 2))
    for (const { member } of replicas) member.directory.cut(true)
    await poll('the share', async () => replicas.every(({ counters }) => counters.sharedMax === 4))
  })
})

describe('a rate', () => {
  test('counts over all', async () => {
    const replicas = await three()
    const rate = { perSecond: 10, burst: 6 }
    const waits = await Promise.all(
      Array.from({ length: 30 }, (_, at) => replicas[at % 3]?.limits.take('client', rate)),
    )
    expect(waits.filter((wait) => wait === null)).toHaveLength(6)
    for (const wait of waits) if (typeof wait === 'number') expect(wait).toBeWithin(0, 0.11)
  })

  test('is nobody knows what while the directory is away, and a share of it counts', async () => {
    const [one] = await three()
    one.member.directory.cut(true)
    expect(await one.limits.take('client', { perSecond: 10, burst: 6 })).toBeUndefined()
    expect([one.limits.shareOf(12), one.limits.shareOf(1)]).toEqual([4, 1])
  })
})
