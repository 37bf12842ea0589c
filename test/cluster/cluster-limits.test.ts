/** Bounds that count over all replicas: never passed together, and a share of each while the directory is away. */
import { afterEach, describe, expect, test } from 'bun:test'
import { MemoryDirectory } from '../../src/cluster/directory/memory-directory.ts'
import { ClusterLimits } from '../../src/cluster/limits/cluster-limits.ts'
import { GatewayError } from '../../src/errors.ts'
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
  readonly counters = { inFlight: 0, sharedMax: Number.POSITIVE_INFINITY }
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
    if (this.counters.inFlight >= this.counters.sharedMax) return false
    this.counters.inFlight++
    return true
  }
}

async function three(): Promise<[Replica, Replica, Replica]> {
  const memory = new MemoryDirectory()
  const members = [await joined(memory), await joined(memory), await joined(memory)] as const
  await Promise.all(members.map(({ cluster }) => cluster.membership.refresh()))
  return [new Replica(members[0]), new Replica(members[1]), new Replica(members[2])]
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
      for (const { counters } of replicas) counters.inFlight = Math.max(0, counters.inFlight - (round % 2))
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
