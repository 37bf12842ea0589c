/** A gateway of two workers, as its users have it: one port, any request on any worker, one answer for all of them. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { readEvents, type ServerSentEvent } from '../../support/event-reader.ts'
import { commandOf, poll, type RunningGateway, startGatewayProcess } from '../../support/gateway.ts'
import { startProcess } from '../../support/process.ts'
import { alive, processesAtHome } from '../../support/process-facts.ts'
import { RawClient } from '../../support/raw-client.ts'
import { commandOfRawServer } from '../../support/raw-fixture.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const via = 'executable'
const raw = { transport: 'stdio', ...commandOfRawServer() }
const config = { mcp_proxy: { workers: 2 }, mcps: [{ name: 'raw', ...raw }] }

let gateway: RunningGateway
beforeAll(async () => {
  gateway = await startGatewayProcess({ via, config })
})
afterAll(async () => {
  await gateway?.stop()
})

/** On a connection of its own, so that the kernel chooses among the workers each time. */
const apart = (headers: Readonly<Record<string, string>> = {}) => ({ ...headers, connection: 'close' })

const workersOf = ({ directory, pid }: RunningGateway): number[] =>
  processesAtHome(directory).filter((each) => each !== pid && isWorker(each))

/** The next event that the predicate takes; the stream stays open. */
async function next(
  events: AsyncGenerator<ServerSentEvent>,
  wanted: (event: ServerSentEvent) => boolean,
): Promise<ServerSentEvent> {
  for (;;) {
    const { value, done } = await events.next()
    if (done === true) throw new Error('the stream has ended')
    if (wanted(value)) return value
  }
}

function isWorker(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes('__worker')
  } catch {
    return false
  }
}

/** Which worker has answered each of these: the beginning of the ids of its requests, as the log has them. */
const prefixesIn = (lines: readonly string[]): Set<string> =>
  new Set(
    lines.flatMap((line) => {
      const [, prefix] = /"requestId":"([0-9a-f]{8})-/.exec(line) ?? []
      return prefix === undefined ? [] : [prefix]
    }),
  )

describe('two workers on one port', () => {
  test('both take connections', async () => {
    await Promise.all(
      Array.from({ length: 64 }, () => fetch(gateway.face('nobody', 'stream'), { headers: apart() })),
    )
    expect(workersOf(gateway)).toHaveLength(2)
    await poll('lines of both', async () => prefixesIn(gateway.lines()).size === 2)
  })

  test('serve any request of a session, whichever of them it meets', async () => {
    const client = await RawClient.open(gateway.face('raw', 'stream'), { headers: apart() })
    for (let id = 0; id < 24; id++)
      expect(await client.call(id, 'echo', { secret: `s${id}` })).toEqual({ secret: `s${id}` })
    await client[Symbol.asyncDispose]()
  })

  test('serve the older endpoint: a stream at one of them, what its client sends at any', async () => {
    for (let round = 0; round < 4; round++) {
      const leaving = new AbortController()
      const stream = await fetch(gateway.face('raw', 'sse'), { headers: apart(), signal: leaving.signal })
      const events = readEvents(stream.body as ReadableStream<Uint8Array>)
      const { data } = await next(events, ({ type }) => type === 'endpoint')
      const params = {
        protocolVersion: '2024-11-05',
        capabilities: {},
        clientInfo: { name: 'c', version: '1' },
      }
      for (const message of [
        { id: 1, method: 'initialize', params },
        { method: 'notifications/initialized' },
        { id: 2, method: 'tools/call', params: { name: 'echo', arguments: { secret: 'old' } } },
      ]) {
        const sent = await fetch(new URL(data, gateway.url), {
          method: 'POST',
          headers: apart({ 'content-type': 'application/json' }),
          body: JSON.stringify({ jsonrpc: '2.0', ...message }),
        })
        expect([message.method, sent.status]).toEqual([message.method, 202])
      }
      const answer = await next(events, (event) => event.data.includes('"id":2'))
      expect(answer.data).toContain('"secret":"old"')
      leaving.abort()
    }
  })

  test('answer 404 for a session id that none of them has issued', async () => {
    for (let round = 0; round < 8; round++) {
      const answer = await fetch(gateway.face('raw', 'stream'), {
        method: 'POST',
        headers: apart({
          'mcp-session-id': crypto.randomUUID(),
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        }),
        body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
      })
      expect(answer.status).toBe(404)
    }
  })

  test('show one page of figures: each call counts once, whoever is asked', async () => {
    const before = await callsIn(gateway)
    const clients = await Promise.all(
      Array.from({ length: 8 }, () => RawClient.open(gateway.face('raw', 'stream'), { headers: apart() })),
    )
    await Promise.all(
      clients.flatMap((client) => [1, 2, 3].map((id) => client.call(id, 'echo', { secret: 'x' }))),
    )
    for (let round = 0; round < 6; round++) expect((await callsIn(gateway)) - before).toBe(8 * 3)
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
  })

  test('know a server that was registered at one of them as soon as that is answered', async () => {
    const added = await gateway.admin('/mcps', {
      method: 'POST',
      body: { name: 'later', ...raw },
      headers: apart(),
    })
    expect(added.status).toBe(201)
    const statuses = await Promise.all(
      Array.from({ length: 16 }, async () => {
        const client = await RawClient.open(gateway.face('later', 'stream'), { headers: apart() })
        await client[Symbol.asyncDispose]()
        return 200
      }),
    )
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect((await gateway.admin('/mcps/later', { method: 'DELETE', headers: apart() })).status).toBe(204)
    for (let round = 0; round < 8; round++)
      expect((await fetch(gateway.face('later', 'stream'), { headers: apart() })).status).toBe(404)
  })

  test('tell admins the sum: processes and sessions of both', async () => {
    const before = (await statusOf('raw')).sessions
    const clients = await Promise.all(
      Array.from({ length: 12 }, () => RawClient.open(gateway.face('raw', 'stream'), { headers: apart() })),
    )
    const status = await statusOf('raw')
    expect(status.sessions).toBe(before + 12)
    expect(status.processes).toBe(processesAtHome(gateway.directory).filter(isRawServer).length)
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
  })
})

test('a worker that is killed is started again; its processes end, and the gateway goes on', async () => {
  await using own = await startGatewayProcess({ via, config })
  const [victim = 0] = workersOf(own)
  const orphans = processesAtHome(own.directory)
    .filter(isRawServer)
    .filter((pid) => parentOf(pid) === victim)
  process.kill(victim, 'SIGKILL')
  // The kernel may hand a connection to the one that is ending: what counts is that the next one is served.
  await poll('the others', async () => {
    const answer = await fetch(`${own.url}/livez`, { headers: apart() }).catch(() => null)
    return answer?.status === 200
  })
  await poll('another worker', async () => {
    const workers = workersOf(own)
    return workers.length === 2 && !workers.includes(victim)
  })
  await own.process.line((line) => /"level":"error".*a worker has ended/.test(line))
  await poll('the end of its processes', async () => !orphans.some(alive))
  const client = await RawClient.open(own.face('raw', 'stream'))
  expect(await client.call(1, 'echo', { secret: 'after' })).toEqual({ secret: 'after' })
  await client[Symbol.asyncDispose]()
})

test('a worker that is told to end hands its sessions over: no call fails', async () => {
  await using own = await startGatewayProcess({ via, config })
  const clients = await Promise.all(
    Array.from({ length: 6 }, () => RawClient.open(own.face('raw', 'stream'), { headers: apart() })),
  )
  const [victim = 0] = workersOf(own)
  let isReplaced = false
  const calling = clients.map(async (client) => {
    for (let id = 0; !isReplaced; id++) {
      expect(await client.call(id, 'echo', { secret: `${id}` })).toEqual({ secret: `${id}` })
      await Bun.sleep(10)
    }
  })
  process.kill(victim, 'SIGTERM')
  await own.process.line((line) => /"level":"info".*as it was told/.test(line))
  await poll('another worker', async () => workersOf(own).length === 2 && !workersOf(own).includes(victim))
  isReplaced = true
  await Promise.all(calling)
})

test('a supervisor that is killed takes its workers and their processes with it', async () => {
  const own = await startGatewayProcess({ via, config })
  await own.kill()
  expect(processesAtHome(own.directory)).toEqual([])
})

test('TERM lets calls of both finish, ends every process, and gives the state directory back', async () => {
  await using own = await startGatewayProcess({ via, config })
  const clients = await Promise.all(
    Array.from({ length: 8 }, () => RawClient.open(own.face('raw', 'stream'), { headers: apart() })),
  )
  const calls = clients.map((client) => client.call(1, 'slow', { ms: 400 }))
  await poll('calls in flight', async () => (await inFlightOf(own)) === 8)
  const code = own.stop()
  expect(await Promise.all(calls)).toEqual(calls.map(() => ({ slept: 400 })))
  expect(await code).toBe(0)
  expect(processesAtHome(own.directory)).toEqual([])
})

test('a port that is taken is said as one process says it', async () => {
  const holder = createServer()
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
  const { port } = holder.address() as { port: number }
  const started = startProcess({
    command: [...commandOf(via), 'mcp-proxy', '--workers', '2', '--mcp-port', String(port)],
    cwd: gateway.directory,
    env: { HOME: gateway.directory, MCP_PROXY_STORAGE_TYPE: 'memory' },
  })
  expect(await started.exited).toBe(1)
  expect(started.lines().join('\n')).toContain(`port ${port} is taken on 127.0.0.1`)
  holder.close()
})

test('a second gateway on the same state directory is refused', async () => {
  const started = startProcess({
    command: [...commandOf(via), 'mcp-proxy', '--workers', '2', '--mcp-port', '0'],
    cwd: gateway.directory,
    env: { HOME: gateway.directory },
  })
  expect(await started.exited).toBe(1)
  expect(started.lines().join('\n')).toContain('is in use by another gateway')
})

test('HUP has all of them read the configuration again, which is said once', async () => {
  await using own = await startGatewayProcess({ via, config: { mcp_proxy: { workers: 2 }, mcps: [] } })
  await Bun.write(
    join(own.directory, 'compozy.yaml'),
    JSON.stringify({ mcp_proxy: { workers: 2 }, mcps: [{ name: 'fresh', ...raw }] }),
  )
  own.process.signal('SIGHUP')
  await own.process.line((line) => line.includes('configuration read again'))
  // The worker that reads first says it; the other follows.
  const isKnown = async () => (await fetch(own.face('fresh', 'stream'), { headers: apart() })).status !== 404
  await poll('all of them', async () =>
    (await Promise.all(Array.from({ length: 8 }, isKnown))).every((known) => known),
  )
  const faces = Array.from({ length: 8 }, () =>
    RawClient.open(own.face('fresh', 'stream'), { headers: apart() }),
  )
  for (const client of await Promise.all(faces)) await client[Symbol.asyncDispose]()
  expect(own.lines().filter((line) => line.includes('configuration read again'))).toHaveLength(1)
  await Bun.write(join(own.directory, 'compozy.yaml'), '{ "mcp_proxy": { "port": "none" } }')
  const refused = await own.admin('/reload', { method: 'POST', headers: apart() })
  expect(refused.status).toBe(422)
  expect((await fetch(own.face('fresh', 'stream'), { headers: apart() })).status).toBe(400)
})

test('the log of all is one file of whole lines, and HUP opens it again where it was moved away', async () => {
  using folder = temporaryDirectory({ 'compozy.yaml': JSON.stringify(config) })
  const port = freePort()
  const path = join(folder.path, 'gateway.log')
  await using started = startProcess({
    command: [...commandOf(via), 'mcp-proxy', '--mcp-port', String(port), '--mcp-log-file', path],
    cwd: folder.path,
    env: { HOME: folder.path },
  })
  const ask = async (): Promise<number> =>
    (await fetch(`http://127.0.0.1:${port}/mcp-proxy/nobody/stream`, { headers: apart() })).status
  await poll('the gateway', async () => (await ask().catch(() => 0)) === 404)
  await Promise.all(Array.from({ length: 200 }, ask))
  await poll('its lines', async () => requestsIn(path) >= 200)
  const before = requestsIn(path)
  renameSync(path, `${path}.1`)
  started.signal('SIGHUP')
  await poll('another file', async () => existsSync(path))
  await Promise.all(Array.from({ length: 50 }, ask))
  // Each of them opens it for itself: until then its lines go where the file has gone.
  await poll('lines there', async () => requestsIn(path) + requestsIn(`${path}.1`) >= before + 50)
  await poll('the file of both', async () => {
    await ask()
    return requestsIn(path) > 10
  })
  for (const file of [path, `${path}.1`])
    for (const line of readFileSync(file, 'utf8').trim().split('\n')) JSON.parse(line)
  await started.stop()
})

function requestsIn(path: string): number {
  return readFileSync(path, 'utf8').split('"msg":"request"').length - 1
}

async function statusOf(name: string): Promise<{ sessions: number; processes: number }> {
  const answer = await gateway.admin(`/mcps/${name}`, { headers: apart() })
  return ((await answer.json()) as { status: { sessions: number; processes: number } }).status
}

async function callsIn({ url }: RunningGateway): Promise<number> {
  const page = await (await fetch(`${url}/metrics`, { headers: apart() })).text()
  return Number(/^compozy_mcp_requests_total\{server="raw"\} (\d+)/m.exec(page)?.[1])
}

async function inFlightOf({ url }: RunningGateway): Promise<number> {
  const page = await (await fetch(`${url}/metrics`, { headers: apart() })).text()
  return Number(/^compozy_mcp_requests_in_flight\{server="raw"\} (\d+)/m.exec(page)?.[1])
}

function isRawServer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('raw-server.ts')
  } catch {
    return false
  }
}

function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  } catch {
    return 0
  }
}

function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  listener.stop(true)
  return listener.port
}
