/** How the gateway notices that a server is ill, how often it tries again, and what it tells. */
import { describe, expect, test } from 'bun:test'
import { openCaller } from '../support/callers.ts'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { alive, descendants } from '../support/process-facts.ts'
import { faultStdio, pidOf, rawStdio, statusOf, Tally, untilStatus } from '../support/supervised.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

describe('attempts to start a server again', () => {
  test.concurrent.each([
    { why: 'autoReconnect is false', extra: { autoReconnect: false }, starts: 1 },
    { why: 'maxReconnects is 2', extra: { maxReconnects: 2, reconnectDelay: '50ms' }, starts: 3 },
  ])('end after $starts when $why, and callers are told so', async ({ extra, starts }) => {
    await using gateway = await startGatewayProcess({
      via: 'executable',
      untilReady: false,
      config: { mcps: [faultStdio('dead', 'exit-at-once', extra), rawStdio('alive')] },
    })
    const changes = () =>
      gateway.lines().filter((line) => line.includes('"to":"connecting"') && line.includes('"dead"')).length
    await poll('the last attempt', async () => {
      const { status, reconnectAttempts } = await statusOf(gateway, 'dead')
      return status === 'error' && reconnectAttempts === starts - 1 && changes() === starts
    })
    await using caller = await openCaller(gateway, 'dead', 'modern')
    const refused = await caller.call(1, 'echo', {})
    expect(refused).toMatchObject({ status: 200, answer: { error: { data: { retryAfterMs: 60_000 } } } })
    expect(refused.answer.error?.message).toContain('it is not tried again (autoReconnect, maxReconnects)')
    // A pause longer than any that was planned.
    await Bun.sleep(400)
    expect(changes()).toBe(starts)
    expect(await statusOf(gateway, 'alive')).toMatchObject({ status: 'connected' })
  })

  test.concurrent('go on with growing pauses, and callers are told the time to the next one', async () => {
    await using gateway = await startGatewayProcess({
      via: 'executable',
      untilReady: false,
      config: { mcps: [faultStdio('dead', 'exit-at-once', { reconnectDelay: '100ms' })] },
    })
    const planned = () =>
      gateway
        .lines()
        .map((line) => Number(/"to":"error".*"retryInMs":(\d+)/.exec(line)?.[1]))
        .filter((retryInMs) => !Number.isNaN(retryInMs))
    await poll('five failures', async () => planned().length >= 5)
    const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0] = planned()
    expect([first, second, third, fourth, fifth]).toEqual(
      [first, second, third, fourth, fifth].toSorted((a, b) => a - b),
    )
    expect(fifth).toBeGreaterThan(1200)
    await using caller = await openCaller(gateway, 'dead', 'modern')
    const refused = await caller.call(1, 'echo', {})
    expect(refused.status).toBe(200)
    expect(refused.answer.error?.data).toBeOneOf(
      [1000, 2000].map((retryAfterMs) => ({ code: 'SERVER_UNAVAILABLE', retryAfterMs })),
    )
    expect(refused.answer.error?.message).toContain('set FILES_ROOT')
  })
})

test.concurrent('SIGSTOP is noticed within probe interval and time-out, SIGCONT too, on the same connection', async () => {
  using directory = temporaryDirectory()
  const tally = new Tally(directory)
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: { timeouts: { health_probe: '400ms' } },
      mcps: [rawStdio('raw', { healthCheckInterval: '1s' }, tally.args), rawStdio('other')],
    },
  })
  await using caller = await openCaller(gateway, 'raw', 'stream')
  await using neighbour = await openCaller(gateway, 'other', 'stream')
  const pid = await pidOf(caller)
  process.kill(pid, 'SIGSTOP')
  const stoppedAtMs = performance.now()
  const waiting = caller.call('through', 'echo', { secret: 'through' })
  const ill = await untilStatus(gateway, 'raw', 'error')
  // The sweep that starts probes runs four times a second.
  expect(performance.now() - stoppedAtMs).toBeLessThan(1000 + 400 + 300)
  expect(ill).toMatchObject({ upTime: 0, processes: 1 })
  expect(ill.lastError).toContain('health probe failed: no answer to ping within 400 ms')
  expect((await neighbour.call(1, 'echo', { secret: 'n' })).status).toBe(200)
  process.kill(pid, 'SIGCONT')
  const continuedAtMs = performance.now()
  await untilStatus(gateway, 'raw', 'connected')
  expect(performance.now() - continuedAtMs).toBeLessThan(1000 + 400 + 300)
  // It was neither killed nor started again, and what it was asked meanwhile is answered, once.
  expect((await waiting).answer.result?.structuredContent).toEqual({ secret: 'through' })
  expect(await pidOf(caller)).toBe(pid)
  expect(tally.secrets()).toEqual(['through'])
  expect(tally.count('"method":"initialize"')).toBe(1)
})

test.concurrent('DELETE ends a wrapper and its grandchild that ignore the end of input and TERM', async () => {
  await using gateway = await startGatewayProcess({ via: 'executable' })
  const added = await gateway.admin('/mcps', {
    method: 'POST',
    body: faultStdio('stubborn', 'stubborn-tree'),
  })
  expect(added.status).toBe(201)
  await untilStatus(gateway, 'stubborn', 'connected')
  // The watchdog, the wrapper and its child.
  await poll('the whole tree', async () => descendants(gateway.pid).length === 3)
  const tree = descendants(gateway.pid)
  const removedAtMs = performance.now()
  expect((await gateway.admin('/mcps/stubborn', { method: 'DELETE' })).status).toBe(204)
  await poll(
    'its end',
    async () => tree.filter(alive).length === 1,
    10_000 - (performance.now() - removedAtMs),
  )
})
