/** `compozy groups`: a person at a terminal makes a group, looks into it, and finds out what is missing. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'
import { type Finished, runCommand } from './run-command.ts'

const via = 'executable'
let gateway: RunningGateway

const raw = (name: string, list: string[]) => ({
  name,
  transport: 'stdio',
  ...commandOfRawServer(),
  toolFilter: { mode: 'allow', list },
})

beforeAll(async () => {
  gateway = await startGatewayProcess({
    via,
    config: { mcps: [raw('one', ['tool-0', 'tool-1']), raw('other', ['tool-0'])] },
  })
})

afterAll(() => gateway?.stop())

function run(...words: readonly string[]): Promise<Finished> {
  const port = new URL(gateway.url).port
  const [group = '', command = '', ...rest] = words
  return runCommand([group, command, '--mcp-port', port, ...rest], { via, cwd: gateway.directory })
}

function linesOf({ stdout }: Finished): string[][] {
  return stdout.split('\n').map((line) => line.split(/ {2,}/))
}

describe('groups', () => {
  test('add registers one and shows where it is, list and get show it, remove removes it', async () => {
    const added = await run(
      'groups',
      'add',
      'team',
      '--server',
      'one=',
      '--server',
      'other',
      '--server',
      'later',
    )
    expect(added).toEqual({
      exitCode: 0,
      stdout: `added team\n  ${gateway.url}/mcp-proxy/team/stream\n  ${gateway.url}/mcp-proxy/team/sse\n`,
      stderr: '',
    })
    const listed = linesOf(await run('groups', 'list'))
    expect(listed[0]).toEqual(['NAME', 'ENDPOINT', 'NAMING', 'EXPOSURE', 'SERVERS', 'SESSIONS', 'MISSING'])
    expect(listed).toContainEqual(['mcp', '/mcp', 'prefix', 'all', '2', '0'])
    expect(listed).toContainEqual(['team', '/mcp-proxy/team', 'prefix', 'all', '3', '0', 'later'])
    const shown = await run('groups', 'get', 'team')
    expect(shown.stdout).toStartWith(`team\n  ${gateway.url}/mcp-proxy/team/stream\n`)
    const lines = linesOf(shown)
    expect(lines).toContainEqual(['tool-0', 'one', 'tool-0'])
    expect(lines).toContainEqual(['other__tool-0', 'other', 'tool-0'])
    expect(shown.stderr).toBe('compozy: later is missing: no server of this name is registered\n')
    expect((await run('groups', 'rm', 'team')).stdout).toBe('removed team\n')
    expect(linesOf(await run('groups', 'list')).flat()).not.toContain('team')
  })

  test('get says which names are left out, and what to do', async () => {
    await run('groups', 'add', 'plain', '--all', '--naming', 'plain')
    const { stdout, stderr } = await run('groups', 'get', 'plain')
    expect(stdout).not.toContain('tool-0')
    expect(stderr).toBe(
      'compozy: tool-0 is left out: one and other have it; give one of them a prefix or a new name\n',
    )
    const { stdout: json } = await run('groups', 'get', 'plain', '--json')
    expect(JSON.parse(json)).toMatchObject({
      name: 'plain',
      naming: 'plain',
      ambiguous: [{ name: 'tool-0' }],
    })
    await run('groups', 'remove', 'plain')
  })

  test('remove takes no server for a group', async () => {
    expect(await run('groups', 'remove', 'one')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr:
        'compozy: one is a server, no group; "compozy servers remove one" removes the server of that name\n',
    })
  })

  test('remove does not take a server of the name for the group of everything', async () => {
    const cannot =
      'compozy: mcp is the group of everything, which cannot be removed: default_group: false switches it off'
    expect(await run('groups', 'rm', 'mcp')).toEqual({ exitCode: 1, stdout: '', stderr: `${cannot}\n` })
    const { command, args } = commandOfRawServer()
    await run('servers', 'add', 'mcp', '--', command, ...args)
    expect(await run('groups', 'rm', 'mcp')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `${cannot}; "compozy servers remove mcp" removes the server of that name\n`,
    })
    expect((await run('servers', 'get', 'mcp')).exitCode).toBe(0)
    expect((await run('servers', 'rm', 'mcp')).stdout).toBe('removed mcp\n')
  })

  test.each([
    { why: 'no servers', words: ['x'], says: 'name the servers of the group with --server, --tag or --all' },
    {
      why: 'a prefix that no name may have',
      words: ['x', '--server', 'one=a.b'],
      says: '--server, --tag or --all must be at most 32 letters, digits, underscores or hyphens',
    },
    {
      why: 'a server twice',
      words: ['x', '--server', 'one', '--server', 'one=o'],
      says: '--server, --tag or --all stands twice; put everything about it into one entry',
    },
    { why: 'a bad name', words: ['x y', '--all'], says: 'NAME must be 1 to 64 letters' },
    {
      why: 'an unknown naming',
      words: ['x', '--all', '--naming', 'none'],
      says: '--naming must be one of prefix, plain',
    },
  ])('add refuses $why with exit code 2', async ({ words, says }) => {
    const { exitCode, stderr } = await run('groups', 'add', ...words)
    expect(exitCode).toBe(2)
    expect(stderr).toContain(says)
  })

  test('servers try without a name connects to everything, on both endpoints of /mcp', async () => {
    const { exitCode, stdout } = await run('servers', 'try')
    expect(stdout).toMatch(/^stream .* 3 .* ok\nsse .* 3 .* ok\n/m)
    expect(exitCode).toBe(0)
  })
})
