/** `compozy completion`: what a tab does in the shells that this machine has. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { commandOf, poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { startInTerminal } from '../support/pseudo-terminal.ts'
import { runCommand } from './run-command.ts'

const via = 'executable'
const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')

let gateway: RunningGateway

beforeAll(async () => {
  gateway = await startGatewayProcess({
    via,
    config: {
      mcps: ['alpha', 'beta'].map((name) => ({
        name,
        description: `the ${name} server`,
        transport: 'stdio',
        command: process.execPath,
        args: [rawServer],
      })),
    },
  })
})
afterAll(() => gateway?.stop())

async function candidates(...words: readonly string[]): Promise<string[]> {
  const { exitCode, stdout, stderr } = await runCommand(['__complete', ...words], {
    via,
    cwd: gateway.directory,
  })
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  return stdout.split('\n').filter((line) => line !== '')
}

describe('the word at the cursor', () => {
  const url = () => ['--url', gateway.url, '--token', 'any']
  test.each([
    { why: 'the first one is a command', words: ['heal'], line: 'healthcheck\t' },
    { why: 'then a command of it', words: ['servers', 'resta'], line: 'restart\tStarts a server anew' },
    { why: 'a flag', words: ['servers', 'call', '--sa'], line: '--save\t' },
    { why: 'the value of a flag', words: ['servers', 'add', 'x', '--isolation', 'se'], line: 'session\t' },
    { why: 'behind = too', words: ['servers', 'add', 'x', '--isolation=sh'], line: 'shared\t' },
    { why: 'as bash parts it', words: ['servers', 'snippet', 'x', '--client', '=', 'zed'], line: 'zed\t' },
    { why: 'one of a few words', words: ['completion', 'z'], line: 'zsh\t' },
    { why: 'a file', words: ['servers', 'import', ''], line: ':files' },
    { why: 'a file for a flag', words: ['mcp-proxy', '--config', ''], line: ':files' },
    { why: 'whatever the other command takes', words: ['servers', 'add', 'x', '--', 'no'], line: ':files' },
  ])('$why', async ({ words, line }) => {
    const found = await candidates(...words)
    expect(found).toHaveLength(1)
    expect(found[0]).toStartWith(line)
  })

  test('is a server of the gateway, or one of its tools', async () => {
    expect(await candidates('servers', 'get', ...url(), 'al')).toEqual(['alpha\tthe alpha server'])
    expect(await candidates('servers', 'logs', ...url(), '')).toHaveLength(2)
    expect(await candidates('servers', 'call', ...url(), 'alpha', 'zz')).toEqual([])
  })

  test.each([
    {
      why: 'no gateway answers',
      words: ['servers', 'get', '--url', 'http://127.0.0.1:9', '--token', 'x', ''],
    },
    { why: 'there is no such command', words: ['nonsense', 'x', ''] },
    { why: 'nothing more is taken', words: ['healthcheck', ''] },
    { why: 'it is a new name', words: ['servers', 'add', ''] },
  ])('is nothing where $why', async ({ words }) => {
    expect(await candidates(...words)).toEqual([])
  })

  test('has each command under one name', async () => {
    const names = (await candidates('servers', '')).map((line) => line.split('\t')[0])
    expect(names).toContain('list')
    expect(names).not.toContain('ls')
  })
})

/** How each shell is started without anybody's settings, and told of the script. */
const shells = [
  {
    name: 'bash',
    command: ['bash', '--norc', '--noprofile', '-i'],
    setUp: `PS1='ready> '; source <(compozy completion bash)`,
  },
  {
    name: 'zsh',
    command: ['zsh', '-f', '-i'],
    setUp: `PS1='ready> '; autoload -Uz compinit && compinit -D -u; source <(compozy completion zsh)`,
  },
  {
    name: 'fish',
    command: ['fish', '--no-config', '-i'],
    setUp: `function fish_prompt; echo -n 'ready> '; end; compozy completion fish | source`,
  },
] as const

describe.each(shells.filter(({ name }) => Bun.which(name) !== null))('$name', ({ command, setUp }) => {
  test('completes commands, servers and their tools when somebody types a tab', async () => {
    const bin = join(gateway.directory, 'bin')
    mkdirSync(bin, { recursive: true })
    const [executable = ''] = commandOf(via)
    try {
      symlinkSync(executable, join(bin, 'compozy'))
    } catch {
      // From the shell before.
    }
    const port = new URL(gateway.url).port
    writeFileSync(join(gateway.directory, 'compozy.yaml'), `mcp_proxy: { port: ${port} }\n`)
    const child = startInTerminal([...command], {
      cwd: gateway.directory,
      env: { PATH: `${bin}:${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`, TERM: 'xterm' },
      columns: 200,
    })
    const shown = () => Bun.stripANSI(child.output())
    await poll('the shell', async () => shown() !== '')
    // What is typed is shown as well, and must not be taken for what is said.
    child.type(`${setUp}; echo set''-up\n`)
    await poll('the script to be read', async () => shown().includes('set-up'))
    child.type('compozy serv\tge\tal\t\n')
    await poll('the page of the server', async () => shown().includes('the alpha server'))
    child.type('\u0003\u0004exit\n')
    await child.exited
  }, 30_000)
})

test('says which shells there are', async () => {
  expect(await runCommand(['completion', 'tcsh'], { via, cwd: gateway.directory })).toEqual({
    exitCode: 2,
    stdout: '',
    stderr: 'compozy: SHELL must be one of bash, zsh, fish, got "tcsh"\n',
  })
})
