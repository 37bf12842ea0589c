/** `compozy keys`: a person at a terminal makes a key, looks at what there is, and takes it back. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashOfKey, isKeyText } from '../../src/identity/keys/key-text.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'
import { type Finished, runCommand } from './run-command.ts'

const via = 'executable'
let gateway: RunningGateway

beforeAll(async () => {
  const mcps = [{ name: 'docs', transport: 'stdio', ...commandOfRawServer() }]
  gateway = await startGatewayProcess({ via, config: { mcps } })
})
afterAll(() => gateway?.stop())

function run(command: string, ...rest: readonly string[]): Promise<Finished> {
  const { port } = new URL(gateway.url)
  return runCommand(['keys', command, '--mcp-port', port, ...rest], { via, cwd: gateway.directory })
}

function linesOf({ stdout }: Finished): string[][] {
  return stdout.split('\n').map((line) => line.split(/ {2,}/))
}

async function statusWith(token: string | null): Promise<number> {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` }
  const answer = await fetch(gateway.face('docs', 'stream'), { method: 'POST', headers, body: '{}' })
  await answer.arrayBuffer()
  return answer.status
}

test('create prints the key alone and says the rest beside it; list, rotate and revoke take its name', async () => {
  const made = await run(
    'create',
    'ci',
    '--server',
    'docs',
    '--tool',
    'a',
    '--tool',
    'b*',
    '--user',
    'svc',
    '--expires',
    '30d',
  )
  expect(made.exitCode).toBe(0)
  const text = made.stdout.trim()
  expect(isKeyText(text)).toBe(true)
  expect(made.stderr).toContain('From now on every MCP endpoint asks for a key')
  expect([await statusWith(text), await statusWith(null)]).toEqual([400, 401])
  expect(linesOf(await run('list'))).toEqual([
    ['NAME', 'ID', 'OPENS', 'USER', 'ENDS', 'USED', 'SOURCE'],
    ['ci', text.slice(4, 12), 'docs …', 'svc', 'in 29d', expect.stringMatching(/^\ds ago$/), 'store'],
    [''],
  ])
  const { keys } = JSON.parse((await run('list', '--json')).stdout)
  expect(keys).toMatchObject([{ name: 'ci', access: [{ servers: ['docs'], tools: ['a', 'b*'] }] }])

  const rotated = await run('rotate', 'ci', '--overlap', '1h')
  const next = rotated.stdout.trim()
  expect(rotated.stderr).toMatch(/the one before counts until \d{4}-/)
  expect([isKeyText(next), await statusWith(text), await statusWith(next)]).toEqual([true, 400, 400])
  expect((await run('list')).stdout).toContain('its old text in 59m')

  const revoked = await run('revoke', text.slice(4, 12))
  expect([revoked.exitCode, revoked.stdout]).toEqual([0, 'revoked ci\n'])
  expect(revoked.stderr).toContain('it was the last one')
  expect([await statusWith(text), await statusWith(next), await statusWith(null)]).toEqual([401, 401, 401])
  expect((await run('list')).stdout).toBe('no keys; "compozy keys create --help" shows how to make one\n')
  await run('create', 'again', '--server', '*')
  expect((await run('revoke', 'again', '--open')).stdout).toBe('revoked again\n')
  expect(await statusWith(null)).toBe(400)
})

test('revoke says when nobody is left with the role admin, though lesser keys are there', async () => {
  const config = { mcp_proxy: { auth: { admin_tokens: ['the-admin-token-of-it'] } } }
  await using own = await startGatewayProcess({ via, config })
  const keys = (...words: readonly string[]) =>
    runCommand(['keys', ...words, '--mcp-port', new URL(own.url).port], { via, cwd: own.directory })
  for (const role of ['admin', 'viewer']) await keys('create', `first-${role}`, '--role', role)
  await keys('create', 'second-admin', '--role', 'admin')
  expect((await keys('revoke', 'first-admin')).stderr).toBe('')
  expect((await keys('revoke', 'second-admin')).stderr).toContain(
    'only auth.admin_tokens open what admins do',
  )
  expect((await keys('revoke', 'first-viewer')).stderr).toContain('the last one with a role')
})

test('a key of the admin API may stand in COMPOZY_ADMIN_TOKEN, where no list of processes shows it', async () => {
  const config = { mcp_proxy: { auth: { admin_tokens: ['the-admin-token-of-it'] } } }
  await using own = await startGatewayProcess({ via, config })
  const list = (env: Record<string, string>, ...flags: readonly string[]) =>
    runCommand(['keys', 'list', '--url', own.url, ...flags], { via, cwd: gateway.directory, env })
  const made = await runCommand(['keys', 'create', 'ops', '--role', 'admin', '--url', own.url], {
    via,
    cwd: own.directory,
  })
  const env = { COMPOZY_ADMIN_TOKEN: made.stdout.trim() }
  expect((await list({})).exitCode).toBe(4)
  expect((await list(env)).stdout).toContain('ops')
  expect((await list(env, '--token', 'another-token')).exitCode).toBe(4)
})

test('create --for-file asks no gateway, and its entry is one of the configuration', async () => {
  const made = await runCommand(
    [
      'keys',
      'create',
      'ops',
      '--for-file',
      '--json',
      '--server',
      'docs',
      '--rate',
      '5/9',
      '--in-flight',
      '2',
    ],
    { via, cwd: gateway.directory },
  )
  const { text, entry } = JSON.parse(made.stdout)
  expect([isKeyText(text), entry]).toEqual([
    true,
    {
      id: text.slice(4, 12),
      name: 'ops',
      hash: hashOfKey(text),
      access: [{ servers: ['docs'] }],
      rate: { perSecond: 5, burst: 9 },
      inFlight: 2,
    },
  ])
  const file = join(gateway.directory, 'compozy.yaml')
  const before = readFileSync(file, 'utf8')
  writeFileSync(file, JSON.stringify({ mcp_proxy: { auth: { keys: [entry] } }, ...JSON.parse(before) }))
  expect((await gateway.admin('/reload', { method: 'POST' })).status).toBe(200)
  expect([await statusWith(text), await statusWith(null)]).toEqual([400, 401])
  const revoked = await run('revoke', 'ops')
  expect([revoked.exitCode, revoked.stderr]).toEqual([
    1,
    expect.stringContaining('comes from the configuration file'),
  ])
  writeFileSync(file, before)
  await gateway.admin('/reload', { method: 'POST' })
})

describe('a slip is answered with what to do', () => {
  test.each<{ why: string; words: string[]; says: string; exitCode: number }>([
    {
      why: 'nothing named',
      words: ['create', 'a'],
      says: 'name what the key opens with --server',
      exitCode: 2,
    },
    {
      why: 'tools of no server',
      words: ['create', 'a', '--tool', 'x'],
      says: '--server is missing',
      exitCode: 2,
    },
    {
      why: 'a name with a blank',
      words: ['create', 'a b', '--server', 'x'],
      says: 'NAME must be',
      exitCode: 2,
    },
    {
      why: 'an end that is none',
      words: ['create', 'a', '--server', 'x', '--expires', 'soon'],
      says: '--expires must be',
      exitCode: 2,
    },
    {
      why: 'a rate that is none',
      words: ['create', 'a', '--server', 'x', '--rate', 'fast'],
      says: '--rate must be',
      exitCode: 2,
    },
    {
      why: 'a rule that is no JSON',
      words: ['create', 'a', '--access', '{'],
      says: '--access must be a rule in JSON',
      exitCode: 2,
    },
    {
      why: 'a word of a rule',
      words: ['create', 'a', '--access', '{"server":[]}'],
      says: 'did you mean servers?',
      exitCode: 2,
    },
    {
      why: 'a rule without servers',
      words: ['create', 'a', '--access', '{}'],
      says: 'servers is required',
      exitCode: 2,
    },
    {
      why: 'a role with a server',
      words: ['create', 'a', '--server', 'x', '--role', 'admin'],
      says: 'make two keys',
      exitCode: 2,
    },
    {
      why: 'a role that is none',
      words: ['create', 'a', '--role', 'root'],
      says: '--role must be one of',
      exitCode: 2,
    },
    {
      why: 'an end that has passed',
      words: ['create', 'a', '--server', 'x', '--expires', '2020-01-01'],
      says: 'has passed already',
      exitCode: 1,
    },
    {
      why: 'a key that is not there',
      words: ['rotate', 'nobody'],
      says: '"compozy keys list" lists all of them',
      exitCode: 1,
    },
    { why: 'another word', words: ['delete', 'x'], says: 'unknown command "delete"', exitCode: 2 },
  ])('$why', async ({ words: [command = '', ...rest], says, exitCode }) => {
    const { stderr, stdout, ...finished } = await run(command, ...rest)
    expect([finished.exitCode, stderr, stdout]).toEqual([exitCode, expect.stringContaining(says), ''])
  })
})
