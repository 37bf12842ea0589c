/**
 * A key whose text is cut on its way: by the bound of the last words, by that of a long line, by a line that is
 * wrapped, by a write that comes between. No eight characters of it leave the gateway.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { runCommand } from '../cli/run-command.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'

const spilling = resolve(import.meta.dir, '../support/spilling-server.ts')
const hexOf = (characters: number) =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(characters / 2))).toString('hex')
const key = hexOf(80)

const spills = [
  // The last words are 4,096 bytes: they begin before the key, at its second character, in its middle, behind it.
  ...[3_900, 3_980, 3_982, 4_020, 4_050, 4_060].map((characters) => ({
    name: `environment-${characters}`,
    args: ['environment'],
    env: { API_KEY: key, PADDING: hexOf(characters) },
    says: 'fatal: no network',
  })),
  ...['head', 'wrapped', 'writes'].map((mode) => ({
    name: mode,
    args: [mode],
    env: { API_KEY: key },
    says: mode === 'head' ? '(the rest of a very long line' : 'cannot log in with',
  })),
]

let gateway: RunningGateway

beforeAll(async () => {
  gateway = await startGatewayProcess({
    via: 'executable',
    untilReady: false,
    config: {
      mcp_proxy: { logging: { level: 'debug' } },
      mcps: spills.map(({ name, args, env }) => ({
        name,
        transport: 'stdio',
        command: process.execPath,
        args: [spilling, ...args],
        env,
        logEnabled: true,
        reconnectDelay: '60s',
      })),
    },
  })
  await poll('the servers to have failed', async () => {
    const answer = await gateway.admin('/mcps')
    const { mcps } = (await answer.json()) as { mcps: { status: { lastError: string | null } }[] }
    return mcps.every(({ status }) => status.lastError !== null)
  })
})

afterAll(async () => {
  await gateway?.stop()
})

/** The pieces of eight characters that this text has of the key. */
function piecesIn(text: string): string[] {
  const windows = Array.from({ length: key.length - 7 }, (_, at) => key.slice(at, at + 8))
  return windows.filter((window) => text.includes(window))
}

test.each(spills)('$name: what is told of it holds no piece of the key', async ({ name, says }) => {
  const view = await (await gateway.admin(`/mcps/${name}`)).text()
  const refusal = await fetch(gateway.face(name, 'stream'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
    }),
  })
  const told = await refusal.text()
  // What explains the failure is still told.
  expect(view).toContain(says)
  expect(told).toContain(name)
  expect(piecesIn(view)).toEqual([])
  expect(piecesIn(told)).toEqual([])
})

test('the log holds no piece of the key either', () => {
  const log = gateway.lines().join('\n')
  expect(log).toContain('server output')
  expect(piecesIn(log)).toEqual([])
})

test('nor does what "compozy servers list" prints', async () => {
  for (const form of [[], ['--json']]) {
    const given = ['servers', 'list', ...form, '--url', gateway.url]
    const { stdout } = await runCommand(given, { via: 'executable', cwd: gateway.directory })
    expect(stdout).toContain('wrapped')
    expect(piecesIn(stdout)).toEqual([])
  }
})
