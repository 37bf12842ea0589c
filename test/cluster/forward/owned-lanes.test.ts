/** Whose the lane of a stateless client is, where members go and come back. */
import { expect, test } from 'bun:test'
import { MemoryDirectory } from '../../../src/cluster/directory/memory-directory.ts'
import { OwnedLanes } from '../../../src/cluster/forward/owned-lanes.ts'
import { joined, type TestMember } from '../members.ts'

function lanesOf({ cluster: { membership, directory, seal } }: TestMember): OwnedLanes {
  return new OwnedLanes({ membership, directory, seal, spreads: false, idleMs: () => 60_000 })
}

test('is taken from an owner that is dead, and not from one that is back by then', async () => {
  const memory = new MemoryDirectory()
  const [one, other] = [await joined(memory), await joined(memory)]
  const [lanes, before] = [lanesOf(one), lanesOf(other)]
  const key = before.keyOf('raw', 'ada')
  const { instance } = other.cluster.membership.self
  expect(await before.claim(key)).toBe(instance)
  one.cluster.pingBy(async () => null)
  other.directory.cut(true)
  expect(await one.cluster.membership.isDead(instance)).toBe(true)
  // The one that asks has not heard of it yet.
  other.directory.cut(false)
  await other.cluster.membership.refresh()
  expect(one.cluster.membership.isKnownDead(instance)).toBe(true)
  expect(await lanes.adopt(key, { owner: instance, epoch: 1 })).toBe(instance)
  other.directory.cut(true)
  await one.cluster.membership.refresh()
  expect(await one.cluster.membership.isDead(instance)).toBe(true)
  expect(await lanes.adopt(key, { owner: instance, epoch: 1 })).toBe(one.cluster.membership.self.instance)
})
