/** Replicas that do not find each other where they say that they are: said at the start, and in the status. */
import { afterEach, describe, expect, test } from 'bun:test'
import { MemoryDirectory } from '../../src/cluster/directory/memory-directory.ts'
import type { PingAnswer } from '../../src/cluster/membership.ts'
import { Reach } from '../../src/cluster/reach.ts'
import { poll } from '../support/gateway.ts'
import { joined, type TestMember } from './members.ts'

const members: TestMember[] = []
afterEach(async () => {
  await Promise.all(members.splice(0).map(({ cluster }) => cluster.close()))
})

async function join(memory: MemoryDirectory, address?: string): Promise<TestMember> {
  const member = await joined(memory, { leaseMs: 400, ...(address !== undefined && { address }) })
  members.push(member)
  return member
}

const selfOf = ({ cluster }: TestMember) => cluster.membership.self

describe('a start is refused', () => {
  test.each<{ why: string; answer: PingAnswer; says: string }>([
    { why: 'nobody answers at its own address', answer: null, says: 'where nobody answers' },
    { why: 'its own address refuses', answer: 'refused', says: 'where nobody answers' },
    { why: 'another one answers there', answer: 'f00', says: 'where another replica answers' },
  ])('when $why', async ({ answer, says }) => {
    const one = await join(new MemoryDirectory())
    one.cluster.pingBy(async () => answer)
    const reach = new Reach({ membership: one.cluster.membership, leaseMs: 400, log: one.log, ownMs: 50 })
    await expect(reach.checkOwn()).rejects.toThrow(`cluster.advertise is ${selfOf(one).address}, ${says}`)
  })

  test('when it is at an address of its machine alone, and others are not', async () => {
    const memory = new MemoryDirectory()
    await join(memory, '10.0.0.7:6002')
    const one = await join(memory, 'localhost:6002')
    one.cluster.pingBy(async () => selfOf(one).instance)
    const reach = new Reach({ membership: one.cluster.membership, leaseMs: 400, log: one.log, ownMs: 50 })
    await expect(reach.checkOwn()).rejects.toThrow('localhost:6002 leads to each machine itself')
  })
})

describe('a replica that lives', () => {
  test.each<{ why: string; answer: 'nobody' | 'whoever asks' | 'another'; says: string }>([
    { why: 'and is not there', answer: 'nobody', says: 'nobody answers at' },
    { why: 'at the address of whoever asks', answer: 'whoever asks', says: 'leads to this replica' },
    { why: 'where another one answers', answer: 'another', says: 'another one answers' },
  ])('$why is named in status and log until it is reached', async ({ answer, says }) => {
    const memory = new MemoryDirectory()
    const [one, other] = [await join(memory), await join(memory)]
    const answers: Record<string, PingAnswer> = {
      nobody: 'refused',
      'whoever asks': selfOf(one).instance,
      another: 'f00',
    }
    let there: PingAnswer = answers[answer] ?? null
    one.cluster.pingBy(async () => there)
    await poll('the problem', async () => one.cluster.status().problems.length > 0)
    const [problem] = one.cluster.status().problems
    for (const part of [says, selfOf(other).instance, selfOf(other).address]) expect(problem).toContain(part)
    expect(one.log.lines.filter((line) => line.includes('a replica that lives is not reached'))).toHaveLength(
      1,
    )
    there = selfOf(other).instance
    await poll('the end of it', async () => one.cluster.status().problems.length === 0)
    expect(one.log.lines.join('\n')).toContain('a replica is reached again')
  })

  test('is not named because it stops, or was killed', async () => {
    const memory = new MemoryDirectory()
    const [one, other] = [await join(memory), await join(memory)]
    one.cluster.pingBy(async () => 'refused')
    memory.end(selfOf(other).instance)
    other.directory.cut(true)
    await Bun.sleep(1_000)
    expect(one.cluster.status().problems).toEqual([])
  })
})
