/** The yardstick: what the suite says of the fixture when no gateway is in between. */
import { afterAll, describe, expect, test } from 'bun:test'
import { passes } from './compare.ts'
import { unscored } from './pairs.ts'
import { startHttpFixture } from './run.ts'
import { type Requirements, testServer } from './suite.ts'

describe('the fixture passes the conformance suite direct', () => {
  const fixture = startHttpFixture('both')
  afterAll(async () => (await fixture)[Symbol.asyncDispose]())

  test.each<{ requirements: Requirements; scenarios: number; required: number }>([
    { requirements: '2025-06-18', scenarios: 27, required: 26 },
    { requirements: '2025-11-25', scenarios: 33, required: 30 },
    { requirements: '2026-07-28', scenarios: 40, required: 37 },
  ])(
    '$requirements: $scenarios scenarios, $required of them required',
    async ({ requirements, scenarios, required }) => {
      const verdicts = await testServer((await fixture).url, requirements)
      const passing = [...verdicts].filter(([, checks]) => passes(checks)).map(([name]) => name)
      expect(passing).toHaveLength(scenarios)
      expect(passing.filter((name) => !unscored.includes(name))).toHaveLength(required)
    },
    60_000,
  )
})
