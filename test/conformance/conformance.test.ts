/**
 * The official suite, direct and through the gateway. Every way through the gateway takes minutes, so
 * `bun run conformance` goes them all and this file goes those that differ most from one another.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { type Loss, passes } from './compare.ts'
import { pairs, unscored } from './pairs.ts'
import { Baselines, runPair } from './run.ts'
import type { Requirements } from './suite.ts'

const baselines = new Baselines()
afterAll(() => baselines[Symbol.asyncDispose]())

const ways = [
  'http-legacy 2025-11-25 /stream',
  // Starts a process for each client that the server may ask something, so one way of it is enough here.
  'stdio-legacy 2025-11-25 /stream',
  // An old client of a new server, over the oldest transport.
  'http-modern 2025-11-25 /sse',
  'http-modern 2026-07-28 /stream',
  // A new client of an old server.
  'http-legacy 2026-07-28 /stream',
  // One member of a group of four, of another era than its client.
  'four: legacy http 2026-07-28 /stream',
  // The suite as the server, and a client that reaches it through the gateway.
  'client 2025-11-25',
]

describe('direct', () => {
  test.each<{ requirements: Requirements; scenarios: number; required: number }>([
    { requirements: '2025-06-18', scenarios: 27, required: 26 },
    { requirements: '2025-11-25', scenarios: 33, required: 30 },
    { requirements: '2026-07-28', scenarios: 40, required: 37 },
  ])(
    'the fixture passes $scenarios scenarios at $requirements, $required of them required',
    async ({ requirements, scenarios, required }) => {
      const pair = pairs.find((way) => way.kind === 'server' && way.requirements === requirements)
      if (pair === undefined) throw new Error(`no way at ${requirements}`)
      const verdicts = await baselines.of(pair)
      const passing = [...verdicts].filter(([, checks]) => passes(checks)).map(([name]) => name)
      expect(passing).toHaveLength(scenarios)
      expect(passing.filter((name) => !unscored.includes(name))).toHaveLength(required)
    },
    60_000,
  )
})

describe('through the gateway', () => {
  test.each(ways)(
    '%s loses no check',
    async (name) => {
      const pair = pairs.find((way) => way.name === name)
      if (pair === undefined) throw new Error(`no way is called ${name}`)
      const report = await runPair(pair, 'executable', baselines)
      expect(report.broken.map(sentence)).toEqual([])
      expect(report.checksKept).toBeGreaterThan(pair.kind === 'client' ? 10 : 50)
    },
    120_000,
  )
})

function sentence({ scenario, check, direct, proxied, reason }: Loss): string {
  return `${scenario}: ${check}: ${direct} → ${proxied} ${reason}`
}
