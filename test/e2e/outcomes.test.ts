/** What became of each call stands in one line of the log, whichever way it came and whatever the server speaks. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { type CallerWay, callerWays, openCaller } from '../support/callers.ts'
import { findEvent, readEvents } from '../support/event-reader.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'

const server = resolve(import.meta.dir, '../support/failing-server.ts')
const servers = ['old', 'new'] as const
type Line = Readonly<Record<string, unknown>>

let gateway: RunningGateway

beforeAll(async () => {
  const command = process.execPath
  const toolFilter = { mode: 'block', list: ['hidden'] }
  gateway = await startGatewayProcess({
    config: {
      mcp_proxy: { timeouts: { stream_after: '200ms' } },
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
  await poll(`${count} lines with an outcome`, async () => found().length >= count, 5_000)
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
  { tool: 'report', args: {}, is: { outcome: 'tool_error' }, why: 'without a progress token' },
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
