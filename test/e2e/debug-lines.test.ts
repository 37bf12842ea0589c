/** What `--debug` adds: processes, handshakes, decisions and messages, and nothing of what they say. */
import { expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { openCaller } from '../support/callers.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'

const server = resolve(import.meta.dir, '../support/failing-server.ts')
const secret = 'canary-5e1f0c77'

function gatewayWith(level: 'debug' | 'info'): Promise<RunningGateway> {
  const command = process.execPath
  return startGatewayProcess({
    args: ['--mcp-log-level', level],
    config: {
      mcps: [
        {
          name: 'old',
          transport: 'stdio',
          command,
          args: [server, '--token', secret],
          reconnectDelay: '200ms',
        },
        { name: 'new', transport: 'stdio', command, args: [server, '--modern'] },
      ],
    },
  })
}

type Line = Readonly<Record<string, unknown>>

/** The lines of one server with this message, without level and time. */
function linesOf(gateway: RunningGateway, mcp: string, msg: string): Line[] {
  return gateway
    .lines()
    .map((text) => JSON.parse(text) as Line)
    .filter((line) => line['mcp'] === mcp && line['msg'] === msg)
    .map(({ level: _, time: __, msg: ___, ...fields }) => fields)
}

test('debug lines show processes, handshakes, decisions and messages, and no secret and no content', async () => {
  await using gateway = await gatewayWith('debug')
  await using caller = await openCaller(gateway, 'old', 'stream')
  await caller.call(7, 'fail', { words: 'never-in-the-log' })
  await caller.call(8, 'die', {}).catch(() => {})
  await poll('the end of the process', async () => linesOf(gateway, 'old', 'process ended').length > 0)
  await poll('the next start', async () => linesOf(gateway, 'old', 'handshake').length > 1)

  const [started] = linesOf(gateway, 'old', 'process started')
  const pid = started?.['pid']
  expect(started).toEqual({
    mcp: 'old',
    pid: expect.any(Number),
    command: `${process.execPath} ${server} --token ***`,
  })
  expect(linesOf(gateway, 'old', 'handshake')[0]).toEqual({
    mcp: 'old',
    lane: 'of anonymous',
    era: 'legacy',
    pid,
    asked: '2025-11-25',
    version: '2025-03-26',
    server: '{"name":"failing","version":"1.0.0"}',
  })
  expect(linesOf(gateway, 'old', 'lane')[1]).toEqual({
    mcp: 'old',
    lane: 'of anonymous',
    era: 'legacy',
    how: 'there already',
    why: 'its clients can be asked nothing',
    clients: 0,
  })
  expect(linesOf(gateway, 'old', 'message')).toContainEqual({
    mcp: 'old',
    pid,
    direction: 'to server',
    kind: 'request',
    rpcMethod: 'tools/call',
    id: expect.any(Number),
    bytes: expect.any(Number),
  })
  expect(linesOf(gateway, 'old', 'message')).toContainEqual({
    mcp: 'old',
    pid,
    direction: 'from server',
    kind: 'response',
    id: expect.any(Number),
    bytes: expect.any(Number),
  })
  expect(linesOf(gateway, 'old', 'message')).toContainEqual({
    mcp: 'old',
    requestId: expect.any(String),
    direction: 'from client',
    kind: 'request',
    rpcMethod: 'tools/call',
    id: '7',
    bytes: expect.any(Number),
  })
  expect(linesOf(gateway, 'old', 'process ended')[0]).toEqual({ mcp: 'old', pid, exitCode: 3, signal: null })
  expect(linesOf(gateway, 'old', 'connecting').map(({ attempt }) => attempt)).toEqual([1, 2])

  // A modern server on a pipe refuses the handshake first.
  expect(linesOf(gateway, 'new', 'the server was not reached in this era')).toEqual([
    { mcp: 'new', era: 'legacy', reason: expect.stringContaining('-32601'), next: 'modern' },
  ])
  expect(linesOf(gateway, 'new', 'handshake').at(-1)).toMatchObject({ era: 'modern', version: '2026-07-28' })
  expect(gateway.lines().join('\n')).not.toMatch(/canary|never-in-the-log/)
}, 20_000)

test('none of them is there at level info', async () => {
  await using gateway = await gatewayWith('info')
  await using caller = await openCaller(gateway, 'old', 'stream')
  await caller.call(7, 'fail', {})
  const messages = ['process started', 'handshake', 'lane', 'message', 'connecting']
  expect(messages.flatMap((msg) => linesOf(gateway, 'old', msg))).toEqual([])
}, 20_000)
