/**
 * Servers as they are published, all in one group at `/mcp`: five that are here in any case, and with REAL_SERVERS=ten
 * ten of npm and PyPI, for official clients of three languages, the inspector and `servers try`.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { runCommand } from '../cli/run-command.ts'
import { goProgram, missingFor, programs, publishedServers, pythonWith } from '../clients/toolchain.ts'
import { type RunningGateway, repository, startGatewayProcess } from '../support/gateway.ts'
import { type RealServers, startRealServers } from '../support/real-servers.ts'
import { sdkClients } from '../support/sdk-clients.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const via = 'executable'
const ten = process.env['REAL_SERVERS'] === 'ten'
const lacking = (['Python', 'Go', 'Node'] as const).flatMap((language) => missingFor(language) ?? [])
/** Installs from nothing, on a machine that does other things. */
const installMs = 580_000
const inspector = join(
  repository,
  'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js',
)

interface Called {
  readonly tool: string
  readonly args: Readonly<Record<string, unknown>>
  /** What the result must hold. */
  readonly says: string
}

let real: RealServers
let work: TemporaryDirectory
let gateway: RunningGateway
let servers: string[] = []
const calls: Called[] = [
  { tool: 'everything__get-sum', args: { a: 2, b: 3 }, says: 'The sum of 2 and 3 is 5' },
  { tool: 'everything-sse__get-sum', args: { a: 2, b: 4 }, says: 'The sum of 2 and 4 is 6' },
  { tool: 'everything-http__echo', args: { message: 'hello' }, says: 'Echo: hello' },
  { tool: 'filesystem__list_allowed_directories', args: {}, says: 'toured' },
  { tool: 'memory__read_graph', args: {}, says: 'entities' },
]

beforeAll(async () => {
  real = await startRealServers()
  work = temporaryDirectory()
  const definitions: { readonly name: string }[] = real.servers.map(({ definition }) => definition)
  if (ten) {
    definitions.push(...(await publishedDefinitions(work.path)))
    const repo = work.path
    calls.push(
      { tool: 'git__git_status', args: { repo_path: repo }, says: 'On branch' },
      { tool: 'time__get_current_time', args: { timezone: 'UTC' }, says: '"timezone": "UTC"' },
      {
        tool: 'thinking__sequentialthinking',
        args: { thought: 'x', nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 },
        says: 'thoughtNumber',
      },
    )
  }
  servers = definitions.map(({ name }) => name)
  // A client that could be asked something has a process of its own of each, which may take its time here.
  const all = { name: 'all', transport: 'group', members: [{ all: true }], listWait: '60s' }
  const config = { mcp_proxy: { default_group: 'all' }, mcps: [...definitions, all] }
  gateway = await startGatewayProcess({ via, config })
}, installMs)

afterAll(async () => {
  await gateway?.stop()
  await real?.[Symbol.asyncDispose]()
  work?.[Symbol.dispose]()
})

/** Those that are installed for this test. None of them needs the network to list its tools. */
async function publishedDefinitions(directory: string) {
  const [npm, python] = await Promise.all([publishedServers(), pythonWith('servers')])
  Bun.spawnSync(['git', 'init', '--quiet', directory])
  const stdio = (name: string, command: string, args: string[], env: Record<string, string> = {}) => ({
    name,
    transport: 'stdio',
    command,
    args,
    env,
  })
  const ofNpm = (name: string, bin: string, env: Record<string, string> = {}) =>
    stdio(name, join(npm, 'node_modules', '.bin', bin), [], env)
  const ofPypi = (name: string, args: string[] = []) =>
    stdio(name, python, ['-m', `mcp_server_${name}`, ...args])
  return [
    ofNpm('thinking', 'mcp-server-sequential-thinking'),
    ofNpm('github', 'mcp-server-github', { GITHUB_PERSONAL_ACCESS_TOKEN: 'none' }),
    ofNpm('maps', 'mcp-server-google-maps', { GOOGLE_MAPS_API_KEY: 'none' }),
    ofNpm('context7', 'context7-mcp'),
    ofPypi('git', ['--repository', directory]),
    ofPypi('fetch'),
    ofPypi('time', ['--local-timezone', 'UTC']),
  ]
}

const mcp = (): URL => new URL('/mcp', gateway.url)

/** Each server has tools, and each name is one that the large clients take. */
function expectAllServers(names: readonly string[]): void {
  expect(names.length).toBe(new Set(names).size)
  expect(names.filter((name) => !/^[a-zA-Z0-9_-]{1,64}$/.test(name))).toEqual([])
  const without = servers.filter((server) => !names.some((name) => name.startsWith(`${server}__`)))
  expect(without).toEqual([])
}

describe('through /mcp', () => {
  test.each(sdkClients)(
    'the $sdk client lists every server over /$face, and calls tools of each',
    async ({ face, over, connect }) => {
      const client = await connect({ over, url: face === 'sse' ? new URL('/mcp/sse', gateway.url) : mcp() })
      expectAllServers((await client.listTools()).tools.map(({ name }) => name))
      const prompts = (await client.listPrompts()).prompts.map(({ name }) => name)
      expect(prompts).toContain('everything__simple-prompt')
      const uris = (await client.listResources()).resources.map(({ uri }) => uri)
      expect(uris.length).toBe(new Set(uris).size)
      for (const { tool, args, says } of calls) {
        const result = await client.callTool({ name: tool, arguments: { ...args } })
        expect(JSON.stringify(result)).toContain(JSON.stringify(says).slice(1, -1))
      }
      // Three servers have the same resources: each is read at the one that its URI names.
      const qualified = uris.filter((uri) => uri.startsWith('mcp+everything'))
      expect(qualified.length).toBeGreaterThan(2)
      for (const uri of qualified.slice(0, 3))
        expect(JSON.stringify(await client.readResource({ uri }))).toContain(uri)
      await client.close()
    },
    60_000,
  )

  test('the inspector lists every server, and calls a tool', async () => {
    const listed = (await inspect(['tools/list'])) as { tools: { name: string }[] }
    expectAllServers(listed.tools.map(({ name }) => name))
    const args = ['--tool-name', 'everything__get-sum', '--tool-arg', 'a=2', '--tool-arg', 'b=3']
    expect(await inspect(['tools/call', ...args])).toEqual({
      content: [{ type: 'text', text: 'The sum of 2 and 3 is 5.' }],
    })
  }, 60_000)

  test('servers try counts the tools of all', async () => {
    const { exitCode, stdout } = await runCommand(['servers', 'try', '--url', gateway.url, '--json'], {
      via,
      cwd: gateway.directory,
    })
    const { tries } = JSON.parse(stdout) as { tries: { ok: boolean; tools: number }[] }
    expect([exitCode, ...tries.map(({ ok, tools }) => ok && tools > servers.length)]).toEqual([0, true, true])
  }, 60_000)

  test.if(ten && lacking.length === 0)(
    'the official SDKs of Python and Go list every server, and call tools',
    async () => {
      const python = [await pythonWith('sdk1'), join(programs, 'python', 'tour.py')]
      for (const command of [python, [await goProgram('tour')]]) {
        for (const { tool, args, says } of calls) {
          const child = Bun.spawnSync([...command, mcp().href, tool, JSON.stringify(args)])
          expect([child.exitCode, child.stderr.toString()]).toEqual([0, ''])
          const told = JSON.parse(child.stdout.toString()) as { tools: string[]; text: string }
          expectAllServers(told.tools)
          expect(told.text).toContain(says)
        }
      }
    },
    installMs,
  )
})

test.if(ten)('with REAL_SERVERS=ten there are ten and more, and the machine has what they need', () => {
  expect(lacking).toEqual([])
  expect(servers.length).toBeGreaterThanOrEqual(10)
})

async function inspect(method: readonly string[]): Promise<unknown> {
  const command = [
    process.execPath,
    inspector,
    '--cli',
    mcp().href,
    '--transport',
    'http',
    '--method',
    ...method,
  ]
  const child = Bun.spawn(command, { stdout: 'pipe', stderr: 'pipe' })
  // On its standard error it judges the schemas of the servers.
  const [stdout, , exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  expect(exitCode).toBe(0)
  return JSON.parse(stdout)
}
