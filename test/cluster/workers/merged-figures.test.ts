import { describe, expect, test } from 'bun:test'
import { buried, Graveyard, mergedSnapshot } from '../../../src/cluster/workers/merged-figures.ts'
import {
  createMetrics,
  type LoginFigures,
  type MetricsSnapshot,
  type ServerGauges,
} from '../../../src/telemetry/metrics.ts'
import { prometheusText } from '../../../src/telemetry/metrics-page.ts'

const gauges: ServerGauges = {
  name: 'docs',
  sessions: 2,
  processes: 1,
  lanes: 1,
  parkedCalls: 0,
  connected: true,
  restarts: 1,
}

function figuresOf(calls: number, change: Partial<ServerGauges> = {}): MetricsSnapshot {
  const metrics = createMetrics()
  for (let each = 0; each < calls; each++) {
    metrics.requestStarted('docs')
    metrics.requestEnded('docs', 2, false)
    metrics.callEnded({
      server: 'docs',
      group: undefined,
      method: 'tools/call',
      outcome: 'ok',
      durationMs: 2,
    })
    metrics.httpAnswered('mcp', 200)
  }
  return metrics.snapshot([{ ...gauges, ...change }], 1)
}

type LoginStates = Partial<LoginFigures>

function loginsOf(account: LoginFigures['account'], states: LoginStates): LoginFigures {
  return {
    ...{ server: 'docs', account, stored: 0, insufficient: 0, needsLogin: 0, needsConsent: 0, endsAtS: null },
    attempts: { completed: 1, failed: 0 },
    renewals: { renewed: 2, ended: 0, refused: 0, failed: 1 },
    ...states,
  }
}

function withLogins(account: LoginFigures['account'], states: LoginStates): MetricsSnapshot {
  return createMetrics().snapshot([], 0, { logins: [loginsOf(account, states)] })
}

describe('the figures of several workers', () => {
  test('count one once that ends while they are asked for', () => {
    const graveyard = new Graveyard()
    const asker = { instance: 'a', figures: figuresOf(1) }
    graveyard.with(['b'], [figuresOf(3)], asker, () => true)
    graveyard.died('b')
    const told = graveyard.with(['b'], [figuresOf(4)], asker, (instance) => instance === 'a')
    expect(told.map(({ servers }) => servers[0]?.requests)).toEqual([3])
  })

  test('are those that one process would show', () => {
    const merged = mergedSnapshot(figuresOf(3), [figuresOf(4, { connected: false }), figuresOf(5)])
    const [docs] = merged.servers
    expect(docs).toMatchObject({ requests: 12, sessions: 6, processes: 3, restarts: 3, connected: true })
    expect(docs?.outcomes.ok).toBe(12)
    expect(docs?.durationCounts.reduce((sum, count) => sum + count, 0)).toBe(12)
    expect(merged.http).toEqual([{ area: 'mcp', status: 200, count: 12 }])
    expect(merged.linesDropped).toBe(3)
  })

  test('have each series once on the page', () => {
    const lines = prometheusText(mergedSnapshot(figuresOf(1), [figuresOf(1)]))
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.slice(0, line.lastIndexOf(' ')))
    expect(new Set(lines).size).toBe(lines.length)
  })

  test('keep what a worker that has ended had counted, and nothing of its moment', () => {
    const merged = mergedSnapshot(figuresOf(1), [buried(figuresOf(4))])
    expect(merged.servers[0]).toMatchObject({ requests: 5, sessions: 2, processes: 1, inFlight: 0 })
  })

  test.each<[why: string, account: LoginFigures['account'], of: LoginStates[], merged: LoginStates]>([
    [
      'what all share is one login, whoever has seen that it does not count',
      'shared',
      [
        { stored: 1, insufficient: 1, needsLogin: 1 },
        { stored: 1 },
        { stored: 1, insufficient: 1, needsLogin: 1 },
      ],
      { stored: 1, insufficient: 1, needsLogin: 1 },
    ],
    [
      'users who lack a login are known to one worker each, logins to all',
      'user',
      [{ stored: 9, needsLogin: 2 }, { stored: 9, needsLogin: 1, needsConsent: 1, insufficient: 1 }, {}],
      { stored: 9, needsLogin: 3, needsConsent: 1, insufficient: 1 },
    ],
    [
      'the first that ends is the first of all',
      'user',
      [{ endsAtS: null }, { endsAtS: 30 }, { endsAtS: 20 }],
      { endsAtS: 20 },
    ],
  ])('tell of logins: %s', (_, account, of, expected) => {
    const [first, ...others] = of.map((states) => withLogins(account, states))
    if (first === undefined) throw new Error('there is no worker')
    const merged = mergedSnapshot(first, [
      ...others,
      buried(withLogins(account, { stored: 50, needsLogin: 50 })),
    ])
    expect(merged.logins).toEqual([
      {
        ...loginsOf(account, expected),
        attempts: { completed: 4, failed: 0 },
        renewals: { renewed: 8, ended: 0, refused: 0, failed: 4 },
      },
    ])
  })

  test('have the latest exemplar of each bucket', () => {
    const of = (...atMs: (number | null)[]): MetricsSnapshot => {
      const figures = figuresOf(1)
      const exemplars = atMs.map((at) => (at === null ? null : { traceId: `${at}`, durationMs: 1, atMs: at }))
      return { ...figures, calls: figures.calls.map((series) => ({ ...series, exemplars })) }
    }
    const merged = mergedSnapshot(figuresOf(1), [of(3, null, 1), of(2, null, 4)])
    expect(merged.calls[0]?.exemplars?.map((each) => each?.traceId)).toEqual(['3', undefined, '4'])
    expect(mergedSnapshot(figuresOf(1), [figuresOf(1)]).calls[0]).not.toHaveProperty('exemplars')
  })

  test('alone are what they were', () => {
    const figures = figuresOf(2)
    expect(mergedSnapshot(figures, [])).toEqual(figures)
  })
})
