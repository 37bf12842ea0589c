/** Servers that are asked for while they are down or starting: the first request is served by what is there soonest. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { openCaller } from '../support/callers.ts'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { faultStdio, RestartableHttp, rawStdio, statusOf, Tally, untilStatus } from '../support/supervised.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

test.concurrent('a server that exits after each answer is there for each call', async () => {
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: { mcps: [faultStdio('brief', 'exit-after-call', { reconnectDelay: '60s' })] },
  })
  await using caller = await openCaller(gateway, 'brief', 'stream')
  for (const id of [1, 2, 3]) {
    const { status, answer } = await caller.call(id, 'any', {})
    expect({ status, name: answer.result?.['name'] }).toEqual({ status: 200, name: 'any' })
    await untilStatus(gateway, 'brief', 'error')
  }
})

test.concurrent('a server that is back in a moment is there at the next call, not at the next attempt that was planned', async () => {
  await using upstream = await RestartableHttp.start()
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcps: [{ name: 'web', transport: 'streamable-http', url: upstream.url, reconnectDelay: '60s' }],
    },
  })
  await using caller = await openCaller(gateway, 'web', 'stream')
  await upstream.kill()
  await caller.call(1, 'echo', { secret: 'lost' })
  await untilStatus(gateway, 'web', 'error')
  await upstream.start()
  const { answer } = await caller.call(2, 'echo', { secret: 'back' })
  expect(answer.result?.structuredContent).toEqual({ secret: 'back' })
})

test.concurrent('a server that does not start is tried at most once a second, however many ask', async () => {
  await using gateway = await startGatewayProcess({
    via: 'executable',
    untilReady: false,
    config: { mcps: [faultStdio('dead', 'exit-at-once', { reconnectDelay: '60s' })] },
  })
  await untilStatus(gateway, 'dead', 'error')
  await using caller = await openCaller(gateway, 'dead', 'modern')
  const startedAtMs = performance.now()
  while (performance.now() - startedAtMs < 2_500) {
    const refused = await Promise.all([1, 2, 3].map((id) => caller.call(id, 'any', {})))
    const codes = refused.map(({ answer }) => (answer.error?.data as { code?: string } | undefined)?.code)
    expect(new Set(codes)).toEqual(new Set(['SERVER_UNAVAILABLE']))
  }
  const starts = gateway.lines().filter((line) => line.includes('"to":"connecting"')).length
  expect(starts).toBeGreaterThanOrEqual(3)
  expect(starts).toBeLessThanOrEqual(2 + Math.floor((performance.now() - startedAtMs) / 1_000))
})

test.concurrent('the process that waits serves the first client that can be asked nothing, and never a second token', async () => {
  using directory = temporaryDirectory()
  const tally = new Tally(directory)
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: { auth: { global_tokens: ['one', 'two'] } },
      mcps: [rawStdio('raw', {}, tally.args), rawStdio('tried')],
    },
  })
  const pidOf = async (token: string, capabilities: object = {}, name = 'raw'): Promise<unknown> => {
    await using client = await RawClient.open(gateway.face(name, 'stream'), { token, capabilities })
    return (await client.call('who', 'pid', {}))['pid']
  }
  const tryOut = async (mcpName: string): Promise<void> => {
    const body = { mcpName, toolName: 'pid', arguments: {} }
    expect((await gateway.admin('/tools/call', { method: 'POST', body })).status).toBe(200)
  }
  const first = await pidOf('one')
  expect(tally.count('"method":"initialize"')).toBe(1)
  expect(await pidOf('one')).toBe(first)
  const others = [await pidOf('two'), await pidOf('one', { roots: {} })]
  expect(others).not.toContain(first)
  // What an admin tries out leaves nothing to a client, before it or after.
  await poll('one for each token', async () => (await statusOf(gateway, 'raw')).processes === 2)
  await tryOut('raw')
  expect(await statusOf(gateway, 'raw')).toMatchObject({ processes: 3 })
  await tryOut('tried')
  expect(await statusOf(gateway, 'tried')).toMatchObject({ processes: 1 })
  await pidOf('one', {}, 'tried')
  expect(await statusOf(gateway, 'tried')).toMatchObject({ processes: 2 })
})

test.concurrent('initialize waits longer for a start than other requests do', async () => {
  using directory = temporaryDirectory()
  const flag = join(directory.path, 'go')
  const { args } = rawStdio('slow')
  const script = `while [ ! -e ${flag} ]; do sleep 0.05; done; exec ${process.execPath} ${args.join(' ')}`
  await using gateway = await startGatewayProcess({
    via: 'executable',
    untilReady: false,
    config: {
      mcp_proxy: { timeouts: { start_wait: '2s' } },
      mcps: [{ name: 'slow', transport: 'stdio', command: 'sh', args: ['-c', script] }],
    },
  })
  await untilStatus(gateway, 'slow', 'connecting')
  const opening = RawClient.open(gateway.face('slow', 'stream'))
  await using modern = await openCaller(gateway, 'slow', 'modern')
  expect((await modern.call(1, 'echo', { secret: 'x' })).answer.error?.data).toEqual({
    code: 'SERVER_STARTING',
    retryAfterMs: 5_000,
  })
  await Bun.write(flag, '')
  await using client = await opening
  expect(await client.call(2, 'echo', { secret: 'y' })).toEqual({ secret: 'y' })
})
