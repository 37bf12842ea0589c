/** A definition that is replaced or removed while calls are in flight. */
import { expect, test } from 'bun:test'
import { type Caller, callerWays, openCaller } from '../support/callers.ts'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { alive } from '../support/process-facts.ts'
import { RawClient } from '../support/raw-client.ts'
import { pidOf, RestartableHttp, rawStdio, Tally } from '../support/supervised.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

async function callersOf(gateway: Parameters<typeof openCaller>[0], name: string): Promise<Caller[]> {
  return Promise.all(callerWays.map((way) => openCaller(gateway, name, way)))
}

test.concurrent('PUT lets calls in flight finish on the old process, which then ends, while new ones go to the new one', async () => {
  using directory = temporaryDirectory()
  const [before, after] = [new Tally(directory), new Tally(directory)]
  await using gateway = await startGatewayProcess({ via: 'executable' })
  await gateway.register(rawStdio('raw', {}, before.args))
  const callers = await callersOf(gateway, 'raw')
  // A client that could be asked something has a process to itself.
  const own = await RawClient.open(gateway.face('raw', 'stream'), { capabilities: { roots: {} } })
  const ownPid = (await own.call<{ pid: number }>('pid', 'pid', {})).pid
  const oldPid = await pidOf(callers[0] as Caller)
  expect(ownPid).not.toBe(oldPid)
  const slow = callers.map((caller, n) => caller.call(`slow ${n}`, 'slow', { ms: 1_500, secret: `s${n}` }))
  const ownSlow = own.callTool('slow', 'slow', { ms: 1_500, secret: 'own' })
  await poll('the calls to arrive', async () => before.secrets().length === callers.length + 1)
  const replaced = await gateway.admin('/mcps/raw', { method: 'PUT', body: rawStdio('raw', {}, after.args) })
  expect(replaced.status).toBe(200)
  // Old sessions go on, on the new process, at once.
  const quick = await Promise.all(
    callers.map((caller, n) => caller.call(`q${n}`, 'echo', { secret: `q${n}` })),
  )
  expect(quick.map(({ answer }) => answer.result?.structuredContent)).toEqual(
    quick.map((_, n) => ({ secret: `q${n}` })),
  )
  expect((await own.callTool('q own', 'echo', { secret: 'q own' })).answer.result?.structuredContent).toEqual(
    { secret: 'q own' },
  )
  const finished = await Promise.all(slow)
  expect(finished.map(({ answer }) => answer.result?.structuredContent)).toEqual(
    finished.map(() => ({ slept: 1_500 })),
  )
  expect((await ownSlow).answer.result?.structuredContent).toEqual({ slept: 1_500 })
  await poll('the old processes to end', async () => !alive(oldPid) && !alive(ownPid), 5_000)
  expect(after.secrets()).toEqual(['q own', 'q0', 'q1', 'q2'])
  expect(before.secrets()).toEqual(['own', 's0', 's1', 's2'])
  for (const caller of callers) await caller.close()
  await own.close()
})

test.concurrent('PUT of an HTTP server lets calls in flight finish at the old address', async () => {
  using directory = temporaryDirectory()
  const [before, after] = [new Tally(directory), new Tally(directory)]
  await using old = await RestartableHttp.start(before.args)
  await using next = await RestartableHttp.start(after.args)
  const definition = (url: string) => ({ name: 'web', transport: 'streamable-http', url })
  await using gateway = await startGatewayProcess({ via: 'executable' })
  await gateway.register(definition(old.url))
  const callers = await callersOf(gateway, 'web')
  const slow = callers.map((caller, n) => caller.call(`slow ${n}`, 'slow', { ms: 1_500, secret: `s${n}` }))
  await poll('the calls to arrive', async () => before.secrets().length === callers.length)
  expect((await gateway.admin('/mcps/web', { method: 'PUT', body: definition(next.url) })).status).toBe(200)
  const quick = await Promise.all(
    callers.map((caller, n) => caller.call(`q${n}`, 'echo', { secret: `q${n}` })),
  )
  expect(quick.map(({ answer }) => answer.result?.structuredContent)).toEqual(
    quick.map((_, n) => ({ secret: `q${n}` })),
  )
  const finished = await Promise.all(slow)
  expect(finished.map(({ answer }) => answer.result?.structuredContent)).toEqual(
    finished.map(() => ({ slept: 1_500 })),
  )
  expect(after.secrets()).toEqual(['q0', 'q1', 'q2'])
  for (const caller of callers) await caller.close()
})

test.concurrent.each(['pipe', 'web'])(
  'DELETE during calls (%s) answers each with an error, and its sessions with 404',
  async (kind) => {
    using directory = temporaryDirectory()
    const tally = new Tally(directory)
    await using upstream = await RestartableHttp.start(tally.args)
    await using gateway = await startGatewayProcess({ via: 'executable' })
    await gateway.register(
      kind === 'pipe'
        ? rawStdio('raw', {}, tally.args)
        : { name: 'raw', transport: 'streamable-http', url: upstream.url },
    )
    const callers = await callersOf(gateway, 'raw')
    const session = await RawClient.open(gateway.face('raw', 'stream'))
    const calls = callers.map((caller, n) => caller.call(n, 'slow', { ms: 60_000, secret: `s${n}` }))
    await poll('the calls to arrive', async () => tally.secrets().length === callers.length)
    const removedAtMs = performance.now()
    const removed = gateway.admin('/mcps/raw', { method: 'DELETE' })
    const outcomes = await Promise.all(calls)
    expect(performance.now() - removedAtMs).toBeLessThan(1_000)
    for (const [n, { answer }] of outcomes.entries()) {
      expect(answer.id).toBe(n)
      expect(answer.error?.data).toBeOneOf([{ code: 'UPSTREAM_CLOSED' }, { code: 'SERVER_UNKNOWN' }])
      expect(answer.error?.message).toContain('The server raw was removed')
    }
    expect((await removed).status).toBe(204)
    const late = await session.post('{"jsonrpc":"2.0","id":"late","method":"ping"}')
    expect(late.status).toBe(404)
    expect(await late.json()).toMatchObject({ id: 'late', error: { data: { code: 'SERVER_UNKNOWN' } } })
    // The same name again is another server: what was opened with the old one is unknown to it.
    await gateway.register(rawStdio('raw'))
    const stale = await session.post('{"jsonrpc":"2.0","id":"stale","method":"ping"}')
    expect(stale.status).toBe(404)
    expect(await stale.json()).toMatchObject({ id: 'stale', error: { data: { code: 'SESSION_UNKNOWN' } } })
  },
)
