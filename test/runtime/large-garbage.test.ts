/** When a collection is asked for, on a clock of the test's own. */
import { expect, test } from 'bun:test'
import { LargeGarbage } from '../../src/runtime/large-garbage.ts'

test('a collection is asked for when many megabytes were discarded, and not again at once', async () => {
  let collections = 0
  let nowMs = 0
  const garbage = new LargeGarbage(
    () => collections++,
    () => nowMs,
  )
  for (const bytes of [1_000, 16 << 20, 16 << 20, 32 << 20]) garbage.discarded(bytes)
  await new Promise(setImmediate)
  expect(collections).toBe(1)
  nowMs = 250
  garbage.discarded(32 << 20)
  await new Promise(setImmediate)
  expect(collections).toBe(2)
})
