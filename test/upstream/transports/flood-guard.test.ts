/** How a stream is slowed that says more than anybody asked for. */
import { expect, test } from 'bun:test'
import { FloodGuard, ServerBudget } from '../../../src/upstream/transports/flood-guard.ts'

const MIB = 1024 * 1024

function guarded() {
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
    new ServerBudget(),
    () => seen.push('slowed'),
  )
  return { guard, seen, resumed: resumed.promise }
}

test('a burst of sixteen megabytes passes', () => {
  const { guard, seen } = guarded()
  for (let n = 0; n < 16; n++) guard.charge(MIB)
  expect(seen).toEqual([])
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
