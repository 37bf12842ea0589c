/** When a server is tried again, and how its state is told. */
import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../src/errors.ts'
import type { ServerDefinition } from '../../../src/registry/definition.ts'
import { parseDefinition } from '../../../src/registry/definition-schema.ts'
import { ServerHealth } from '../../../src/upstream/server/health.ts'

const lost = new GatewayError('UPSTREAM_CLOSED', 'it was lost')
const silence = new GatewayError('UPSTREAM_TIMEOUT', 'no answer')
const minuteMs = 60_000
const silent = { debug() {}, info() {}, warn() {}, error() {} }

function definitionWith(extra: Record<string, unknown>): ServerDefinition {
  const parsed = parseDefinition({ name: 'one', transport: 'stdio', command: 'one', ...extra }, { now: '' })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return parsed.definition
}

function healthWith(extra: Record<string, unknown> = {}): ServerHealth {
  return new ServerHealth(definitionWith(extra), silent)
}

/** One failed attempt; answers the pause that was planned after it. */
function attempt(health: ServerHealth, nowMs = 0): number {
  health.connecting()
  health.failed(lost, nowMs)
  return health.retryAtMs - nowMs
}

describe('the pause before the next attempt', () => {
  test('doubles from the delay of the definition up to a minute, and stays there for ever', () => {
    const health = healthWith({ reconnectDelay: '5s' })
    const pauses = Array.from({ length: 40 }, () => attempt(health))
    const expected = [5, 10, 20, 40, ...Array.from({ length: 36 }, () => 60)].map((seconds) => seconds * 1000)
    pauses.forEach((pauseMs, n) => {
      expect(pauseMs).toBeLessThanOrEqual(expected[n] ?? 0)
      expect(pauseMs).toBeGreaterThanOrEqual((expected[n] ?? 0) * 0.8)
    })
  })

  test('has jitter, so that servers which died together do not come back together', () => {
    const pauses = Array.from({ length: 20 }, () => attempt(healthWith({ reconnectDelay: '5s' })))
    expect(new Set(pauses).size).toBeGreaterThan(10)
  })

  test('is never shorter than a delay above the cap', () => {
    expect(attempt(healthWith({ reconnectDelay: '10m' }))).toBeGreaterThanOrEqual(8 * minuteMs)
  })

  test.each([
    { upMs: minuteMs, silentBefore: false, attempts: 1, why: 'begins anew after a minute of uptime' },
    {
      upMs: minuteMs,
      silentBefore: true,
      attempts: 1,
      why: 'begins anew also when it fell silent before it died',
    },
    {
      upMs: minuteMs - 1,
      silentBefore: false,
      attempts: 4,
      why: 'goes on growing when it came up only for a moment',
    },
  ])('$why', ({ upMs, silentBefore, attempts }) => {
    const health = healthWith({ reconnectDelay: '1s' })
    for (let n = 0; n < 3; n++) attempt(health)
    health.connecting()
    health.connected(1000)
    if (silentBefore) health.silent(silence)
    health.failed(lost, 1000 + upMs)
    expect(health.attempts).toBe(attempts)
    // An uptime counts once: failing to start again is no sign of health.
    const pauseMs = attempt(health, 1000 + upMs + 1)
    expect(pauseMs).toBeGreaterThanOrEqual(1000 * 2 ** attempts * 0.8)
  })
})

describe('an attempt that a request asks for', () => {
  test('comes when it may, costs none of the attempts that are granted, and does not lengthen the pauses', () => {
    const health = healthWith({ reconnectDelay: '1s', maxReconnects: 3 })
    for (let n = 0; n < 3; n++) attempt(health)
    for (let n = 0; n < 10; n++) {
      health.hasten(500)
      expect(health).toMatchObject({ hastened: true, retryAtMs: 500 })
      const pauseMs = attempt(health)
      expect(pauseMs).toBeGreaterThanOrEqual(4000 * 0.8)
      expect(pauseMs).toBeLessThanOrEqual(4000)
      expect(health).toMatchObject({ hastened: false, attempts: 3 })
    }
  })

  test('is never put off, and never had where none is planned', () => {
    const health = healthWith({ reconnectDelay: '1s' })
    attempt(health)
    const plannedAtMs = health.retryAtMs
    health.hasten(plannedAtMs + 60_000)
    expect(health.retryAtMs).toBe(plannedAtMs)
    const givenUp = healthWith({ autoReconnect: false })
    attempt(givenUp)
    givenUp.hasten(1)
    expect(givenUp).toMatchObject({ hastened: false, retryAtMs: 0 })
  })
})

describe('giving up', () => {
  test('autoReconnect false plans nothing, and says so to callers', () => {
    const health = healthWith({ autoReconnect: false })
    health.connecting()
    health.failed(lost, 0)
    expect(health.retryAtMs).toBe(0)
    expect(health.unavailable(0).details).toContain('not tried again (autoReconnect')
  })

  test('maxReconnects counts attempts after the first', () => {
    const health = healthWith({ maxReconnects: 2 })
    const planned = Array.from({ length: 4 }, () => {
      attempt(health)
      return health.retryAtMs > 0
    })
    expect(planned).toEqual([true, true, false, false])
  })
})

describe('the state', () => {
  test('is logged once for each change, with the reason and the time of the next attempt', () => {
    const lines: unknown[] = []
    const note = (level: string) => (fields: Record<string, unknown>, text: string) =>
      void lines.push({ level, text, from: fields['from'], to: fields['to'], reason: fields['reason'] })
    const log = { ...silent, info: note('info'), warn: note('warn') }
    const health = new ServerHealth(definitionWith({}), log)
    health.connecting()
    health.connecting()
    health.connected(0)
    health.awake()
    health.silent(silence)
    health.silent(silence)
    health.awake()
    health.failed(lost, 0)
    health.disconnected()
    const text = 'server state changed'
    expect(lines).toEqual([
      { level: 'info', text, from: 'disconnected', to: 'connecting', reason: undefined },
      { level: 'info', text, from: 'connecting', to: 'connected', reason: undefined },
      { level: 'warn', text, from: 'connected', to: 'error', reason: 'no answer' },
      { level: 'info', text, from: 'error', to: 'connected', reason: undefined },
      { level: 'warn', text, from: 'connected', to: 'error', reason: 'it was lost' },
      { level: 'info', text, from: 'error', to: 'disconnected', reason: undefined },
    ])
  })

  test('reports no uptime while the server does not answer', () => {
    const health = healthWith()
    health.connecting()
    health.connected(1_000)
    expect(health.figures(3_000).upTime).toBe(2_000_000_000)
    health.silent(silence)
    expect(health.figures(3_000).upTime).toBe(0)
  })
})
