/** The life of a server from the terminal: added from where somebody stands, looked at, changed, moved, taken away. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { withAbsolutePaths } from '../../src/cli/definitions/local-paths.ts'
import { commandOf, poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { startInTerminal } from '../support/pseudo-terminal.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'
import { type Finished, runCommand } from './run-command.ts'

const via = 'executable'
const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const raw = ['--', process.execPath, rawServer]

let gateway: RunningGateway
let folder: TemporaryDirectory

beforeAll(async () => {
  folder = temporaryDirectory({
    'here.ts': `console.error('hello'); await import(${JSON.stringify(rawServer)})`,
  })
  gateway = await startGatewayProcess({
    via,
    config: {
      mcps: [{ name: 'from-file', transport: 'stdio', command: process.execPath, args: [rawServer] }],
    },
  })
})
afterAll(async () => {
  await gateway?.stop()
  folder?.[Symbol.dispose]()
})

const servers = (...args: readonly string[]): Promise<Finished> => run(args)
const run = ([name = '', ...rest]: readonly string[], env: Record<string, string> = {}) =>
  runCommand(['servers', name, '--url', gateway.url, '--token', 'any', ...rest], {
    via,
    cwd: folder.path,
    env,
  })
const definitionOf = async (name: string) =>
  JSON.parse((await servers('get', name, '--json')).stdout).definition as Record<string, unknown>
const lineOf = (page: string, label: string) =>
  page
    .split('\n')
    .find((line) => line.startsWith(`${label} `))
    ?.slice(label.length)
    .trim()

describe('add', () => {
  test('takes relative paths from where somebody stands, not from where the gateway runs', async () => {
    expect(
      (await servers('add', 'here', '--wait', '20s', '--', process.execPath, './here.ts')).exitCode,
    ).toBe(0)
    expect((await definitionOf('here'))['args']).toEqual([resolve(folder.path, 'here.ts')])
    const args = ['add', 'as-is', '--as-is', '--wait', '0s', '--', process.execPath, './here.ts']
    // Where the gateway runs there is no such file.
    await servers(...args)
    expect((await definitionOf('as-is'))['args']).toEqual(['./here.ts'])
    await servers('rm', 'as-is')
  })

  test.each([
    { why: 'a folder that begins with a dot', args: ['.', '..', './a', '../b'], there: '/w . / /w/a /b' },
    { why: 'behind the = of a flag', args: ['--dir=./a', '--dir=a'], there: '--dir=/w/a --dir=a' },
    { why: 'no flag', args: ['-y', '--x'], there: '-y --x' },
    { why: 'no package, even where a folder has its name', args: ['@s/n'], there: '@s/n' },
    { why: 'no URL', args: ['https://e.example/./x'], there: 'https://e.example/./x' },
    { why: 'no word', args: ['here', 'a.b.c'], there: 'here a.b.c' },
  ])('a path is $why', ({ args, there }) => {
    const { args: resolved } = withAbsolutePaths({ command: 'npx', args }, '/w')
    expect(resolved.join(' ')).toBe(there.replace('/w . /', '/w /'))
  })

  test('a file that is there is a path as well, and so is a command with a slash', () => {
    const line = withAbsolutePaths({ command: './run', args: ['here.ts', 'gone.ts'] }, folder.path)
    expect(line).toEqual({
      command: resolve(folder.path, 'run'),
      args: [resolve(folder.path, 'here.ts'), 'gone.ts'],
    })
  })

  test('costs the gateway two lines of its log, however long the server takes', async () => {
    // By its name: those of the command before may come late.
    const linesOf = () =>
      gateway.lines().filter((line) => line.includes('"path":"/admin/mcps') && line.includes('"mcp":"slow"'))
    const { exitCode, stdout } = await servers(
      'add',
      'slow',
      '--wait',
      '700ms',
      '--',
      'sh',
      '-c',
      'cat >/dev/null',
    )
    expect([exitCode, stdout.split('\n')[0]]).toEqual([0, 'added slow: connecting'])
    expect(stdout).toContain('"compozy servers get slow" shows how it goes.')
    await poll('the lines', async () => linesOf().length >= 2)
    expect(linesOf()).toHaveLength(2)
    await servers('rm', 'slow')
  })

  test('says why a server does not start, keeps it, and exits with 1', async () => {
    const args = ['add', 'dies', '--wait', '20s', '--', 'sh', '-c', 'echo "Error: no API key" >&2; exit 3']
    const { exitCode, stdout, stderr } = await servers(...args)
    expect([exitCode, stdout.split('\n')[0]]).toEqual([1, 'added dies: error'])
    expect(stderr).toMatch(/^compozy: dies is not connected: .*no API key/)
    expect(stderr).toContain('"compozy servers remove dies" takes it away')
    expect((await servers('logs', 'dies')).stdout).toContain('Error: no API key\n')
    await servers('remove', 'dies')
  })

  test('takes the value of a variable from the environment, so that no history has it', async () => {
    const args = ['add', 'keyed', '--wait', '20s', '-e', 'SOME_KEY', ...raw]
    expect((await run(args, { SOME_KEY: 'sk-1' })).exitCode).toBe(0)
    expect((await definitionOf('keyed'))['env']).toEqual({ SOME_KEY: '***' })
  })
})

describe('get', () => {
  test('shows how a server fares, how it is reached and where its clients find it', async () => {
    const { stdout } = await servers('get', 'from-file')
    expect(lineOf(stdout, 'state')).toMatch(/^connected for \d+s$/)
    expect(lineOf(stdout, 'reached by')).toBe(`stdio: ${process.execPath} ${rawServer}`)
    expect(stdout).toContain(`endpoints    ${gateway.url}/mcp-proxy/from-file/stream\n`)
    expect(lineOf(stdout, 'defined in')).toBe('the configuration file')
    expect(lineOf(stdout, 'speaks')).toBe('MCP 2025-11-25 (legacy), as raw-fixture 1.0.0')
    expect(lineOf((await servers('get', 'keyed')).stdout, 'variables')).toBe('SOME_KEY=***')
  })
})

describe('update', () => {
  test('changes what is named, and keeps the rest, hidden values too', async () => {
    const args = [
      'update',
      'keyed',
      '--wait',
      '20s',
      '--description',
      'mine',
      '--tag',
      'team=a',
      '--block-tool',
      'exit',
    ]
    expect((await servers(...args)).stdout).toStartWith('updated keyed: connected\n')
    expect(await definitionOf('keyed')).toMatchObject({
      description: 'mine',
      env: { SOME_KEY: '***' },
      tags: { team: 'a' },
      toolFilter: { mode: 'block', list: ['exit'] },
    })
    await servers('update', 'keyed', '--unset-tag', 'team', '--all-tools')
    const { tags, toolFilter } = await definitionOf('keyed')
    expect([tags, toolFilter]).toEqual([{}, undefined])
  })

  test('a process may become a URL', async () => {
    await servers('add', 'moves', '--wait', '20s', '--env', 'A=b', ...raw)
    await servers('update', 'moves', '--server-url', 'http://127.0.0.1:9/mcp', '--wait', '0s')
    const { transport, url, command, env } = await definitionOf('moves')
    expect({ transport, url, command, env }).toEqual({
      transport: 'streamable-http',
      url: 'http://127.0.0.1:9/mcp',
      command: undefined,
      env: {},
    })
    await servers('remove', 'moves')
  })

  test.each([
    {
      why: 'nothing to change',
      args: ['keyed'],
      exitCode: 2,
      stderr: 'nothing is changed; --help shows what can be',
    },
    {
      why: 'an entry that is not there',
      args: ['keyed', '--unset-env', 'NOPE'],
      exitCode: 2,
      stderr: '--unset-env NOPE: there is no such entry',
    },
    {
      why: 'a hidden value that would go elsewhere',
      args: ['keyed', '--env', 'MORE=1'],
      exitCode: 1,
      stderr: 'Invalid server definition: env.SOME_KEY',
    },
    {
      why: 'a server of the file',
      args: ['from-file', '--description', 'x'],
      exitCode: 1,
      stderr: 'Server is defined in the configuration file: ',
    },
  ])('refuses $why', async ({ args, exitCode, stderr }) => {
    const finished = await servers('update', ...args)
    expect([finished.exitCode, finished.stdout]).toEqual([exitCode, ''])
    expect(finished.stderr).toStartWith(`compozy: ${stderr}`)
  })
})

describe('restart, disable, enable', () => {
  test('do what they say, for a server of the file too', async () => {
    const pid = async () =>
      JSON.parse((await servers('call', 'from-file', 'pid', '--json')).stdout).structuredContent.pid as number
    const before = await pid()
    expect((await servers('restart', 'from-file', '--wait', '20s')).stdout).toStartWith(
      'restarted from-file: connected\n',
    )
    expect(await pid()).not.toBe(before)
    expect(await servers('disable', 'from-file')).toEqual({
      exitCode: 0,
      stdout: 'disabled from-file\n',
      stderr: '',
    })
    expect((await servers('ls')).stdout).toMatch(/^from-file +stdio +disabled /m)
    const called = await servers('call', 'from-file', 'pid')
    expect([called.exitCode, called.stderr]).toEqual([
      1,
      expect.stringContaining('Server is disabled: from-file'),
    ])
    expect((await servers('enable', 'from-file', '--wait', '20s')).stdout).toStartWith(
      'enabled from-file: connected\n',
    )
  })
})

describe('logs', () => {
  test('has the last lines, with their times, or as JSON', async () => {
    expect((await servers('logs', 'here')).stdout).toContain('hello\n')
    expect((await servers('logs', 'here', '-n', '1', '-t')).stdout).toMatch(
      /^\d{4}-\d\d-\d\dT[\d:.]+Z hello\n$/,
    )
    expect((await servers('logs', 'here', '-n', '0')).stdout).toBe('')
    expect(JSON.parse((await servers('logs', 'here', '--json')).stdout)).toEqual({
      name: 'here',
      lines: [{ time: expect.any(String), text: 'hello' }],
    })
    expect((await servers('logs', 'here', '-n', 'all')).stderr).toBe(
      'compozy: --tail must be a whole number\n',
    )
  })

  test('-f goes on with each new line, over a restart, until the server is removed', async () => {
    const words = ['servers', 'logs', 'here', '-f', '--url', gateway.url, '--token', 'any']
    const child = startInTerminal([...commandOf(via), ...words], { cwd: folder.path, columns: 80 })
    await poll('the first line', async () => child.output() === 'hello\n')
    await servers('restart', 'here', '--wait', '20s')
    await poll('the line of the new process', async () => child.output() === 'hello\nhello\n')
    await servers('remove', 'here')
    expect(await child.exited).toEqual({ exitCode: 0, output: 'hello\nhello\n' })
  })
})

describe('list --watch', () => {
  test('draws over itself in a terminal, and prints what changes anywhere else', async () => {
    const words = [
      'servers',
      'list',
      '--watch',
      '--interval',
      '100ms',
      '--url',
      gateway.url,
      '--token',
      'any',
    ]
    const seen = startInTerminal([...commandOf(via), ...words], { cwd: folder.path, columns: 100 })
    const plain = startInTerminal(['sh', '-c', [...commandOf(via), ...words].join(' '), '| cat'], {
      cwd: folder.path,
      columns: 100,
      env: { TERM: 'dumb' },
    })
    await poll('both tables', async () =>
      [seen, plain].every((child) => child.output().includes('from-file')),
    )
    await servers('disable', 'from-file')
    await poll('the change', async () => [seen, plain].every((child) => child.output().includes('disabled')))
    expect(seen.output()).toStartWith('\u001b[H')
    expect(plain.output()).not.toContain('\u001b')
    expect(plain.output().split('NAME ').length).toBeLessThan(5)
    // The gateway tells when there is something to see: it is not asked ten times a second.
    const looks = () => gateway.lines().filter((line) => line.includes('"path":"/admin/mcps"')).length
    const before = looks()
    await Bun.sleep(1_000)
    expect(looks() - before).toBeLessThan(5)
    for (const child of [seen, plain]) {
      child.type('\u0003')
      expect((await child.exited).exitCode).not.toBe(0)
    }
    await servers('enable', 'from-file', '--wait', '20s')
  })
})

describe('export and import', () => {
  test('carry servers from one gateway to another, all but the secrets, which are named', async () => {
    const exported = await servers('export')
    expect(exported.stderr).toBe('compozy: keyed has hidden values: env.SOME_KEY\n')
    const { mcps } = JSON.parse(exported.stdout) as { mcps: { name: string }[] }
    expect(mcps.map(({ name }) => name).sort()).toEqual(['from-file', 'keyed'])
    const variables = await servers('export', 'keyed', '--variables')
    expect(variables.stderr).toBe('compozy: keyed needs these variables to be imported: SOME_KEY\n')
    using elsewhere = temporaryDirectory({ 'all.json': exported.stdout, 'keyed.json': variables.stdout })
    await using other = await startGatewayProcess({ via })
    const imported = (file: string, env: Record<string, string> = {}, ...more: readonly string[]) =>
      runCommand(['servers', 'import', file, '--url', other.url, '--token', 'any', ...more], {
        via,
        cwd: elsewhere.path,
        env,
      })
    const dry = await imported('all.json', {}, '--dry-run', '--json')
    expect(JSON.parse(dry.stdout)).toMatchObject({
      dryRun: true,
      servers: [{ result: 'added' }, expect.anything()],
    })
    expect(((await (await other.admin('/mcps')).json()) as { count: number }).count).toBe(0)
    const first = await imported('all.json')
    expect(first.exitCode).toBe(1)
    expect(first.stdout).toMatch(/^from-file +added$/m)
    expect(first.stdout).toMatch(/^keyed +left out +.*env\.SOME_KEY/m)
    expect((await imported('keyed.json')).stdout).toMatch(/^keyed +left out +.*SOME_KEY/m)
    const whole = await imported('keyed.json', { SOME_KEY: 'sk-2' })
    expect([whole.exitCode, whole.stdout]).toEqual([0, expect.stringMatching(/^keyed +added$/m)])
    expect((await imported('all.json')).stdout).toMatch(/^from-file +unchanged$/m)
    const again = await imported('keyed.json', { SOME_KEY: 'sk-3' })
    expect([again.exitCode, again.stdout]).toEqual([1, expect.stringContaining('--replace changes it')])
    expect((await imported('keyed.json', { SOME_KEY: 'sk-3' }, '--replace')).stdout).toMatch(
      /^keyed +replaced$/m,
    )
  }, 20_000)

  test('the own export of a gateway changes nothing there, and keeps what is hidden where something else changes', async () => {
    await using own = await startGatewayProcess({ via })
    using folder = temporaryDirectory()
    const run = (word: string, ...words: readonly string[]) =>
      runCommand(['servers', word, '--url', own.url, ...words], { via, cwd: folder.path })
    // Two secrets of one name: whoever imports them must be able to tell them apart.
    for (const name of ['x', 'y'])
      await run(
        'add',
        name,
        '--wait',
        '0s',
        '--env',
        `API_KEY=of-${name}`,
        '--env',
        `ONLY_${name}=1`,
        '--',
        'cat',
      )
    await run('disable', 'y')
    const exported = await run('export')
    expect(exported.stderr).toEndWith(
      'compozy: y is switched off, which its definition does not say: where it is imported it is on\n',
    )
    const variables = await run('export', '--variables')
    const { mcps } = JSON.parse(variables.stdout) as { mcps: { env: Record<string, string> }[] }
    expect(mcps.map(({ env }) => env)).toEqual([
      { API_KEY: '$' + '{X_API_KEY}', ONLY_x: '$' + '{ONLY_X}' },
      { API_KEY: '$' + '{Y_API_KEY}', ONLY_y: '$' + '{ONLY_Y}' },
    ])
    expect(variables.stderr).toContain('x needs these variables to be imported: X_API_KEY, ONLY_X\n')
    const imported = (text: string, ...more: readonly string[]) => {
      writeFileSync(`${folder.path}/own.json`, text)
      return run('import', 'own.json', ...more)
    }
    const unchanged = await imported(exported.stdout)
    expect([unchanged.exitCode, unchanged.stdout]).toEqual([
      0,
      expect.stringMatching(/^x +unchanged\ny +unchanged$/m),
    ])
    const described = exported.stdout.replace('"name": "x",', '"name": "x", "description": "new",')
    expect((await imported(described, '--replace')).stdout).toMatch(/^x +replaced\ny +unchanged$/m)
    const elsewhere = exported.stdout.replace('"command": "cat"', '"command": "tee"')
    expect((await imported(elsewhere, '--replace')).stdout).toMatch(/^x +left out +.*a mask, and a stored/m)
  })

  test.each([
    {
      why: 'a client’s map',
      file: 'mcp.json',
      text: '{"mcpServers":{"one":{"command":"cat"}}}',
      name: 'one',
    },
    {
      why: 'that of an editor',
      file: 'settings.json',
      text: '{ "context_servers": {"two":{"url":"https://e.example"}}, }',
      name: 'two',
    },
    { why: 'TOML', file: 'config.toml', text: '[mcp_servers.three]\ncommand = "cat"\n', name: 'three' },
    {
      why: 'our own form',
      file: 'compozy.yaml',
      text: 'mcps:\n  - { name: four, transport: stdio, command: cat }\n',
      name: 'four',
    },
  ])('import reads $why', async ({ file, text, name }) => {
    using elsewhere = temporaryDirectory({ [file]: text })
    const args = ['servers', 'import', file, '--dry-run', '--url', gateway.url, '--token', 'any']
    const { exitCode, stdout } = await runCommand(args, { via, cwd: elsewhere.path })
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(new RegExp(`^${name} +added$`, 'm'))])
  })

  test.each([
    { why: 'no file', text: null, stderr: /^compozy: .*x\.json.*no such file/i },
    {
      why: 'no servers in it',
      text: '{}',
      stderr: /^compozy: x\.json: has no servers in it; they stand under mcps, /,
    },
    { why: 'no JSON', text: '{', stderr: /^compozy: x\.json:1:\d+: / },
  ])('import refuses $why', async ({ text, stderr }) => {
    using elsewhere = temporaryDirectory(text === null ? {} : { 'x.json': text })
    const args = ['servers', 'import', 'x.json', '--url', gateway.url, '--token', 'any']
    const finished = await runCommand(args, { via, cwd: elsewhere.path })
    expect(finished.exitCode).toBe(1)
    expect(finished.stderr).toMatch(stderr)
  })
})
