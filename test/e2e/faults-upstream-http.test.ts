/** An HTTP server that restarts, vanishes and comes back: clients notice as little as can be. */
import { expect, test } from 'bun:test'
import { callerWays, openCaller } from '../support/callers.ts'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { RestartableHttp, statusOf, Tally, untilStatus } from '../support/supervised.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

test.concurrent.each([...callerWays])(
  'a restart that loses every session goes unnoticed by a client (%s)',
  async (way) => {
    using directory = temporaryDirectory()
    const tally = new Tally(directory)
    await using upstream = await RestartableHttp.start(tally.args)
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: { mcps: [{ name: 'web', transport: 'streamable-http', url: upstream.url }] },
    })
    await using caller = await openCaller(gateway, 'web', way)
    expect((await caller.call(1, 'echo', { secret: 'before' })).status).toBeOneOf([200, 202])
    await upstream.kill()
    await upstream.start()
    // Twenty at once: one new session must do for all of them.
    const sessionsBefore = tally.count('"method":"initialize"')
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, n) => caller.call(`c${n}`, 'echo', { secret: `after ${n}` })),
    )
    expect(outcomes.map(({ answer }) => answer.result?.structuredContent)).toEqual(
      outcomes.map((_, n) => ({ secret: `after ${n}` })),
    )
    expect(tally.count('"method":"initialize"') - sessionsBefore).toBe(1)
    expect((await statusOf(gateway, 'web')).status).toBe('connected')
  },
)

test.concurrent.each([...callerWays])(
  'one that is gone is an error that says when to come back (%s), and serves again within one step of the backoff after it is back',
  async (way) => {
    await using upstream = await RestartableHttp.start()
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: {
        mcps: [
          {
            name: 'web',
            transport: 'streamable-http',
            url: upstream.url,
            reconnectDelay: '500ms',
            healthCheckInterval: '60s',
          },
        ],
      },
    })
    await using caller = await openCaller(gateway, 'web', way)
    await upstream.kill()
    // Once this is answered the gateway has seen the end of its connections: a call that crossed it on the way
    // may have been delivered, and is UPSTREAM_CLOSED.
    await (await fetch(`${gateway.url}/healthz`)).text()
    // Whoever calls first finds out; nobody waits for the next health check.
    const first = await caller.call('first', 'echo', { secret: 'x' })
    expect(first.answer).toMatchObject({ id: 'first', error: { data: { code: 'SERVER_UNAVAILABLE' } } })
    const ill = await untilStatus(gateway, 'web', 'error', 900)
    expect(ill).toMatchObject({ upTime: 0, reconnectAttempts: 1 })
    expect(ill.lastError).toContain('cannot be reached (ECONNREFUSED)')
    const refused = await caller.call('second', 'echo', { secret: 'x' })
    expect(refused).toMatchObject({
      status: way === 'sse' ? 202 : 200,
      answer: { id: 'second', error: { data: { code: 'SERVER_UNAVAILABLE', retryAfterMs: 1000 } } },
    })
    // It fails once more, so that the backoff has grown.
    await poll('another attempt', async () => (await statusOf(gateway, 'web')).reconnectAttempts === 2)
    await upstream.start()
    const { reconnectAttempts } = await statusOf(gateway, 'web')
    const backAtMs = performance.now()
    await untilStatus(gateway, 'web', 'connected')
    expect(performance.now() - backAtMs).toBeLessThan(500 * 2 ** (reconnectAttempts - 1) + 500)
    const again = await caller.call('third', 'echo', { secret: 'again' })
    expect(again.answer.result?.structuredContent).toEqual({ secret: 'again' })
  },
)
