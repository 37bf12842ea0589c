/** Connections of a client's own: how many there may be, when they end, and what a server may do to them. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { alive, descendants } from '../support/process-facts.ts'
import { RawClient } from '../support/raw-client.ts'
import { faultStdio, rawStdio, statusOf } from '../support/supervised.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** A client that could be asked something gets a process of its own. */
const interactive = { capabilities: { roots: {} } }

test.concurrent('past the limit of processes a client hears of it, and finds room when another one leaves', async () => {
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: { mcp_proxy: { limits: { processes_max: 3 } }, mcps: [rawStdio('raw')] },
  })
  const url = gateway.face('raw', 'stream')
  const first = await RawClient.open(url, interactive)
  await using second = await RawClient.open(url, interactive)
  const refusal = await RawClient.open(url, interactive).then(
    () => 'opened',
    (thrown: Error) => thrown.message,
  )
  expect(refusal).toStartWith('503 ')
  expect(refusal).toContain('PROCESSES_EXHAUSTED')
  expect(refusal).toContain('limits.processes_max')
  // Clients that share a process are not concerned, nor are those who have theirs.
  await using sharing = await RawClient.open(url)
  expect(await sharing.call('a', 'echo', { secret: 'a' })).toEqual({ secret: 'a' })
  expect(await second.call('b', 'echo', { secret: 'b' })).toEqual({ secret: 'b' })
  expect(await statusOf(gateway, 'raw')).toMatchObject({ status: 'connected', processes: 3, sessions: 3 })
  await first.close()
  await poll('room', async () => (await statusOf(gateway, 'raw')).processes === 2)
  await using third = await RawClient.open(url, interactive)
  expect(await third.call('c', 'echo', { secret: 'c' })).toEqual({ secret: 'c' })
})

test.concurrent('a process that nobody uses any more ends after the idle time-out; the first one stays', async () => {
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: {
        timeouts: { lane_idle: '500ms', session_idle: '500ms' },
        auth: { global_tokens: ['token-of-the-first-client', 'token-of-the-second-client'] },
      },
      mcps: [rawStdio('raw')],
    },
  })
  const url = gateway.face('raw', 'stream')
  const [first, second] = await Promise.all([
    RawClient.open(url, { token: 'token-of-the-first-client' }),
    RawClient.open(url, { token: 'token-of-the-second-client' }),
  ])
  // One process for each principal: whoever came first has got the one that was there.
  expect((await statusOf(gateway, 'raw')).processes).toBe(2)
  // A call that takes longer than either time-out keeps its process.
  const slow = [first, second].map((client) => client.call('slow', 'slow', { ms: 1_500 }))
  expect(await Promise.all(slow)).toEqual([{ slept: 1_500 }, { slept: 1_500 }])
  await poll('the second to end', async () => (await statusOf(gateway, 'raw')).processes === 1, 2_500)
  // The watchdog and the server.
  expect(descendants(gateway.pid).length).toBe(2)
  const late = await second.post('{"jsonrpc":"2.0","id":1,"method":"ping"}')
  expect(late.status).toBe(404)
})

test.concurrent('a client that never lets go loses its session at the absolute age, whatever it does', async () => {
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: { mcp_proxy: { timeouts: { session_absolute: '1s' } }, mcps: [rawStdio('raw')] },
  })
  const client = await RawClient.open(gateway.face('raw', 'stream'), interactive)
  await client.stand()
  const { pid } = await client.call<{ pid: number }>('pid', 'pid', {})
  await poll(
    'its end',
    async () => {
      const answer = await client.post('{"jsonrpc":"2.0","id":1,"method":"ping"}')
      await answer.text()
      return answer.status === 404
    },
    2_500,
  )
  await poll('the end of its process', async () => !alive(pid), 2_500)
})

const deaths = [
  { how: 'as soon as it has greeted', mode: 'answer-and-exit' },
  // On a busy machine the gateway reads the greeting and the end of its process in one turn.
  { how: 'before its greeting is read', mode: 'answer-and-exit-unseen' },
]
for (const { how, mode } of deaths) {
  test.concurrent(`a process for one client that dies ${how}, again and again, is started with growing pauses`, async () => {
    using directory = temporaryDirectory()
    const flag = join(directory.path, 'starts')
    // The first process, the gateway's own, lives; those of clients die.
    const lives = rawStdio('raw').args.join(' ')
    const dies = faultStdio('raw', mode).args.join(' ')
    const script = `if [ -e ${flag} ]; then date +%s%3N >>${flag}; exec ${process.execPath} ${dies}; fi; touch ${flag}; exec ${process.execPath} ${lives}`
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: { mcps: [{ name: 'raw', transport: 'stdio', command: 'sh', args: ['-c', script] }] },
    })
    const client = await RawClient.open(gateway.face('raw', 'stream'), interactive)
    await client.stand()
    const startsMs = () => readFileSync(flag, 'utf8').trim().split('\n').map(Number)
    await poll('four starts', async () => startsMs().length >= 4)
    const [, second = 0, third = 0, fourth = 0] = startsMs()
    expect(third - second).toBeGreaterThanOrEqual(500)
    expect(fourth - third).toBeGreaterThanOrEqual(1_000)
    expect(await statusOf(gateway, 'raw')).toMatchObject({ status: 'connected' })
  })
}

test.concurrent('a server that is gone before its greeting is read is started again and again', async () => {
  using directory = temporaryDirectory()
  const starts = join(directory.path, 'starts')
  const dies = faultStdio('raw', 'answer-and-exit-unseen').args.join(' ')
  const script = `echo . >>${starts}; exec ${process.execPath} ${dies}`
  await using _gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcps: [
        { name: 'raw', transport: 'stdio', command: 'sh', args: ['-c', script], reconnectDelay: '100ms' },
      ],
    },
  })
  await poll('three starts', async () => readFileSync(starts, 'utf8').trim().split('\n').length >= 3)
})
