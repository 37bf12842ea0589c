/** `compozy credentials` and `compozy secrets rotate`: a user stores by standard input, an admin for others, and nothing is shown. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { cpSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import { openAsker } from '../support/askers.ts'
import { commandOf, poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { startInTerminal } from '../support/pseudo-terminal.ts'
import { type Finished, runCommand } from './run-command.ts'

const via = 'executable'
const key = makeKeyText('adaadaad')
let gateway: RunningGateway

beforeAll(async () => {
  const script = resolve(import.meta.dir, '../support/environment-server.ts')
  gateway = await startGatewayProcess({
    via,
    config: {
      mcp_proxy: {
        auth: {
          admin_tokens: ['a1'],
          keys: [
            { id: 'adaadaad', name: 'ada', user: 'ada', hash: hashOfKey(key), access: [{ servers: ['*'] }] },
          ],
        },
        secrets: { key_file: 'kept-apart.key' },
      },
      mcps: [
        {
          name: 'pipe',
          transport: 'stdio',
          command: process.execPath,
          args: [script],
          env: { TOKEN: `$\{user.token}` },
        },
      ],
    },
  })
})
afterAll(() => gateway?.stop())

/** Runs a command with this on its standard input. */
function run(words: string, input: string, env: Record<string, string>): Promise<Finished> {
  const { port } = new URL(gateway.url)
  const options = { via, cwd: gateway.directory, env, input } as const
  return runCommand([...words.split(' '), '--mcp-port', port], options)
}

const asAda = { COMPOZY_TOKEN: key }
const asAdmin = { COMPOZY_ADMIN_TOKEN: 'a1' }

async function told(): Promise<string> {
  await using asker = await openAsker(gateway.url, '/mcp-proxy/pipe', 'modern', key)
  return JSON.stringify(await asker.ask('tools/call', { name: 'token', arguments: {} }))
}

test('a user stores, looks and removes', async () => {
  expect(await run('credentials list', '', asAda)).toMatchObject({
    stdout: expect.stringMatching(/pipe +token +not set/),
    stderr: '',
  })
  const stored = await run('credentials set pipe token', 'canary-piped\n', asAda)
  expect(stored).toEqual({ exitCode: 0, stdout: 'stored token for pipe\n', stderr: '' })
  expect(await told()).toContain('canary-piped')
  expect((await run('credentials list', '', asAda)).stdout).toMatch(/pipe +token +20\d\d-/)
  const removed = await run('credentials remove pipe token', '', asAda)
  expect([removed.exitCode, removed.stdout]).toEqual([0, 'removed token for pipe\n'])
  expect(await told()).toContain('CREDENTIAL_MISSING')
})

test('what is typed at a terminal is stored and not shown', async () => {
  const { port } = new URL(gateway.url)
  const terminal = startInTerminal(
    [...commandOf(via), 'credentials', 'set', 'pipe', 'token', '--mcp-port', port],
    { cwd: gateway.directory, columns: 100, env: asAda },
  )
  await poll('the question', async () => terminal.output().includes('token for pipe: '))
  terminal.type('canary-typo\u007fed\r')
  const { output, exitCode } = await terminal.exited
  expect([exitCode, output]).toEqual([0, 'token for pipe: \nstored token for pipe\n'])
  expect(await told()).toContain('canary-typed')
})

test('an admin stores for somebody, and sees what there is', async () => {
  const stored = await run('credentials set pipe token --owner user:ada', 'canary-by-admin', asAdmin)
  expect([stored.exitCode, stored.stderr]).toEqual([0, ''])
  expect(await told()).toContain('canary-by-admin')
  expect((await run('credentials list --all', '', asAdmin)).stdout).toMatch(/user:ada +pipe +token/)
})

test.each([
  { why: 'nobody says who they are', words: 'credentials list', env: {}, exitCode: 2, says: 'COMPOZY_TOKEN' },
  {
    why: 'the key is none',
    words: 'credentials list',
    env: { COMPOZY_TOKEN: 'x' },
    exitCode: 4,
    says: '401',
  },
  {
    why: 'the value is empty',
    words: 'credentials set pipe token',
    env: asAda,
    exitCode: 2,
    says: 'is empty',
  },
  {
    why: 'the name is none',
    words: 'credentials set pipe my-token',
    env: asAda,
    exitCode: 2,
    says: 'NAME must be',
  },
  {
    why: 'the server takes another',
    words: 'credentials remove pipe other',
    env: asAda,
    exitCode: 1,
    says: '404',
  },
  {
    why: 'it stands on the line',
    words: 'credentials set pipe token canary',
    env: asAda,
    exitCode: 2,
    says: '',
  },
])('says in one line what is wrong when $why', async ({ words, env, exitCode, says }) => {
  const done = await run(words, '', env)
  expect([done.exitCode, done.stdout]).toEqual([exitCode, ''])
  expect(done.stderr).toContain(says)
  expect(done.stderr.trim().split('\n')).toHaveLength(1)
})

test('rotate: the old key opens nothing that is stored from then on', async () => {
  const path = join(gateway.directory, 'kept-apart.key')
  const old = join(gateway.directory, 'old.key')
  cpSync(path, old)
  const rotated = await run('secrets rotate', '', asAdmin)
  expect([rotated.exitCode, rotated.stdout]).toEqual([0, '1 stored credential is sealed with the new key.\n'])
  expect(readFileSync(path, 'utf8')).not.toBe(readFileSync(old, 'utf8'))
  expect(await told()).toContain('canary-by-admin')
})
