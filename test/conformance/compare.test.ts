import { describe, expect, test } from 'bun:test'
import { compare } from './compare.ts'
import { excused, owed, type Pair, pairs } from './pairs.ts'
import type { Check, CheckStatus, Verdicts } from './suite.ts'

function verdicts(checks: Readonly<Record<string, CheckStatus[]>>): Verdicts {
  const made: Check[] = Object.entries(checks).flatMap(([id, statuses]) =>
    statuses.map((status) => ({ id, status, errorMessage: `${id} is ${status}` })),
  )
  return new Map([['scenario', made]])
}

function pairNamed(name: string): Pair {
  const pair = pairs.find((candidate) => candidate.name === name)
  if (pair === undefined) throw new Error(`no pair ${name}`)
  return pair
}

describe('comparing a direct run with one through the gateway', () => {
  test.each<{ why: string; direct: Verdicts; proxied: Verdicts; lost: string[] }>([
    {
      why: 'everything still passes',
      direct: verdicts({ a: ['SUCCESS'], b: ['INFO'] }),
      proxied: verdicts({ a: ['SUCCESS'] }),
      lost: [],
    },
    {
      why: 'a check fails',
      direct: verdicts({ a: ['SUCCESS'], b: ['SUCCESS'] }),
      proxied: verdicts({ a: ['FAILURE'], b: ['SUCCESS'] }),
      lost: ['a: SUCCESS → FAILURE'],
    },
    {
      why: 'a check only warns',
      direct: verdicts({ a: ['SUCCESS'] }),
      proxied: verdicts({ a: ['WARNING'] }),
      lost: ['a: SUCCESS → WARNING'],
    },
    {
      why: 'a check is skipped',
      direct: verdicts({ a: ['SUCCESS'] }),
      proxied: verdicts({ a: ['SKIPPED'] }),
      lost: ['a: SUCCESS → SKIPPED'],
    },
    {
      why: 'a check is not made at all',
      direct: verdicts({ a: ['SUCCESS'], b: ['SUCCESS'] }),
      proxied: verdicts({ b: ['SUCCESS'] }),
      lost: ['a: SUCCESS → not made'],
    },
    {
      why: 'one of three occurrences is missing',
      direct: verdicts({ a: ['SUCCESS', 'SUCCESS', 'SUCCESS'] }),
      proxied: verdicts({ a: ['SUCCESS', 'SUCCESS'] }),
      lost: ['a: SUCCESS × 3 → SUCCESS'],
    },
    {
      why: 'a check that is not made direct fails',
      direct: verdicts({ a: ['SUCCESS'] }),
      proxied: verdicts({ a: ['SUCCESS'], error: ['FAILURE'] }),
      lost: ['error: not made → FAILURE'],
    },
    {
      why: 'the check could not look at anything',
      direct: verdicts({ a: ['SUCCESS'] }),
      proxied: verdicts({ a: ['INFO'] }),
      lost: ['a: SUCCESS → INFO'],
    },
    {
      why: 'the suite calls event streams optional there',
      direct: verdicts({ 'server-sse-streams-functional': ['SUCCESS'] }),
      proxied: verdicts({ 'server-sse-streams-functional': ['INFO'] }),
      lost: [],
    },
    {
      why: 'the scenario fails direct and so says nothing',
      direct: verdicts({ a: ['SUCCESS'], b: ['FAILURE'] }),
      proxied: verdicts({}),
      lost: [],
    },
  ])('finds the losses when $why', ({ direct, proxied, lost }) => {
    const { losses } = compare(direct, proxied)
    expect(losses.map((loss) => `${loss.check}: ${loss.direct} → ${loss.proxied}`)).toEqual(lost)
  })

  test('counts scenarios and single checks', () => {
    const direct = new Map([
      ...verdicts({ a: ['SUCCESS'], b: ['SUCCESS'] }),
      ['other', [{ id: 'c', status: 'SUCCESS' }]],
    ])
    const { scenariosDirect, scenariosKept, checksDirect, checksKept } = compare(
      direct as Verdicts,
      verdicts({ a: ['SUCCESS'], b: ['FAILURE'] }),
    )
    expect({ scenariosDirect, scenariosKept, checksDirect, checksKept }).toEqual({
      scenariosDirect: 2,
      scenariosKept: 0,
      checksDirect: 3,
      checksKept: 1,
    })
  })
})

describe('what may be lost', () => {
  const loss = { direct: 'SUCCESS', proxied: 'INFO', reason: '' }
  const resume = { ...loss, scenario: 'server-sse-polling', check: 'server-sse-disconnect-resume' }
  const priming = { ...loss, scenario: 'server-sse-polling', check: 'server-sse-priming-event' }

  test.each([
    {
      why: 'a pipe has no stream to close',
      name: 'stdio-both 2025-11-25 /stream',
      loss: resume,
      broken: false,
    },
    { why: 'an HTTP server has one', name: 'http-both 2025-11-25 /stream', loss: resume, broken: true },
    {
      why: 'the gateway primes its own stream',
      name: 'stdio-both 2025-11-25 /stream',
      loss: priming,
      broken: true,
    },
    {
      why: 'the old transport owes required scenarios',
      name: 'http-both 2025-11-25 /sse',
      loss: priming,
      broken: false,
    },
  ])('$name: broken is $broken, because $why', ({ name, loss, broken }) => {
    const pair = pairNamed(name)
    expect(owed(pair, loss) && !excused(pair, loss)).toBe(broken)
  })
})
