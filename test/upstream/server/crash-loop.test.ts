/** When a server that is up again is believed, and what is told of one that is not. */
import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../src/errors.ts'
import { parseDefinition } from '../../../src/registry/definition-schema.ts'
import { CrashLoop } from '../../../src/upstream/server/crash-loop.ts'
import { ServerHealth } from '../../../src/upstream/server/health.ts'
import { ProcessExit } from '../../../src/upstream/transports/stdio/process-exit.ts'

const secondMs = 1_000

/** A loop after uptimes of so many seconds, each followed by an end. */
function afterUptimes(...upSeconds: readonly number[]): CrashLoop {
  const loop = new CrashLoop()
  let nowMs = 0
  for (const upS of upSeconds) {
    nowMs += upS * secondMs
    loop.ended(upS * secondMs, nowMs)
  }
  return loop
}

describe('a server that ended', () => {
  test.each([
    { up: [2], provenS: 0, why: 'once, is believed at once: anything may end once' },
    { up: [2, 2], provenS: 10, why: 'twice within seconds, is believed after ten of them' },
    { up: [2, 20, 3], provenS: 40, why: 'after twenty seconds at most, is believed after twice as long' },
    { up: [45, 45], provenS: 60, why: 'after most of a minute, is believed after a whole one' },
    { up: [2, 2, 60], provenS: 0, why: 'after a steady minute, begins anew' },
    { up: [2, 2, 3_600, 2], provenS: 10, why: 'again and again on a new day, is judged by that day' },
  ])('$why', ({ up, provenS }) => {
    const loop = afterUptimes(...up)
    expect(loop.isIn(0)).toBe(provenS > 0)
    expect(loop.isIn(provenS * secondMs)).toBe(false)
    if (provenS > 0) expect(loop.isIn(provenS * secondMs - 1)).toBe(true)
  })
})

describe('the status of a server that ends every two seconds', () => {
  const parsed = parseDefinition({ name: 'one', transport: 'stdio', command: 'one' }, { now: '' })
  if (!parsed.ok) throw new Error('no definition')
  const silent = { debug() {}, info() {}, warn() {}, error() {} }
  const ending = { program: 'one', args: [], exitCode: 3, signal: null }
  const exit = new ProcessExit(ending, 'Error: no key')

  /** The status at each change, as the rounds go. */
  function rounds(count: number) {
    const health = new ServerHealth(parsed.ok ? parsed.definition : never(), silent)
    const told = []
    // Whole, so that sums are exact.
    let nowMs = Math.round(performance.now())
    for (let n = 0; n < count; n++) {
      health.connecting()
      told.push(health.figures(nowMs))
      health.started()
      health.connected(nowMs)
      told.push(health.figures(nowMs + secondMs))
      nowMs += 2 * secondMs
      health.failed(exit, nowMs)
      told.push(health.figures(nowMs))
    }
    return { told, health, nowMs }
  }

  test('is error from its second end on, in each part of each round', () => {
    const { told } = rounds(6)
    expect(told.slice(0, 6).map(({ status }) => String(status))).toEqual([
      ...['connecting', 'connected', 'error', 'connecting', 'connected', 'error'],
    ])
    expect(new Set(told.slice(5).map(({ status }) => status))).toEqual(new Set(['error']))
    expect(new Set(told.slice(5).map(({ since }) => since)).size).toBe(1)
    expect(told.at(-2)?.upTime).toBe(0)
  })

  test('says how often, since when and why, and how the last process ended', () => {
    const { told } = rounds(6)
    const last = told.at(-1)
    expect(last?.reason).toBe(
      `It goes down again and again, 6 times since ${last?.since}: The server process exited with code 3: Error: no key`,
    )
    expect(last).toMatchObject({ restarts: 5, lastExit: { code: 3, signal: null } })
    expect(last?.lastExit?.at).toBeString()
  })

  test('is connected when it stays up, since it came up', () => {
    const { health, nowMs } = rounds(4)
    health.connected(nowMs)
    expect(health.figures(nowMs + 9_999).status).toBe('error')
    const well = health.figures(nowMs + 10_000)
    expect(well).toMatchObject({ status: 'connected', reason: null, upTime: 10_000_000_000 })
  })

  function never(): never {
    throw new Error('no definition')
  }

  test('passes on what it was called with while it is up: a call is not refused', () => {
    const { health, nowMs } = rounds(4)
    health.connected(nowMs)
    expect(health.state).toBe('connected')
  })
})

describe('the reason', () => {
  const parsed = parseDefinition(
    { name: 'one', transport: 'stdio', command: 'one', maxReconnects: 1 },
    { now: '' },
  )
  const silent = { debug() {}, info() {}, warn() {}, error() {} }
  const lost = new GatewayError('UPSTREAM_CLOSED', 'it was lost')

  test('says how long it starts and what it wrote, then why it failed, then that it is not tried again', () => {
    if (!parsed.ok) throw new Error('no definition')
    const health = new ServerHealth(parsed.definition, silent)
    expect(health.figures(0).reason).toBeNull()
    health.connecting()
    const nowMs = performance.now()
    expect(health.figures(nowMs + 34_000).reason).toBe('It has been starting for 34 s')
    expect(health.figures(nowMs + 150_000, 'it wrote "x" on stdout').reason).toBe(
      'It has been starting for 3 min; it wrote "x" on stdout',
    )
    health.failed(lost, nowMs)
    expect(health.figures(nowMs)).toMatchObject({ reason: 'it was lost', lastExit: null })
    health.connecting()
    expect(health.figures(nowMs + 34_000).reason).toBe('it was lost')
    health.failed(lost, nowMs)
    expect(health.figures(nowMs).reason).toBe(
      'it was lost; it is not tried again (autoReconnect, maxReconnects)',
    )
    health.disconnected()
    expect(health.figures(nowMs).reason).toBeNull()
  })

  test('is one line of bounded length without control signs, whatever a server answered', () => {
    if (!parsed.ok) throw new Error('no definition')
    const health = new ServerHealth(parsed.definition, silent)
    health.failed(new GatewayError('UPSTREAM_ERROR', 'one\r\ntwo\u001b[2Jthree\u202e'), 0)
    expect(health.figures(0).reason).toBe('one two [2Jthree')
    health.failed(new GatewayError('UPSTREAM_ERROR', 'x'.repeat(100_000)), 0)
    expect(health.figures(0).lastError).toBe(`${'x'.repeat(1_000)}…`)
  })
})
