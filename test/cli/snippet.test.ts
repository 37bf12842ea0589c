/** `compozy servers snippet`: the words of each client, held to its documentation, and what a person is told beside. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { clients, type SnippetParts } from '../../src/snippets/clients.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { runCommand } from './run-command.ts'

const url = 'https://gw.example/mcp-proxy/files/stream'
const open: SnippetParts = { name: 'files', url, token: null }
const asked: SnippetParts = { ...open, token: 'asked' }
const given: SnippetParts = { ...open, token: 'tok-1' }

/** The entry of the server, by client: without a token, with one to be filled in, with one that was given. */
const entries = [
  {
    client: 'claude-desktop',
    at: ['mcpServers', 'files'],
    open: { command: 'npx', args: ['-y', 'mcp-remote', url, '--transport', 'http-only'] },
    asked: {
      command: 'npx',
      args: ['-y', 'mcp-remote', url, '--transport', 'http-only', '--header', 'Authorization:${AUTH_HEADER}'],
      env: { AUTH_HEADER: 'Bearer YOUR_TOKEN' },
    },
    given: {
      command: 'npx',
      args: ['-y', 'mcp-remote', url, '--transport', 'http-only', '--header', 'Authorization:${AUTH_HEADER}'],
      env: { AUTH_HEADER: 'Bearer tok-1' },
    },
  },
  {
    client: 'claude-code',
    at: ['mcpServers', 'files'],
    open: { type: 'http', url },
    asked: { type: 'http', url, headers: { Authorization: 'Bearer ${COMPOZY_TOKEN}' } },
    given: { type: 'http', url, headers: { Authorization: 'Bearer tok-1' } },
  },
  {
    client: 'cursor',
    at: ['mcpServers', 'files'],
    open: { url },
    asked: { url, headers: { Authorization: 'Bearer ${env:COMPOZY_TOKEN}' } },
    given: { url, headers: { Authorization: 'Bearer tok-1' } },
  },
  {
    client: 'vscode',
    at: ['servers', 'files'],
    open: { type: 'http', url },
    asked: { type: 'http', url, headers: { Authorization: 'Bearer ${input:compozy-token}' } },
    given: { type: 'http', url, headers: { Authorization: 'Bearer tok-1' } },
  },
  {
    client: 'gemini',
    at: ['mcpServers', 'files'],
    open: { httpUrl: url },
    asked: { httpUrl: url, headers: { Authorization: 'Bearer $COMPOZY_TOKEN' } },
    given: { httpUrl: url, headers: { Authorization: 'Bearer tok-1' } },
  },
  {
    client: 'windsurf',
    at: ['mcpServers', 'files'],
    open: { serverUrl: url },
    asked: { serverUrl: url, headers: { Authorization: 'Bearer ${env:COMPOZY_TOKEN}' } },
    given: { serverUrl: url, headers: { Authorization: 'Bearer tok-1' } },
  },
  {
    client: 'zed',
    at: ['context_servers', 'files'],
    open: { url },
    asked: { url, headers: { Authorization: 'Bearer YOUR_TOKEN' } },
    given: { url, headers: { Authorization: 'Bearer tok-1' } },
  },
  {
    client: 'jetbrains',
    at: ['mcpServers', 'files'],
    open: { url },
    asked: expect.objectContaining({ command: 'npx', env: { AUTH_HEADER: 'Bearer YOUR_TOKEN' } }),
    given: expect.objectContaining({ command: 'npx', env: { AUTH_HEADER: 'Bearer tok-1' } }),
  },
  {
    client: 'n8n',
    at: ['nodes', 0, 'parameters'],
    open: { endpointUrl: url, serverTransport: 'httpStreamable', authentication: 'none' },
    asked: { endpointUrl: url, serverTransport: 'httpStreamable', authentication: 'bearerAuth' },
    given: { endpointUrl: url, serverTransport: 'httpStreamable', authentication: 'bearerAuth' },
  },
] as const

describe('the words of a client', () => {
  test.each([...entries])('$client', ({ client, at, ...wanted }) => {
    for (const [form, parts] of Object.entries({ open, asked, given })) {
      const { format, text, places } = clients[client](parts)
      expect({ format, places: places.length > 0 }).toEqual({ format: 'json', places: true })
      const entry = at.reduce<unknown>((value, key) => Reflect.get(Object(value), key), JSON.parse(text))
      expect(entry).toEqual(wanted[form as 'open'])
    }
  })

  test('codex reads TOML, and takes a token from a variable', () => {
    const head = `[mcp_servers.files]\nurl = "${url}"`
    expect(clients.codex(open).text).toBe(head)
    expect(clients.codex(asked).text).toBe(`${head}\nbearer_token_env_var = "COMPOZY_TOKEN"`)
    expect(clients.codex(given).text).toBe(`${head}\nhttp_headers = { Authorization = "Bearer tok-1" }`)
    expect(clients.codex(asked).command).toBe(
      `codex mcp add files --url ${url} --bearer-token-env-var COMPOZY_TOKEN`,
    )
  })

  test('a program in Python is one that Python reads', () => {
    for (const parts of [open, asked, given]) {
      const { text } = clients.langchain(parts)
      expect(text).toContain(`"url": "${url}"`)
      const checked = Bun.spawnSync(['python3', '-c', 'import ast, sys; ast.parse(sys.stdin.read())'], {
        stdin: Buffer.from(text),
      })
      expect(checked.exitCode).toBe(0)
    }
    expect(clients.langchain(asked).text).toContain(`f"Bearer {os.environ['COMPOZY_TOKEN']}"`)
  })

  test('mcp-remote is told where plain HTTP is meant, but for its own machine', () => {
    const argsOf = (base: string) => {
      const { text } = clients['claude-desktop']({ ...open, url: `${base}/mcp-proxy/files/stream` })
      return JSON.parse(text).mcpServers.files.args.includes('--allow-http')
    }
    expect(['http://10.0.0.5:6001', 'http://127.0.0.1:6001', 'https://gw.example'].map(argsOf)).toEqual([
      true,
      false,
      false,
    ])
  })
})

describe('the command', () => {
  const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
  let gateway: RunningGateway
  beforeAll(async () => {
    gateway = await startGatewayProcess({
      config: {
        mcp_proxy: { auth: { global_tokens: ['client-token'] } },
        mcps: [{ name: 'a.b', transport: 'stdio', command: process.execPath, args: [rawServer] }],
      },
    })
  })
  afterAll(() => gateway?.stop())
  const snippet = (...args: readonly string[]) =>
    runCommand(['servers', 'snippet', ...args], { cwd: gateway.directory, via: 'executable' })

  test('asks the gateway whether a token is needed, and says on stderr where the snippet belongs', async () => {
    const { exitCode, stdout, stderr } = await snippet('a.b', '--client', 'cursor', '--url', gateway.url)
    expect(exitCode).toBe(0)
    // A dot is no part of a name in every client.
    expect(JSON.parse(stdout).mcpServers['a-b']).toEqual({
      url: `${gateway.url}/mcp-proxy/a.b/stream`,
      headers: { Authorization: 'Bearer ${env:COMPOZY_TOKEN}' },
    })
    expect(stderr).toContain('Cursor: ~/.cursor/mcp.json for all projects\n')
    expect(stderr).toContain('Set COMPOZY_TOKEN')
    const withToken = await snippet('a.b', '--client', 'zed', '--url', gateway.url, '--token', 'client-token')
    expect(withToken.stdout).toContain('Bearer client-token')
  })

  test('without a name is that of all servers at one URL', async () => {
    const { stdout } = await snippet('--client', 'cursor', '--url', gateway.url, '--token', 'client-token')
    expect(JSON.parse(stdout).mcpServers).toEqual({
      compozy: { url: `${gateway.url}/mcp`, headers: { Authorization: 'Bearer client-token' } },
    })
  })

  test.each([
    {
      why: 'no client',
      args: ['a.b'],
      exitCode: 2,
      line: /^compozy: --client is missing; it is one of claude-desktop, .*langchain\n$/,
    },
    {
      why: 'a client that nobody knows',
      args: ['a.b', '--client', 'emacs'],
      exitCode: 2,
      line: /^compozy: --client must be one of .*got "emacs"\n$/,
    },
    {
      why: 'a server that is not there',
      args: ['nope', '--client', 'zed', '--token', 'client-token'],
      exitCode: 1,
      line: /^compozy: the gateway at \S+ has no server nope, or this token does not open it: "compozy servers list" shows those that it has\n$/,
    },
    {
      why: 'a token that opens nothing',
      args: ['a.b', '--client', 'zed', '--token', 'wrong'],
      exitCode: 4,
      line: /^compozy: the gateway at \S+ does not take this token\n$/,
    },
  ])('refuses $why', async ({ args, exitCode, line }) => {
    const finished = await snippet(...args, '--url', gateway.url)
    expect([finished.exitCode, finished.stdout]).toEqual([exitCode, ''])
    expect(finished.stderr).toMatch(line)
  })

  test('takes the address that clients use from the configuration, and works without a gateway', async () => {
    using folder = temporaryDirectory({
      'compozy.yaml':
        'mcp_proxy: { port: 9, base_url: "https://gw.example/tools", auth: { global_tokens: [x] } }',
    })
    const args = ['servers', 'snippet', 'files', '--client', 'vscode', '--json']
    const { exitCode, stdout, stderr } = await runCommand(args, { cwd: folder.path, via: 'executable' })
    expect(exitCode).toBe(0)
    expect(stderr).toBe('compozy: warning: no gateway answers at http://127.0.0.1:9: connection refused\n')
    const { text, client, format } = JSON.parse(stdout)
    expect([client, format]).toEqual(['vscode', 'json'])
    expect(JSON.parse(text)).toEqual({
      inputs: [
        { type: 'promptString', id: 'compozy-token', description: 'Token of the gateway', password: true },
      ],
      servers: {
        files: {
          type: 'http',
          url: 'https://gw.example/tools/mcp-proxy/files/stream',
          headers: { Authorization: 'Bearer ${input:compozy-token}' },
        },
      },
    })
  })
})
