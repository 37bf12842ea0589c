import { expect, test } from 'bun:test'
import { quotaOf, workerCount } from '../../../src/cluster/workers/worker-count.ts'

test.each([
  { why: 'a quota of two processors', text: '200000 100000\n', processors: 2 },
  { why: 'a part of one is one', text: '50000 100000\n', processors: 1 },
  { why: 'one and a half are two', text: '150000 100000\n', processors: 2 },
  { why: 'no limit', text: 'max 100000\n', processors: null },
  { why: 'no such file', text: '', processors: null },
  { why: 'nonsense', text: '5 0\n', processors: null },
])('$why', ({ text, processors }) => expect(quotaOf(text)).toBe(processors))

test('a number is taken as it is; auto gives at least one', () => {
  expect(workerCount(7)).toBe(7)
  expect(workerCount('auto')).toBeGreaterThanOrEqual(1)
})
