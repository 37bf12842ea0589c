/** Everything that expires hangs on one timer, and not on the health of its neighbours. */
import { expect, test } from 'bun:test'
import { Sweeper } from '../../src/runtime/sweeper.ts'

test('a sweep that fails is told of and keeps no other from being run', async () => {
  const told: unknown[] = []
  const sweeper = new Sweeper((thrown) => told.push(thrown))
  const fault = new Error('broken')
  const swept = Promise.withResolvers<number>()
  sweeper.add(() => {
    throw fault
  })
  sweeper.add((nowMs) => swept.resolve(nowMs))
  expect(await swept.promise).toBeGreaterThan(0)
  expect(told).toEqual([fault])
  sweeper.stop()
})
