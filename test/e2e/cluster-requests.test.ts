/**
 * Three gateways behind a splitter that sends each request to another one than the one that has its session: whatever
 * a client does works as at one gateway.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join, resolve } from 'node:path'
import { openCaller } from '../support/callers.ts'
import { poll } from '../support/gateway.ts'
import { callModern, Listening } from '../support/modern-client.ts'
import { collectEvents, RawClient, type RpcMessage } from '../support/raw-client.ts'
import { redisProgram } from '../support/redis-server.ts'
import { type RunningReplicas, startReplicas } from '../support/replicas.ts'
import { tallied } from '../support/tally.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const oneState = resolve(import.meta.dir, '../support/one-state-server.ts')
const directory = temporaryDirectory()
const tally = join(directory.path, 'raw')
let cluster: RunningReplicas

beforeAll(async () => {
  if (redisProgram === null) return
  cluster = await startReplicas({
    mcps: [
      {
        name: 'raw',
        transport: 'stdio',
        command: process.execPath,
        args: [rawServer, '--transport', 'stdio', '--tally', tally],
      },
      {
        name: 'one',
        transport: 'stdio',
        command: process.execPath,
        args: [oneState, join(directory.path, 'one')],
      },
      {
        name: 'kept',
        transport: 'stdio',
        command: process.execPath,
        args: [rawServer, '--transport', 'stdio'],
        authTokens: ['token-of-ada', 'token-of-bob'],
      },
      {
        name: 'spread',
        transport: 'stdio',
        command: process.execPath,
        args: [rawServer, '--transport', 'stdio'],
        affinity: 'none',
      },
      {
        name: 'ends',
        transport: 'stdio',
        command: process.execPath,
        args: [rawServer, '--transport', 'stdio'],
        onOwnerLoss: 'end',
      },
      { name: 'both', transport: 'group', members: [{ server: 'raw' }] },
      { name: 'wide', transport: 'group', members: [{ server: 'raw' }], affinity: 'none' },
    ],
  })
}, 60_000)
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  directory[Symbol.dispose]()
})

interface Line {
  readonly requestId?: string
  readonly tool?: string
  readonly pair?: string
}

/** The process that has answered. */
function pidIn({ result }: RpcMessage): unknown {
  return (result?.structuredContent as { pid?: number } | undefined)?.pid
}

function runOf(mark: string): RpcMessage | undefined {
  return tallied(tally).find(({ params }) => JSON.stringify(params ?? {}).includes(`"${mark}"`))
}

function cancelsSoFar(): number {
  return tallied(tally).filter(({ method }) => method === 'notifications/cancelled').length
}

const capabilities = { elicitation: {}, sampling: {}, roots: {} }
const asking = { capabilities }

describe.skipIf(redisProgram === null)('a session whose requests all come to other gateways', () => {
  test('is served by its owner: its calls reach one process', async () => {
    await using client = await RawClient.open(cluster.face('raw', 'stream'), asking)
    const pids = new Set<number>()
    for (let id = 1; id <= 6; id++) pids.add((await client.call<{ pid: number }>(id, 'pid', {})).pid)
    expect(pids.size).toBe(1)
  })

  test('has a line at both: the one that passed a request on names it so, the owner says what it was', async () => {
    await using client = await RawClient.open(cluster.face('raw', 'stream'), asking)
    await client.call(1, 'pid', {})
    const lines = () =>
      cluster.gateways
        .flatMap((gateway) => gateway.lines())
        .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []))
    const isOf = (line: Line) => line.tool === 'pid' && line.pair === 'legacy-legacy'
    await poll('the line of the owner', async () => lines().some(isOf))
    const { requestId } = lines().filter(isOf).at(-1) ?? {}
    await poll('the line of the front', async () =>
      lines().some(
        (line) => line.requestId === requestId && line.pair === 'forwarded' && line.tool === undefined,
      ),
    )
  })

  test('gets progress in the stream of the call, in order', async () => {
    await using client = await RawClient.open(cluster.face('raw', 'stream'), asking)
    const { before, contentType } = await client.callTool(1, 'steps', { count: 5, everyMs: 5 }, 'p')
    expect(contentType).toStartWith('text/event-stream')
    expect(before.map(({ params }) => params?.['progress'])).toEqual([1, 2, 3, 4, 5])
  })

  test('answers what the server asks in the middle of a call', async () => {
    await using client = await RawClient.open(cluster.face('raw', 'stream'), {
      ...asking,
      answer: () => ({ roots: [{ uri: 'file:///home' }] }),
    })
    const { result } = await client.call<{ result: unknown }>(1, 'ask', { method: 'roots/list' })
    expect(result).toEqual({ roots: [{ uri: 'file:///home' }] })
  })

  test('cancels a call', async () => {
    await using client = await RawClient.open(cluster.face('raw', 'stream'), asking)
    void client.post(
      '{"jsonrpc":"2.0","id":"cut","method":"tools/call","params":{"name":"slow","arguments":{"ms":20000}}}',
    )
    await poll('the call to reach the server', async () =>
      tallied(tally).some(({ params }) => params?.['name'] === 'slow'),
    )
    await client.notify('notifications/cancelled', { requestId: 'cut' })
    await poll('the cancel to reach the server', async () =>
      tallied(tally).some(({ method }) => method === 'notifications/cancelled'),
    )
  })

  test('hears on its standing stream what belongs to no call', async () => {
    await using client = await RawClient.open(cluster.face('raw', 'stream'), asking)
    await client.stand()
    const message = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' }
    await client.call(1, 'emit', { messages: [message], apart: true })
    await poll('the notification', async () => client.standing.length > 0)
    expect(client.standing).toEqual([message])
  })

  test('resumes a stream that was cut, and misses nothing', async () => {
    await using client = await RawClient.open(cluster.face('raw', 'stream'), asking)
    const cut = new AbortController()
    const text =
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"steps","arguments":{"count":8,"everyMs":40},"_meta":{"progressToken":"p"}}}'
    const response = await client.post(text, { signal: cut.signal })
    const seen = await collectEvents(response.body ?? new ReadableStream(), (_, all) => all.length === 4)
    cut.abort()
    const resumed = await client.get(seen.at(-1)?.id ?? '')
    const missed = await collectEvents(resumed.body ?? new ReadableStream(), ({ data }) =>
      data.includes('"done"'),
    )
    const steps = [...seen, ...missed].flatMap(({ data }) => /"progress":(\d+)/.exec(data)?.[1] ?? [])
    expect(steps).toEqual(['1', '2', '3', '4', '5', '6', '7', '8'])
  })

  test('ends with DELETE, everywhere', async () => {
    const client = await RawClient.open(cluster.face('raw', 'stream'), asking)
    await client.call(1, 'pid', {})
    await client.close()
    for (const gateway of cluster.gateways) {
      const response = await fetch(gateway.face('raw', 'stream'), {
        method: 'POST',
        headers: client.headers(),
        body: '{"jsonrpc":"2.0","id":2,"method":"ping"}',
      })
      expect(response.status).toBe(404)
    }
  })

  test("is nobody else's: another principal gets the 404 of an id that nobody issued", async () => {
    const token = 'token-of-ada'
    await using client = await RawClient.open(cluster.face('kept', 'stream'), { ...asking, token })
    await client.call(1, 'pid', {})
    for (const { face } of cluster.gateways) {
      const response = await fetch(face('kept', 'stream'), {
        method: 'POST',
        headers: { ...client.headers(), authorization: 'Bearer token-of-bob' },
        body: '{"jsonrpc":"2.0","id":2,"method":"ping"}',
      })
      expect(response.status).toBe(404)
      expect(((await response.json()) as { error: { code: number } }).error.code).toBe(-32001)
    }
  })

  test('brings a large answer whole', async () => {
    await using client = await RawClient.open(cluster.face('raw', 'stream'), asking)
    const { text } = await client.call<{ text: string }>(1, 'large', { bytes: 3_000_000 })
    expect(text.length).toBe(3_000_000)
  })

  test('with a group keeps to its owner as well', async () => {
    await using client = await RawClient.open(cluster.face('both', 'stream'), asking)
    const pids = new Set<number>()
    for (let id = 1; id <= 4; id++) pids.add((await client.call<{ pid: number }>(id, 'raw__pid', {})).pid)
    expect(pids.size).toBe(1)
  })
})

describe.skipIf(redisProgram === null)('a stateless client at a server with sessions', () => {
  test.each([
    { why: 'a server with affinity: none', name: 'spread', tool: 'pid', replicas: 3 },
    { why: 'a group with affinity: none', name: 'wide', tool: 'raw__pid', replicas: 3 },
    {
      why: 'a server without, where they find what earlier ones have left,',
      name: 'raw',
      tool: 'pid',
      replicas: 1,
    },
  ])('at $why runs its calls at so many gateways: $replicas', async ({ name, tool, replicas }) => {
    const pids = new Set<unknown>()
    for (let id = 1; id <= 6; id++) {
      const { answer } = await callModern(cluster.face(name, 'stream'), tool, {}, { id })
      pids.add(pidIn(answer))
    }
    expect(pids.size).toBe(replicas)
  })

  test('comes back to a call that waits for its answer, wherever that waits', async () => {
    for (let round = 0; round < 4; round++) {
      const args = { method: 'roots/list', mark: `parked-${round}` }
      const post = { capabilities, id: round }
      const asked = await callModern(cluster.face('one', 'stream'), 'ask', args, post)
      expect(asked.answer.result).toMatchObject({ resultType: 'input_required' })
      const [key = ''] = Object.keys(asked.answer.result?.['inputRequests'] ?? {})
      const params = {
        requestState: asked.answer.result?.['requestState'],
        inputResponses: { [key]: { roots: [{ uri: 'file:///home' }] } },
      }
      const { answer } = await callModern(cluster.face('one', 'stream'), 'ask', args, { ...post, params })
      expect(answer.result?.structuredContent).toMatchObject({ result: { roots: [{ uri: 'file:///home' }] } })
    }
  })

  test('listens to what its server says, wherever it listens', async () => {
    await using listening = await Listening.open(cluster.face('one', 'stream'), {
      resourceSubscriptions: ['file:///a'],
    })
    await callModern(cluster.face('one', 'stream'), 'touch', { uri: 'file:///a' })
    await poll('the update', async () =>
      listening.messages.some(({ method }) => method === 'notifications/resources/updated'),
    )
  })

  test('that goes away has its call cancelled at its server', async () => {
    // Whoever is asked answers at the owner or at two others: each way is taken.
    for (let round = 0; round < 3; round++) {
      const gone = new AbortController()
      const args = { ms: 20_000, mark: `gone-${round}` }
      const call = callModern(cluster.face('raw', 'stream'), 'slow', args, { signal: gone.signal }).catch(
        () => null,
      )
      await poll('the call to reach the server', async () => runOf(`gone-${round}`) !== undefined)
      const cancels = cancelsSoFar()
      gone.abort()
      await poll('the cancel', async () => cancelsSoFar() > cancels)
      await call
    }
  })

  test('at a group calls one process as well', async () => {
    const pids = new Set<unknown>()
    for (let id = 1; id <= 4; id++) {
      const { answer } = await callModern(cluster.face('both', 'stream'), 'raw__pid', {}, { id })
      pids.add(pidIn(answer))
    }
    expect(pids.size).toBe(1)
  })
})

describe.skipIf(redisProgram === null)('a client of the oldest revision', () => {
  test('posts to whichever gateway, and hears the answers on its one stream', async () => {
    await using caller = await openCaller(cluster, 'raw', 'sse')
    const pids = new Set<unknown>()
    for (let id = 1; id <= 6; id++) {
      const { status, answer } = await caller.call(id, 'pid', {})
      expect(status).toBe(202)
      pids.add(pidIn(answer))
    }
    expect(pids.size).toBe(1)
  })
})

// The last one: it leaves two gateways.
describe.skipIf(redisProgram === null)('a session whose gateway is killed', () => {
  test('goes on at another one, or is over where its server says so', async () => {
    const ending = await RawClient.open(cluster.face('ends', 'stream'), asking)
    const at = cluster.splitter.begunAt(ending.sessionId)
    const owner = cluster.gateways.find(({ url }) => url === at)
    let going = await RawClient.open(cluster.face('raw', 'stream'), asking)
    while (cluster.splitter.begunAt(going.sessionId) !== at)
      going = await RawClient.open(cluster.face('raw', 'stream'), asking)
    await owner?.kill()
    for (const id of [1, 2]) {
      const refused = await ending.post(JSON.stringify({ jsonrpc: '2.0', id, method: 'ping' }))
      expect([refused.status, await refused.text()]).toEqual([
        404,
        expect.stringContaining('SESSION_UNKNOWN'),
      ])
    }
    expect((await going.call<{ pid: number }>(1, 'pid', {})).pid).toBeNumber()
    await using again = await RawClient.open(cluster.face('ends', 'stream'), asking)
    expect((await again.call<{ pid: number }>(1, 'pid', {})).pid).toBeNumber()
    await going[Symbol.asyncDispose]()
  }, 20_000)
})
