/** How a stream is slowed that says more than anybody asked for. */
import { expect, test } from 'bun:test'
import { FloodGuard, ServerBudget } from '../../../src/upstream/transports/flood-guard.ts'

const MIB = 1024 * 1024

function guarded(budget = new ServerBudget()) {
  const seen: string[] = []
  const resumed = Promise.withResolvers<void>()
  const guard = new FloodGuard(
    {
      pause: () => void seen.push('pause'),
      resume() {
        seen.push('resume')
        resumed.resolve()
      },
    },
    budget,
    () => seen.push('slowed'),
  )
  return { guard, seen, resumed: resumed.promise }
}

test('a burst of sixteen megabytes only waits for the others to have their turn', async () => {
  const { guard, seen, resumed } = guarded()
  for (let n = 0; n < 16; n++) guard.charge(MIB)
  await resumed
  expect(seen).toEqual(['pause', 'resume'])
})

test('a few kilobytes are read without a pause', () => {
  const { guard, seen } = guarded()
  for (let n = 0; n < 16; n++) guard.charge(1024)
  expect(seen).toEqual([])
})

test('streams of one server pay together, each of them waiting, and those of another server do not', () => {
  const budget = new ServerBudget()
  const many = Array.from({ length: 5 }, () => guarded(budget))
  for (const { guard } of many) guard.charge(4 * MIB)
  expect(many.map(({ seen }) => seen.includes('slowed'))).toEqual([false, false, false, false, true])
  const other = guarded()
  other.guard.charge(1024)
  expect(other.seen).toEqual([])
  for (const { guard } of many) guard.stop()
})

test('streams of a server that asks quicker than it takes the answers wait until it has taken them', async () => {
  const budget = new ServerBudget()
  budget.answersUnderWay = 32
  const before = guarded(budget)
  before.guard.charge(1024)
  expect(before.seen).toEqual([])
  budget.answersUnderWay = 33
  const { guard, seen, resumed } = guarded(budget)
  const startedAtMs = performance.now()
  guard.charge(1024)
  await resumed
  expect(seen).toEqual(['pause', 'slowed', 'resume'])
  expect(performance.now() - startedAtMs).toBeGreaterThan(100)
})

test('a stream that is held for two reasons goes on when both are gone', () => {
  const { guard, seen } = guarded()
  guard.hold()
  guard.hold()
  guard.release()
  expect(seen).toEqual(['pause'])
  guard.release()
  expect(seen).toEqual(['pause', 'resume'])
})

test('what goes beyond waits for as long as it would take at eight megabytes a second, and says so once', async () => {
  const { guard, seen, resumed } = guarded()
  const startedAtMs = performance.now()
  for (let n = 0; n < 18; n++) guard.charge(MIB)
  expect(seen).toEqual(['pause', 'slowed'])
  await resumed
  expect(performance.now() - startedAtMs).toBeGreaterThan(100)
  guard.charge(4 * MIB)
  expect(seen).toEqual(['pause', 'slowed', 'resume', 'pause'])
  guard.stop()
})

test('a stream that is wanted after all goes on at once and is not held again', () => {
  const { guard, seen } = guarded()
  guard.charge(32 * MIB)
  guard.stop()
  guard.charge(32 * MIB)
  expect(seen).toEqual(['pause', 'slowed', 'resume'])
})

const unfinished = () => new ServerBudget().unfinished

test('one stream alone may hold a message of the greatest size', () => {
  expect(unfinished().hold({}, 64 * MIB)).toBe(true)
})

test('beyond 32 MiB of unfinished messages together only the largest goes on', () => {
  const held = unfinished()
  const [large, small] = [{}, {}]
  expect(held.hold(large, 20 * MIB)).toBe(true)
  expect(held.hold(small, 10 * MIB)).toBe(true)
  expect(held.hold(small, 13 * MIB)).toBe(false)
  expect(held.hold(large, 40 * MIB)).toBe(true)
})

test('what one stream lets go of is room for the next', () => {
  const held = unfinished()
  const [large, small] = [{}, {}]
  held.hold(large, 30 * MIB)
  expect(held.hold(small, 5 * MIB)).toBe(false)
  held.hold(large, 0)
  expect(held.hold(small, 5 * MIB)).toBe(true)
})

test('of several that hold as much the one that came first goes on', () => {
  const held = unfinished()
  const [first, second, third] = [{}, {}, {}]
  for (const stream of [first, second, third]) held.hold(stream, 12 * MIB)
  expect([first, second, third].map((stream) => held.hold(stream, 12 * MIB))).toEqual([true, false, false])
})

test('what nobody has asked for goes beyond the bound only where nothing else is held', () => {
  const held = unfinished()
  const [one, other] = [{}, {}]
  expect(held.hold(one, 40 * MIB, false)).toBe(true)
  expect(held.hold(other, MIB)).toBe(false)
  expect(held.hold(one, 40 * MIB, false)).toBe(false)
  held.hold(other, 0)
  expect(held.hold(one, 60 * MIB, false)).toBe(true)
})

test('no more is read of any while more than eight megabytes wait to be looked at', () => {
  const { inHand } = new ServerBudget()
  const [one, other] = [{}, {}]
  inHand.hold(one, 5 * MIB)
  inHand.hold(one, 6 * MIB)
  expect(inHand.full).toBe(false)
  inHand.hold(other, 3 * MIB)
  expect(inHand.full).toBe(true)
  inHand.hold(one, 0)
  expect(inHand.full).toBe(false)
})

test('of those that want to read two have each turn', async () => {
  const budget = new ServerBudget()
  let read = 0
  for (let n = 0; n < 10; n++) void budget.turnToRead().then(() => read++)
  const turns: number[] = []
  while (read < 10) {
    await new Promise((resolve) => setImmediate(resolve))
    turns.push(read)
  }
  expect(turns.filter((count, at) => count !== turns[at - 1])).toEqual([2, 4, 6, 8, 10])
  expect(budget.turnSpent).toBe(false)
})
