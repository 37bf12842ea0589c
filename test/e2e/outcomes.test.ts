/** What became of each call stands in one line of the log, whichever way it came and whatever the server speaks. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { resolve } from 'node:path'
import { type CallerWay, callerWays, openCaller } from '../support/callers.ts'
import { findEvent, readEvents } from '../support/event-reader.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { callModern } from '../support/modern-client.ts'
import { RawClient } from '../support/raw-client.ts'

const server = resolve(import.meta.dir, '../support/failing-server.ts')
const servers = ['old', 'new'] as const
type Line = Readonly<Record<string, unknown>>

// A gateway that is killed for one slow test would fail all others.
setDefaultTimeout(20_000)

let gateway: RunningGateway

beforeAll(async () => {
  const command = process.execPath
  const toolFilter = { mode: 'block', list: ['hidden'] }
  gateway = await startGatewayProcess({
    config: {
      mcp_proxy: { timeouts: { client_input: '1s' } },
      mcps: [
        { name: 'old', transport: 'stdio', command, args: [server], toolFilter },
        { name: 'new', transport: 'stdio', command, args: [server, '--modern'], toolFilter },
      ],
    },
  })
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
})

/** The lines with an outcome that `work` has left, once there are so many. */
async function linesOf(count: number, work: () => Promise<unknown>): Promise<Line[]> {
  const before = gateway.lines().length
  const found = () =>
    gateway
      .lines()
      .slice(before)
      .map((text) => JSON.parse(text) as Line)
      .filter(({ outcome, tool, mcp }) => outcome !== undefined && tool !== undefined && mcp !== undefined)
  await work()
  await poll(`${count} lines with an outcome`, async () => found().length >= count, 10_000)
  return found()
}

const endings = [
  { tool: 'work', args: {}, is: { outcome: 'ok', level: 'info' }, why: 'the words stand elsewhere' },
  { tool: 'fail', args: {}, is: { outcome: 'tool_error', level: 'info' }, why: 'as most SDKs write it' },
  { tool: 'fail', args: { at: 'first' }, is: { outcome: 'tool_error' }, why: 'as a server may write it' },
  { tool: 'fail', args: { at: 'middle' }, is: { outcome: 'tool_error' }, why: 'the same' },
  { tool: 'fail', args: { bytes: 90_000 }, is: { outcome: 'tool_error' }, why: 'in a large answer' },
  { tool: 'fail', args: { bytes: 90_000, at: 'first' }, is: { outcome: 'tool_error' }, why: 'the same' },
  { tool: 'fail', args: { bytes: 90_000, at: 'middle' }, is: { outcome: 'tool_error' }, why: 'the same' },
  { tool: 'error', args: {}, is: { outcome: 'rpc_error', rpcCode: -32602 }, why: 'an error of the server' },
  { tool: 'hidden', args: {}, is: { outcome: 'refused' }, why: 'the filter hides it' },
]

describe.each(servers)('a call at a server of the %s era', (name) => {
  describe.each([...callerWays])('over %s', (way: CallerWay) => {
    test.each(endings)('of $tool $args ends as $is: $why', async ({ tool, args, is }) => {
      await using caller = await openCaller(gateway, name, way)
      const lines = await linesOf(1, () => caller.call(7, tool, args))
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatchObject({
        ...is,
        mcp: name,
        rpcMethod: 'tools/call',
        tool,
        caller: 'anonymous',
        client: way === 'stream' ? 'raw-client/1.0.0' : 'raw-caller/1.0.0',
      })
    })
  })
})

/** What every session leaves at its beginning and its end, perhaps late. */
const everyday = ({ rpcMethod, status, msg, outcome }: Line) =>
  (rpcMethod === 'initialize' && outcome === 'ok') ||
  rpcMethod === 'notifications/initialized' ||
  status === 204 ||
  msg === 'server state changed'

/** The lines that `work` leaves until one of them has this. */
async function linesUntil(has: Line, work: () => Promise<unknown>): Promise<Line[]> {
  const before = gateway.lines().length
  const found = () =>
    gateway
      .lines()
      .slice(before)
      .map((text) => JSON.parse(text) as Line)
  await work()
  const wanted = (line: Line) => Object.entries(has).every(([name, value]) => line[name] === value)
  await poll(JSON.stringify(has), async () => found().some(wanted), 10_000)
  return found().filter((line) => !everyday(line))
}

const shown = ({ msg, status, stream, rpcMethod, tool, outcome, code }: Line) =>
  [msg, status, stream === true ? 'stream' : '', tool ?? rpcMethod, outcome ?? '-', code ?? '']
    .join(' ')
    .trim()

describe('a call whose answer comes later has a line of its own', () => {
  const url = () => gateway.face('old', 'stream')

  test.each([
    {
      why: 'on the stream that its response has become',
      report: async () => {
        await using client = await RawClient.open(url())
        await client.callTool(1, 'report', {}, 'token')
      },
    },
    {
      why: 'of a client without a session, too',
      report: () => callModern(url(), 'report', {}, { meta: { progressToken: 'token' } }),
    },
  ])('$why', async ({ report }) => {
    const lines = await linesUntil({ msg: 'call' }, async () => {
      let reported: Promise<unknown> = Promise.resolve()
      await linesUntil({ tool: 'report' }, async () => {
        reported = report()
      })
      await callModern(url(), 'release', {})
      await reported
    })
    const [request, call] = lines.filter(({ tool }) => tool === 'report')
    expect([request, call].map((line) => shown(line ?? {}))).toEqual([
      'request 200 stream report -',
      'call   report tool_error',
    ])
    expect(request?.['requestId']).toBe(call?.['requestId'] as string)
    expect(Number(call?.['durationMs'])).toBeGreaterThan(Number(request?.['durationMs']))
  })

  test('one for each request of a batch', async () => {
    await using client = await RawClient.open(gateway.face('old', 'stream'), { version: '2025-03-26' })
    const batch = ['work', 'fail', 'error', 'hidden'].map((name, id) => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name, arguments: {} },
    }))
    const lines = await linesUntil({ tool: 'error', outcome: 'rpc_error' }, async () => {
      const response = await client.post(JSON.stringify(batch))
      await response.text()
    })
    expect(lines.map(shown).sort()).toEqual([
      'call   error rpc_error',
      'call   fail tool_error',
      'call   hidden refused PARAMS_REFUSED',
      'call   work ok',
      'request 200 stream  -',
    ])
  })

  test('when it waits for its client in between, that of its last request', async () => {
    const url = gateway.face('old', 'stream')
    const capabilities = { roots: {} }
    const lines = await linesUntil({ tool: 'ask', outcome: 'tool_error' }, async () => {
      const { answer } = await callModern(url, 'ask', {}, { capabilities })
      const { requestState, inputRequests } = answer.result as {
        requestState: string
        inputRequests: Record<string, unknown>
      }
      const inputResponses = Object.fromEntries(Object.keys(inputRequests).map((key) => [key, { roots: [] }]))
      await callModern(url, 'ask', {}, { capabilities, params: { requestState, inputResponses } })
    })
    expect(lines.map(shown).filter((line) => line.startsWith('request'))).toEqual([
      'request 200  ask input_required',
      'request 200  ask tool_error',
    ])
  })

  test('when its client stays away, that it was given up', async () => {
    const lines = await linesUntil({ msg: 'call' }, () =>
      callModern(gateway.face('old', 'stream'), 'ask', {}, { capabilities: { roots: {} } }),
    )
    expect(lines.map(shown)).toContain('request 200  ask input_required')
    expect(lines.map(shown)).toContain('call   ask cancelled')
    // The server has asked, and got no answer.
    expect(lines).toContainEqual(
      expect.objectContaining({
        msg: 'question refused',
        mcp: 'old',
        rpcMethod: 'roots/list',
        rpcCode: -32603,
      }),
    )
  })
})

test('a modern server that asks its client first is told apart from one that answers', async () => {
  const lines = await linesUntil({ tool: 'ask' }, () => callModern(gateway.face('new', 'stream'), 'ask', {}))
  expect(lines.map(shown)).toEqual(['request 200  ask input_required'])
})

test('a server that dies under a call is a warning with the reason', async () => {
  await using client = await RawClient.open(gateway.face('old', 'stream'))
  const lines = await linesUntil({ tool: 'die' }, () => client.callTool(1, 'die', {}))
  expect(lines.find(({ tool }) => tool === 'die')).toMatchObject({
    level: 'warn',
    status: 200,
    outcome: 'failed',
    code: 'UPSTREAM_CLOSED',
  })
})

describe('what its client gives up is cancelled', () => {
  test('with a session by its notification', async () => {
    await using client = await RawClient.open(gateway.face('old', 'stream'))
    const lines = await linesUntil({ outcome: 'cancelled' }, async () => {
      const hanging = client.callTool(1, 'hang', {}).catch(() => {})
      await client.notify('notifications/cancelled', { requestId: 1 })
      await hanging
    })
    expect(lines.map(shown).sort()).toEqual([
      'request 200 stream hang cancelled',
      'request 202  notifications/cancelled ok',
    ])
  })

  test('without one by leaving, which no response tells', async () => {
    const left = new AbortController()
    const lines = await linesUntil({ outcome: 'cancelled' }, async () => {
      const hanging = callModern(gateway.face('new', 'stream'), 'hang', {}, { signal: left.signal })
      setTimeout(() => left.abort(), 150)
      await hanging.catch(() => {})
    })
    expect(lines.map(shown)).toEqual(['request 499  hang cancelled'])
  })
})

describe('what is refused at the door says what it wanted', () => {
  const call = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'work' } })
  const post = (headers: Record<string, string>, body = call) =>
    fetch(gateway.face('old', 'stream'), {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      },
      body,
    }).then((response) => response.text())

  test.each([
    {
      why: 'an unknown session',
      headers: { 'mcp-session-id': 'none' },
      is: 'request 404  work refused SESSION_UNKNOWN',
    },
    { why: 'no session', headers: {}, is: 'request 400  work refused SESSION_MISSING' },
    {
      why: 'no initialize that can be read',
      headers: {},
      body: '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}',
      is: 'request 400  initialize refused INVALID_PARAMS',
    },
    { why: 'no message', headers: {}, body: '{', is: 'request 400   refused PARSE_ERROR' },
  ])('$why', async ({ headers, body, is }) => {
    const lines = await linesUntil({ outcome: 'refused' }, () =>
      post(headers as Record<string, string>, body),
    )
    expect(lines.map(shown)).toEqual([is])
  })
})

test('calls of other methods and of admins have an outcome as well', async () => {
  await using client = await RawClient.open(gateway.face('old', 'stream'))
  const call = (toolName: string) =>
    gateway
      .admin('/tools/call', { method: 'POST', body: { mcpName: 'old', toolName } })
      .then((answer) => answer.text())
  const lines = await linesUntil({ path: '/admin/mcps/nobody' }, async () => {
    await client.request(1, 'resources/read', { uri: 'file:///none' })
    await client.request(2, 'prompts/get', { name: 'none' })
    for (const tool of ['work', 'fail', 'error', 'hidden']) await call(tool)
    await gateway.admin('/mcps/nobody')
  })
  expect(lines.map(({ caller, ...line }) => `${shown(line)} ${caller}`)).toEqual([
    'request 200  resources/read rpc_error anonymous',
    'request 200  prompts/get rpc_error anonymous',
    'request 200  work ok anonymous',
    'request 200  fail tool_error anonymous',
    'request 200  error rpc_error anonymous',
    'request 404  hidden refused NOT_FOUND anonymous',
    'request 404   refused SERVER_UNKNOWN anonymous',
  ])
})

test('a server that cannot be reached fails the initialize of its clients', async () => {
  const definition = {
    name: 'ill',
    transport: 'stdio',
    command: process.execPath,
    args: ['-e', 'process.exit(3)'],
  }
  await gateway.admin('/mcps', { method: 'POST', body: { ...definition, autoReconnect: false } })
  const lines = await linesUntil({ rpcMethod: 'initialize' }, () =>
    RawClient.open(gateway.face('ill', 'stream')).catch(() => {}),
  )
  expect(lines.find(({ rpcMethod }) => rpcMethod === 'initialize')).toMatchObject({
    level: 'warn',
    status: 503,
    outcome: 'failed',
    code: 'SERVER_UNAVAILABLE',
    client: 'raw-client/1.0.0',
  })
})

test('figures and status count what the lines say', async () => {
  const figures = (await (await gateway.admin('/metrics')).json()) as {
    servers: { name: string; outcomes: Record<string, number> }[]
  }
  const counted: Record<string, number> = {}
  for (const text of gateway.lines()) {
    const { mcp, outcome, rpcMethod = 'notifications/' } = JSON.parse(text) as Record<string, string>
    if (mcp === 'old' && outcome !== undefined && !rpcMethod.startsWith('notifications/'))
      counted[outcome] = (counted[outcome] ?? 0) + 1
  }
  const outcomes = figures.servers.find(({ name }) => name === 'old')?.outcomes ?? {}
  expect(Object.fromEntries(Object.entries(outcomes).filter(([, count]) => count > 0))).toEqual(counted)
  const { status } = (await (await gateway.admin('/mcps/old')).json()) as { status: { toolErrors: number } }
  expect(status.toolErrors).toBe(counted['tool_error'] ?? 0)
})

test('whoever follows the events is told of calls and of servers', async () => {
  const left = new AbortController()
  const answer = await fetch(`${gateway.url}/admin/events`, { signal: left.signal })
  const events = readEvents(answer.body as ReadableStream<Uint8Array>)
  const next = async (wanted: string, of: Line): Promise<Line> => {
    const found = ({ type, data }: { type: string; data: string }) => {
      const line = JSON.parse(data) as Line
      return type === wanted && Object.entries(of).every(([name, value]) => line[name] === value)
    }
    return JSON.parse((await findEvent(events, found)).data) as Line
  }
  expect(await next('state', { mcp: 'old', status: 'connected' })).toMatchObject({ reason: null })
  await using caller = await openCaller(gateway, 'old', 'sse')
  await caller.call(7, 'fail', { words: 'of the caller' })
  expect(await next('call', { tool: 'fail' })).toEqual({
    time: expect.any(String),
    durationMs: expect.any(Number),
    clientIp: '127.0.0.1',
    requestId: expect.any(String),
    mcp: 'old',
    rpcMethod: 'tools/call',
    tool: 'fail',
    outcome: 'tool_error',
    caller: 'anonymous',
    client: 'raw-caller/1.0.0',
    sessionId: expect.any(String),
    pair: 'legacy-legacy',
  })
  await gateway.register({ name: 'late', transport: 'stdio', command: process.execPath, args: [server] })
  expect(await next('state', { mcp: 'late', status: 'connected' })).toMatchObject({ restarts: 0 })
  await gateway.admin('/mcps/late', { method: 'DELETE' })
  expect(await next('state', { mcp: 'late', status: 'removed' })).toMatchObject({ reason: null })
  left.abort()
}, 20_000)
