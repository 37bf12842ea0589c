/** The command line of `bun run bench`. */
import { describe, expect, test } from 'bun:test'
import { readOptions } from '../../bench/options.ts'

describe('options', () => {
  test('without any, everything runs and the published figures change', () => {
    expect(readOptions([])).toMatchObject({ rounds: 3, seconds: 5, peers: true, whole: true })
  })

  test.each([
    { args: ['--quick'], why: 'a second is too short' },
    { args: ['--only', 'stdio,memory'], why: 'a part is no whole' },
    { args: ['--rounds', '1'], why: 'one round has no median' },
    { args: ['--no-peers'], why: 'a comparison is missing' },
  ])('$args leaves the published figures alone: $why', ({ args }) => {
    expect(readOptions(args).whole).toBe(false)
  })

  test('--only picks workloads and probes', () => {
    expect(readOptions(['--only', 'stdio,memory'])).toMatchObject({
      workloadIds: ['stdio'],
      probes: ['memory'],
    })
  })

  test.each([
    { args: ['--only', 'stdoi'], says: '"stdoi"' },
    { args: ['--rounds', '0'], says: '--rounds' },
    { args: ['--seconds', '1.5'], says: '--seconds' },
  ])('$args is refused in words', ({ args, says }) => {
    expect(() => readOptions(args)).toThrow(says)
  })
})
