/** `compozy servers`: a person at a terminal registers a server, looks around and calls a tool. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { jsonAnswer, startFaultHttp, welcome } from '../support/fault-http.ts'
import { type RunningGateway, repository, startGatewayProcess } from '../support/gateway.ts'
import { type Finished, runCommand } from './run-command.ts'

const via = 'executable'
const everything = `${repository}/node_modules/@modelcontextprotocol/server-everything/dist/index.js`

let gateway: RunningGateway

beforeAll(async () => {
  gateway = await startGatewayProcess({
    via,
    config: {
      mcp_proxy: { auth: { admin_tokens: ['first-admin', 'second-admin'] } },
      mcps: [{ name: 'from-file', transport: 'stdio', command: process.execPath, args: [everything] }],
    },
  })
})

afterAll(() => gateway?.stop())

/** The port comes from the command line, the token from compozy.yaml in the same directory. */
function servers(...args: readonly string[]): Promise<Finished> {
  const [name = '', ...rest] = args
  const port = new URL(gateway.url).port
  return runCommand(['servers', name, '--mcp-port', port, ...rest], { via, cwd: gateway.directory })
}

function lineOf(text: string, start: string): string[] {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${start} `)) ?? ''
  return line.split(/ {2,}/)
}

describe('servers', () => {
  const urls = (name: string) =>
    ['stream', 'sse'].map((face) => `  ${gateway.url}/mcp-proxy/${name}/${face}\n`).join('')

  test('add registers a command behind --, waits for it, shows its URLs, and list shows it', async () => {
    const words = ['add', 'mine', '--wait', '20s', '--env', 'GREETING=hi', '--', process.execPath, everything]
    const added = await servers(...words)
    expect(added).toEqual({ exitCode: 0, stdout: `added mine: connected\n${urls('mine')}`, stderr: '' })
    const { stdout } = await servers('list')
    expect(stdout.split('\n')[0]).toMatch(
      /^NAME +TRANSPORT +STATUS +AGE +RESTARTS +SESSIONS +REQUESTS +ERRORS +REASON$/,
    )
    expect(lineOf(stdout, 'mine').slice(0, 3)).toEqual(['mine', 'stdio', 'connected'])
    expect(lineOf(stdout, 'from-file').slice(0, 3)).toEqual(['from-file', 'stdio', 'connected'])
  })

  test('tools lists the tools of all servers or of one', async () => {
    const { stdout } = await servers('tools', 'from-file')
    expect(lineOf(stdout, 'from-file')).toEqual(['from-file', 'echo', 'Echoes back the input string'])
    expect(stdout).not.toContain('\nmine')
  })

  test('prints nothing that a server could use against the terminal of whoever looks', async () => {
    const hostile = '\u001b]0;owned\u0007\u001b[2J\u009b31m\u202eend'
    await using http = startFaultHttp((request) => {
      const { method, id } = request.message
      if (method === 'initialize') return welcome(request)
      if (method === 'server/discover') return new Response(null, { status: 404 })
      if (method === 'tools/list')
        return jsonAnswer(request, {
          tools: [{ name: `t${hostile}`, description: hostile, inputSchema: {} }],
        })
      if (method !== 'tools/call') return null
      const error = { code: -32602, message: hostile }
      return Response.json({ jsonrpc: '2.0', id, error })
    })
    await using refusing = startFaultHttp(({ message: { id } }) =>
      Response.json({ jsonrpc: '2.0', id, error: { code: -32000, message: hostile } }),
    )
    const outputs = [
      await servers('add', 'hostile', '--server-url', http.url),
      await servers('add', 'refusing', '--server-url', refusing.url),
      await servers('list'),
      await servers('list', '--json'),
      await servers('tools', 'hostile'),
      await servers('tools', 'hostile', '--json'),
      await servers('call', 'hostile', 't'),
      await servers('call', 'hostile', 't', '--json'),
      await servers('try', 'hostile'),
    ]
    const text = outputs.map(({ stdout, stderr }) => stdout + stderr).join('')
    expect(text.match(/end/g)?.length).toBeGreaterThanOrEqual(8)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there.
    expect(text).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]/)
    await servers('remove', 'hostile')
    await servers('remove', 'refusing')
  })

  test('try does not show a key that a server puts into its name', async () => {
    const key = 'sk-3Zp9Qw7LkT2vXb8N4rYc6Hd1'
    await using http = startFaultHttp((request) => {
      if (request.message.method !== 'initialize') return null
      const result = {
        protocolVersion: '2025-11-25',
        capabilities: {},
        serverInfo: { name: `of ${key}`, version: '1' },
      }
      return jsonAnswer(request, result)
    })
    await servers('add', 'vain', '--server-url', http.url)
    const { stdout, exitCode } = await servers('try', 'vain')
    expect(exitCode).toBe(0)
    expect(stdout).toContain('of *** 1')
    expect(stdout).not.toContain(key.slice(0, 8))
    await servers('remove', 'vain')
  })

  test('try connects as an MCP client on both faces, and exits with 1 where that fails', async () => {
    const { exitCode, stdout } = await servers('try', 'from-file')
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^FACE +SERVER +TOOLS +RESOURCES +PROMPTS +MS +RESULT\nstream .* ok\nsse .* ok\n$/)
    const missing = await servers('try', 'missing')
    expect(missing.exitCode).toBe(1)
    expect(missing.stdout).toMatch(/^stream +Server not found: There is no server named "missing"/m)
    expect(missing.stdout).toMatch(/^sse +Server not found: There is no server named "missing"/m)
  })

  test('add takes a header as curl does, and tools exits with 1 for the one server that does not answer', async () => {
    await using closed = startFaultHttp(
      ({ headers }) => new Response(null, { status: headers['x-key'] === 'a=b' ? 503 : 401 }),
    )
    const words = ['add', 'closed', '--wait', '20s', '--server-url', closed.url, '--header', 'X-Key: a=b']
    const added = await servers(...words)
    // It is kept, and a script that goes on as if it were there is warned.
    expect([added.exitCode, added.stdout]).toEqual([1, `added closed: error\n${urls('closed')}`])
    expect(added.stderr).toMatch(/^compozy: closed is not connected: .*503/)
    const { exitCode, stderr } = await servers('tools', 'closed')
    expect(exitCode).toBe(1)
    expect(stderr).toStartWith('compozy: closed: ')
    expect((await servers('tools')).exitCode).toBe(0)
    await servers('remove', 'closed')
  })

  test.each([
    { why: 'arguments one by one', args: ['echo', '--arg', 'message=hello'], stdout: 'Echo: hello\n' },
    { why: 'arguments as JSON', args: ['get-sum', '{"a":1,"b":2}'], stdout: 'The sum of 1 and 2 is 3.\n' },
    { why: 'both', args: ['get-sum', '{"a":1}', '--arg', 'b=2'], stdout: 'The sum of 1 and 2 is 3.\n' },
  ])('call takes $why', async ({ args, stdout }) => {
    expect(await servers('call', 'from-file', ...args)).toEqual({ exitCode: 0, stdout, stderr: '' })
  })

  test('call exits with 3 and the reason when the tool fails', async () => {
    const { exitCode, stdout, stderr } = await servers('call', 'from-file', 'get-sum', '{"a":"x"}')
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' })
    expect(stderr).toStartWith('compozy: get-sum failed: ')
  })

  test('list --json prints what the admin API says', async () => {
    const { stdout } = await servers('list', '--json')
    expect(
      JSON.parse(stdout).mcps.map(({ definition }: { definition: { name: string } }) => definition.name),
    ).toContain('from-file')
  })

  test.each([
    {
      why: 'a server of the file',
      args: ['remove', 'from-file'],
      stderr: /^compozy: Server is defined in the configuration file: .+ \(HTTP 409\)\n$/,
    },
    {
      why: 'an unknown server',
      args: ['remove', 'nope'],
      stderr: /^compozy: Server not found: .+ \(HTTP 404\)\n$/,
    },
    {
      why: 'the tools of an unknown server',
      args: ['tools', 'nope'],
      stderr: /^compozy: Server not found: .+ \(HTTP 404\)\n$/,
    },
    {
      why: 'a missing command',
      args: ['add', 'x', '--', 'no-such-command-here'],
      stderr: /^compozy: Command not found: .+ \(HTTP 422\)\n$/,
    },
    {
      why: 'a wrong token',
      args: ['list', '--token', 'wrong'],
      stderr: /^compozy: .+ \(HTTP 40[13]\)\n$/,
      exitCode: 4,
    },
  ])('$why is one line on stderr and an exit code', async ({ args, stderr, exitCode = 1 }) => {
    const finished = await servers(...args)
    expect(finished.exitCode).toBe(exitCode)
    expect(finished.stderr).toMatch(stderr)
  })

  test.each([
    {
      why: 'neither URL nor command',
      args: ['add', 'x'],
      line: 'name either --server-url URL or, behind --, a command',
    },
    {
      why: 'a pair without =, whose text may be a secret',
      args: ['add', 'x', '--env', 'secret', '--', 'y'],
      line: '--env must have the form NAME=VALUE, or be the NAME of a variable that is set here',
    },
    {
      why: 'an empty name',
      args: ['get', ''],
      line: 'NAME must be 1 to 64 letters, digits, dots, underscores or hyphens, beginning with a letter or digit',
    },
    {
      why: 'a name that would be another path',
      args: ['rm', '..'],
      line: 'NAME must be 1 to 64 letters, digits, dots, underscores or hyphens, beginning with a letter or digit',
    },
    {
      why: 'arguments that are no object',
      args: ['call', 'x', 'y', '[1]'],
      line: 'ARGUMENTS must be one JSON object, such as \'{"message":"hello"}\'',
    },
  ])('refuses $why', async ({ args, line }) => {
    expect(await servers(...args)).toEqual({ exitCode: 2, stdout: '', stderr: `compozy: ${line}\n` })
  })

  test('remove takes it away', async () => {
    await servers('add', 'short-lived', '--', process.execPath, everything)
    expect(await servers('remove', 'short-lived')).toEqual({
      exitCode: 0,
      stdout: 'removed short-lived\n',
      stderr: '',
    })
    expect((await servers('list')).stdout).not.toContain('short-lived')
  })
})
