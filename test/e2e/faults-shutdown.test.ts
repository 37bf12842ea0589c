/** The end of the gateway: what was begun is finished within the time-out, and nobody is left without an answer. */
import { expect, test } from 'bun:test'
import { documentedFetch } from '../support/api-document.ts'
import { type Caller, callerWays, type Outcome, openCaller } from '../support/callers.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { alive, descendants } from '../support/process-facts.ts'
import { faultStdio, RestartableHttp, rawStdio, statusOf, Tally } from '../support/supervised.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const callsInFlight = 20

interface SlowCalls extends AsyncDisposable {
  readonly gateway: RunningGateway
  readonly outcomes: Promise<Outcome[]>
}

/** A gateway with slow calls in flight: over every face and in both eras, to a pipe and to an HTTP server. */
async function startSlowCalls(
  upstream: RestartableHttp,
  tally: Tally,
  ms: number,
  shutdownTimeout: string,
  extra: Record<string, unknown>[] = [],
): Promise<SlowCalls> {
  const gateway = await startGatewayProcess({
    via: 'executable',
    args: ['--mcp-shutdown-timeout', shutdownTimeout],
    config: {
      mcps: [
        rawStdio('pipe', {}, tally.args),
        { name: 'web', transport: 'streamable-http', url: upstream.url },
        ...extra,
      ],
    },
  })
  const callers: Caller[] = []
  for (const way of callerWays)
    for (const name of ['pipe', 'web']) callers.push(await openCaller(gateway, name, way))
  const calls = Array.from({ length: callsInFlight }, (_, n) =>
    (callers[n % callers.length] as Caller).call(n, 'slow', { ms, secret: `s${n}` }),
  )
  await poll('the calls to arrive', async () => tally.secrets().length === callsInFlight)
  return { gateway, outcomes: Promise.all(calls), [Symbol.asyncDispose]: () => gateway.kill() }
}

test.concurrent('SIGTERM during twenty slow calls lets them finish, takes nothing new, and exits with 0', async () => {
  using directory = temporaryDirectory()
  const tally = new Tally(directory)
  await using upstream = await RestartableHttp.start(tally.args)
  await using slow = await startSlowCalls(upstream, tally, 2_000, '30s')
  const { gateway, outcomes } = slow
  const processes = descendants(gateway.pid)
  gateway.process.signal('SIGTERM')
  await gateway.process.line((line) => line.includes('"stopping"'))
  const health = await documentedFetch(`${gateway.url}/healthz`)
  expect([health.status, await health.json()]).toEqual([503, { status: 'draining' }])
  // What ends a process that does not live must not end one that stops in order.
  const live = await documentedFetch(`${gateway.url}/livez`)
  expect([live.status, await live.json()]).toEqual([200, { status: 'ok' }])
  for (const path of ['/mcp-proxy/pipe/stream', '/mcp-proxy/pipe/sse', '/admin/mcps', '/readyz']) {
    const refused = await documentedFetch(gateway.url + path)
    expect([path, refused.status]).toEqual([path, 503])
    await refused.text()
  }
  for (const { answer } of await outcomes) expect(answer.result?.structuredContent).toEqual({ slept: 2_000 })
  expect(await gateway.process.exited).toBe(0)
  await poll('the end of its processes', async () => !processes.some(alive), 2_000)
})

test.concurrent('calls longer than the time-out get an error each, and it exits within a second of it', async () => {
  using directory = temporaryDirectory()
  const tally = new Tally(directory)
  await using upstream = await RestartableHttp.start(tally.args)
  // A server that ignores the end of its input and TERM must not hold up the exit either.
  const stubborn = faultStdio('stubborn', 'stubborn-tree')
  await using slow = await startSlowCalls(upstream, tally, 60_000, '1s', [stubborn])
  const { gateway, outcomes } = slow
  const byAdmin = gateway.admin('/tools/call', {
    method: 'POST',
    body: { mcpName: 'pipe', toolName: 'slow', arguments: { ms: 60_000, secret: 'of an admin' } },
  })
  await poll('the call of an admin', async () => tally.secrets().includes('of an admin'))
  const processes = descendants(gateway.pid)
  const startedAtMs = performance.now()
  gateway.process.signal('SIGTERM')
  const lastDrainingMs = lastDraining(gateway.url, startedAtMs)
  const ended = (await outcomes).map(({ answer }) => [answer.id, answer.error?.data])
  expect(ended).toEqual(ended.map((_, n) => [n, { code: 'DRAINING', retryAfterMs: 1000 }]))
  // Each was sent to its server: nobody is told that all it takes is another try.
  for (const { answer } of await outcomes) expect(answer.error?.message).toContain('may have run')
  const ofAdmin = await byAdmin
  const { code, details } = (await ofAdmin.json()) as { code: string; details: string }
  expect([ofAdmin.status, code, details]).toEqual([503, 'DRAINING', expect.stringContaining('may have run')])
  expect(await gateway.process.exited).toBe(0)
  expect(performance.now() - startedAtMs).toBeLessThan(2_000)
  // A platform that ends what is unhealthy for longer than the time-out never sees this one for so long.
  const drainingMs = await lastDrainingMs
  expect(drainingMs).toBeGreaterThan(500)
  expect(drainingMs).toBeLessThan(1_200)
  await poll('the end of its processes', async () => !processes.some(alive), 10_000)
})

/** When a probe was last answered 503, in milliseconds since then; each asks over a connection of its own. */
async function lastDraining(url: string, sinceMs: number): Promise<number> {
  let lastMs = 0
  for (;;) {
    try {
      const answer = await fetch(`${url}/healthz`, { headers: { connection: 'close' } })
      await answer.arrayBuffer()
      if (answer.status === 503) lastMs = performance.now() - sinceMs
      await Bun.sleep(10)
    } catch {
      return lastMs
    }
  }
}

test.concurrent('a second signal ends it at once, with the number of the signal', async () => {
  using directory = temporaryDirectory()
  const tally = new Tally(directory)
  await using upstream = await RestartableHttp.start(tally.args)
  await using slow = await startSlowCalls(upstream, tally, 60_000, '60s')
  const { gateway, outcomes } = slow
  const processes = descendants(gateway.pid)
  gateway.process.signal('SIGTERM')
  await gateway.process.line((line) => line.includes('"stopping"'))
  // Less than this is an echo of the first.
  await Bun.sleep(350)
  const secondAtMs = performance.now()
  gateway.process.signal('SIGTERM')
  expect(await gateway.process.exited).toBe(128 + 15)
  expect(performance.now() - secondAtMs).toBeLessThan(1_500)
  expect((await outcomes).map(({ answer }) => answer.error?.data)).toEqual(
    Array.from({ length: callsInFlight }, () => ({ code: 'DRAINING', retryAfterMs: 1000 })),
  )
  await poll('the end of its processes', async () => !processes.some(alive), 10_000)
})

test.concurrent('SIGTERM ends open streams and idle sessions without waiting for the time-out', async () => {
  await using gateway = await startGatewayProcess({ via: 'executable', config: { mcps: [rawStdio('raw')] } })
  const callers = await Promise.all([...callerWays].map((way) => openCaller(gateway, 'raw', way)))
  expect(callers.length).toBe(3)
  expect((await statusOf(gateway, 'raw')).sessions).toBe(2)
  const startedAtMs = performance.now()
  expect(await gateway.stop()).toBe(0)
  expect(performance.now() - startedAtMs).toBeLessThan(1_500)
})
