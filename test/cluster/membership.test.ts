/** Who lives, who is dead for certain, and what a member does that has stood still. */
import { afterEach, describe, expect, test } from 'bun:test'
import { MemoryDirectory } from '../../src/cluster/directory/memory-directory.ts'
import { sealMember } from '../../src/cluster/member-record.ts'
import type { PingAnswer } from '../../src/cluster/membership.ts'
import { wireVersion } from '../../src/cluster/wire-version.ts'
import { poll } from '../support/gateway.ts'
import { joined, type TestMember } from './members.ts'

const members: TestMember[] = []
afterEach(async () => {
  await Promise.all(members.splice(0).map(({ cluster }) => cluster.close()))
})

async function join(memory: MemoryDirectory, options: Parameters<typeof joined>[1] = {}) {
  const member = await joined(memory, options)
  members.push(member)
  return { ...member, membership: member.cluster.membership }
}

const addresses = (member: { membership: { members(): { address: string }[] } }) =>
  member.membership.members().map(({ address }) => address)

test('members see each other come, drain and go', async () => {
  const memory = new MemoryDirectory()
  const [one, other] = [await join(memory), await join(memory)]
  const { instance } = other.membership.self
  await poll('both', async () => addresses(one).length === 2)
  expect(one.membership.member(instance)).toMatchObject({ state: 'serving', version: '1' })
  await other.membership.drain()
  await poll('the drain', async () => one.membership.member(instance)?.state === 'draining')
  await other.cluster.close()
  await poll('the end', async () => addresses(one).length === 1)
  expect(one.cluster.status().members.map(({ state }) => state)).toEqual(['serving', 'gone'])
})

test('a member that cannot be talked to lives, and nothing new is for it', async () => {
  const memory = new MemoryDirectory()
  const one = await join(memory)
  const told = { wire: wireVersion + 1, address: '10.0.0.2:6002', state: 'serving', version: '9' }
  const record = one.cluster.seal.seal('member', 'later', JSON.stringify(told))
  await memory.open().beat({ instance: 'later', record }, 1_000)
  await one.membership.refresh()
  expect(one.membership.member('later')).toMatchObject({ state: 'draining', version: '9' })
})

test('a member that is gone does not live on by what it has told before', async () => {
  const memory = new MemoryDirectory()
  const one = await join(memory)
  const told = { address: '10.0.0.2:6002', state: 'serving', version: '1', leaseMs: 4_000 } as const
  const write = async (instance: string, atMs: number) => {
    const record = sealMember(one.cluster.seal, instance, { ...told, atMs })
    await memory.open().beat({ instance, record }, 60_000)
  }
  await write('lives', one.membership.nowMs() - 8_000)
  await write('gone', one.membership.nowMs() - 10_000)
  one.cluster.pingBy(async () => null)
  await one.membership.refresh()
  const living = one.membership.members().map(({ instance }) => instance)
  expect(living.filter((instance) => instance !== one.membership.self.instance)).toEqual(['lives'])
  expect(await one.membership.isDead('gone')).toBe(true)
  // So whoever takes over from it does not ask a directory in which its lease goes on.
  expect(one.membership.leaseGoesOn('gone')).toBe(true)
})

test('who has no secret is no member, whatever it writes', async () => {
  const memory = new MemoryDirectory()
  const one = await join(memory)
  const forger = await join(memory, { secret: 'x'.repeat(32) })
  const record = (await memory.open().beat({ instance: 'copied', record: 'no seal' }, 1_000)).members.find(
    ({ instance }) => instance === one.membership.self.instance,
  )
  // What one member says of itself is no word of another one.
  await memory.open().beat({ instance: 'copied', record: record?.record ?? '' }, 1_000)
  await one.membership.refresh()
  expect(addresses(one)).toEqual([one.membership.self.address])
  expect(addresses(forger)).toEqual([forger.membership.self.address])
})

describe('a member is dead', () => {
  test.each<{ why: string; answers: PingAnswer[]; leaves?: true; neverSeen?: true; dead: boolean }>([
    { why: 'not while it answers, though its lease is over', answers: ['itself'], leaves: true, dead: false },
    { why: 'when nobody answers and its lease is over', answers: [null], leaves: true, dead: true },
    { why: 'not when nobody answers while its lease goes on', answers: [null], dead: false },
    { why: 'when its address refuses twice', answers: ['refused', 'refused'], dead: true },
    { why: 'not when it refuses once', answers: ['refused', 'itself'], dead: false },
    { why: 'when another one is at its address', answers: ['another'], dead: true },
    {
      why: 'not when its address, which never led there, refuses while its lease goes on',
      answers: ['refused', 'refused'],
      neverSeen: true,
      dead: false,
    },
    {
      why: 'when such an address refuses and its lease is over',
      answers: ['refused', 'refused'],
      neverSeen: true,
      leaves: true,
      dead: true,
    },
    {
      why: 'not when its address leads to whoever asks: that of this machine at each of them',
      answers: ['whoever asks'],
      dead: false,
    },
  ])('$why', async ({ answers, leaves, neverSeen, dead }) => {
    const memory = new MemoryDirectory()
    const [one, other] = [await join(memory, { leaseMs: 10_000 }), await join(memory, { leaseMs: 10_000 })]
    await one.membership.refresh()
    const { instance } = other.membership.self
    one.cluster.pingBy(async () => instance)
    if (neverSeen !== true) await one.membership.ping(other.membership.self.address)
    if (leaves) memory.end(instance)
    const asked: string[] = []
    one.cluster.pingBy(async (address) => {
      asked.push(address)
      const answer = answers[asked.length - 1] ?? null
      if (answer === 'whoever asks') return one.membership.self.instance
      return answer === 'itself' ? instance : answer
    })
    const looks = await Promise.all([one.membership.isDead(instance), one.membership.isDead(instance)])
    expect(looks).toEqual([dead, dead])
    // The beat that a doubt asks for looks for it as well.
    expect(asked.length - answers.length).toBeWithin(0, 2)
    expect(new Set(asked)).toEqual(new Set([other.membership.self.address]))
  })

  test('as soon as the lease of one that is silent is over, and from then on, until it is back', async () => {
    const memory = new MemoryDirectory()
    const [one, other] = [await join(memory, { leaseMs: 600 }), await join(memory, { leaseMs: 600 })]
    const { instance } = other.membership.self
    one.cluster.pingBy(async () => null)
    await one.membership.refresh()
    other.directory.cut(true)
    const beganMs = performance.now()
    expect(await one.membership.isDead(instance)).toBe(true)
    expect(performance.now() - beganMs).toBeWithin(300, 700)
    let asked = 0
    one.cluster.pingBy(async () => {
      asked++
      return null
    })
    expect([one.membership.isKnownDead(instance), await one.membership.isDead(instance)]).toEqual([
      true,
      true,
    ])
    expect(asked).toBe(0)
    other.directory.cut(false)
    await other.membership.refresh()
    await one.membership.refresh()
    expect(one.membership.isKnownDead(instance)).toBe(false)
  })

  test('not while one that is silent renews its lease', async () => {
    const memory = new MemoryDirectory()
    const [one, other] = [await join(memory, { leaseMs: 400 }), await join(memory, { leaseMs: 400 })]
    await one.membership.refresh()
    one.cluster.pingBy(async () => null)
    expect(await one.membership.isDead(other.membership.self.instance)).toBe(false)
  })

  test('never because a directory that was emptied does not know it yet', async () => {
    const memory = new MemoryDirectory()
    const [one, other] = [await join(memory, { leaseMs: 2_000 }), await join(memory, { leaseMs: 60_000 })]
    await one.membership.refresh()
    memory.clear()
    expect(await one.membership.isDead(other.membership.self.instance)).toBe(false)
  })
})

describe('a member that stood still', () => {
  test('asks what is still its own before it executes anything', async () => {
    const memory = new MemoryDirectory()
    const one = await join(memory, { leaseMs: 400 })
    const { membership } = one
    expect(membership.unsettled).toBeNull()
    let lapses = 0
    membership.listen({
      async lapsed() {
        await Bun.sleep(5)
        lapses++
      },
    })
    // The whole process stands still, as under SIGSTOP.
    Bun.sleepSync(600)
    const settled = membership.unsettled
    expect(settled).not.toBeNull()
    await settled
    expect(lapses).toBe(1)
    expect([membership.unsettled, membership.lapses]).toEqual([null, 1])
  })

  test('executes nothing until the directory answers', async () => {
    const memory = new MemoryDirectory()
    const { membership, directory } = await join(memory, { leaseMs: 400 })
    directory.cut(true)
    Bun.sleepSync(600)
    let settled = false
    const settling = membership.unsettled?.then(() => {
      settled = true
    })
    await Bun.sleep(300)
    expect(settled).toBe(false)
    directory.cut(false)
    await settling
    expect(membership.unsettled).toBeNull()
  })

  test('goes on at once where only the directory is away', async () => {
    const memory = new MemoryDirectory()
    const { membership, directory } = await join(memory, { leaseMs: 400 })
    directory.cut(true)
    await poll('missed beats', async () => membership.missedBeats >= 6)
    expect(membership.unsettled).toBeNull()
    let lapses = 0
    membership.listen({ lapsed: async () => void lapses++ })
    directory.cut(false)
    await poll('the question', async () => lapses === 1)
  })
})

test('everything is registered again once the directory was emptied, and asked again where that fails', async () => {
  const memory = new MemoryDirectory()
  const { membership } = await join(memory, { leaseMs: 400 })
  let calls = 0
  membership.listen({
    async forgotten() {
      calls++
      if (calls === 1) throw new Error('not yet')
    },
  })
  memory.clear()
  await poll('the second attempt', async () => calls === 2)
  await membership.refresh()
  expect(calls).toBe(2)
  expect(membership.members()).toHaveLength(1)
})

test('time is told by the directory, whatever the clock of this machine says', async () => {
  const memory = new MemoryDirectory()
  const { membership, directory } = await join(memory)
  const { beat } = directory
  const minutes = 5 * 60_000
  directory.beat = async (...asked) => {
    const answer = await beat(...asked)
    return { ...answer, nowMs: answer.nowMs + minutes }
  }
  await membership.refresh()
  expect(Math.abs(membership.nowMs() - Date.now() - minutes)).toBeLessThan(2_000)
})

test('whoever notices that the clock was set has all others look at it at once', async () => {
  const memory = new MemoryDirectory()
  const [one, other] = [await join(memory), await join(memory)]
  // What the coming of the other one has begun.
  await one.membership.refresh()
  const hour = 60 * 60_000
  for (const { directory } of [one, other]) {
    const { beat } = directory
    directory.beat = async (...asked) => {
      const answer = await beat(...asked)
      return { ...answer, nowMs: answer.nowMs - hour }
    }
  }
  await one.membership.refresh()
  await poll(
    'the other one to look',
    async () => Math.abs(other.membership.nowMs() + hour - Date.now()) < 2_000,
    80,
  )
})
