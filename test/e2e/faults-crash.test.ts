/** A server that dies with calls in flight: every caller is told, nothing is sent twice, the next call works. */
import { expect, test } from 'bun:test'
import { callerWays, openCaller } from '../support/callers.ts'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { alive } from '../support/process-facts.ts'
import { pidOf, rawStdio, statusOf, Tally, untilStatus } from '../support/supervised.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const callsInFlight = 50
const reconnectDelay = '500ms'

test.concurrent.each([...callerWays])(
  'kill -9 with fifty calls in flight (%s) fails each with its own id within a second, and none is sent again',
  async (way) => {
    using directory = temporaryDirectory()
    const tally = new Tally(directory)
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: { mcps: [rawStdio('raw', { reconnectDelay }, tally.args)] },
    })
    await using caller = await openCaller(gateway, 'raw', way)
    const pid = await pidOf(caller)
    const ids = Array.from({ length: callsInFlight }, (_, n) => (n % 2 === 0 ? n : `call ${n}`))
    const answeredAtMs: number[] = []
    const calls = ids.map(async (id) => {
      const outcome = await caller.call(id, 'slow', { ms: 60_000, secret: `s-${id}` })
      answeredAtMs.push(performance.now())
      return outcome
    })
    await poll('all calls to arrive', async () => tally.secrets().length === callsInFlight)
    process.kill(pid, 'SIGKILL')
    const killedAtMs = performance.now()
    const outcomes = await Promise.all(calls)
    expect(Math.max(...answeredAtMs) - killedAtMs).toBeLessThan(1000)
    expect(outcomes.map((outcome) => outcome.answer.id)).toEqual(ids)
    for (const { answer } of outcomes) {
      expect(answer.error?.data).toEqual({ code: 'UPSTREAM_CLOSED' })
      expect(answer.error?.message).toContain('SIGKILL')
    }
    const failed = await statusOf(gateway, 'raw')
    expect(failed).toMatchObject({ status: 'error', reconnectAttempts: 1, processes: 0 })
    expect(failed.lastError).toContain('SIGKILL')
    // Whoever calls meanwhile has it started, and waits for it.
    const early = await caller.call('early', 'echo', { secret: 'early' })
    expect(early.answer.result?.structuredContent).toEqual({ secret: 'early' })
    await untilStatus(gateway, 'raw', 'connected')
    const again = await caller.call('again', 'echo', { secret: 'again' })
    expect(again.answer.result?.structuredContent).toEqual({ secret: 'again' })
    expect(tally.secrets()).toEqual([...ids.map((id) => `s-${id}`), 'again', 'early'].toSorted())
  },
)

test.concurrent.each([
  { tool: 'exit', args: { code: 0 }, says: 'exited with code 0', why: 'exits with success' },
  { tool: 'exit', args: { code: 7 }, says: 'exited with code 7', why: 'exits with a failure' },
  { tool: 'hush', args: {}, says: 'closed its output', why: 'closes its output and lives on' },
])('a server that $why in the middle of a call is told so to the caller and started anew', async (row) => {
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: { mcps: [rawStdio('raw', { reconnectDelay })] },
  })
  await using caller = await openCaller(gateway, 'raw', 'stream')
  const pid = await pidOf(caller)
  const { status, answer } = await caller.call('last', row.tool, row.args)
  expect({ status, id: answer.id, data: answer.error?.data }).toEqual({
    status: 200,
    id: 'last',
    data: { code: 'UPSTREAM_CLOSED' },
  })
  expect(answer.error?.message).toContain(row.says)
  await poll('the process to be gone', async () => !alive(pid))
  await untilStatus(gateway, 'raw', 'connected')
  expect(await pidOf(caller)).not.toBe(pid)
})
