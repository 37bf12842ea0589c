/** Servers that stand in files, in our own form and in that of desktop clients. */
import { describe, expect, test } from 'bun:test'
import { type LoadedConfig, loadConfig } from '../../src/config/load.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

async function load(
  files: Readonly<Record<string, string>>,
  imports: readonly string[] = [],
): Promise<LoadedConfig & { directory: string }> {
  using directory = temporaryDirectory(files)
  const loaded = await loadConfig({
    flags: imports.length === 0 ? {} : { 'mcp-import': imports },
    environment: { HOME: directory.path, DOCS_TOKEN: 'abc' },
    directory: directory.path,
    terminal: false,
  })
  return { ...loaded, directory: directory.path }
}

const yaml = (text: string): Readonly<Record<string, string>> => ({ 'compozy.yaml': text })

describe('servers in the file', () => {
  test('the example of the contract is read as it stands', async () => {
    const { config, serverOrigins } = await load(
      yaml(`
mcps:
  - name: files
    transport: stdio
    command: npx
    args: ["-y", "@modelcontextprotocol/server-filesystem", "./workspace"]
    env: { NODE_ENV: production }
  - name: docs
    transport: streamable-http
    url: https://example.com/mcp
    headers: { Authorization: "Bearer $\{DOCS_TOKEN}" }
`),
    )
    expect(config.servers).toMatchObject([
      {
        name: 'files',
        transport: 'stdio',
        command: 'npx',
        args: ['-y', '@modelcontextprotocol/server-filesystem', './workspace'],
        env: { NODE_ENV: 'production' },
      },
      {
        name: 'docs',
        transport: 'streamable-http',
        url: 'https://example.com/mcp',
        headers: { Authorization: 'Bearer abc' },
      },
    ])
    expect([...serverOrigins.values()]).toEqual(['compozy.yaml: mcps[0]', 'compozy.yaml: mcps[1]'])
  })

  test('the map of desktop clients is taken as well, without the servers switched off in it', async () => {
    const { config } = await load(
      yaml(`
mcpServers:
  memory: { command: npx, args: [-y, server-memory], disabled: false, autoApprove: [x] }
  old: { type: sse, url: "https://example.com/sse" }
  new: { url: "https://example.com/mcp" }
  off: { command: "$\{UNSET}", disabled: true }
`),
    )
    expect(config.servers.map(({ name, transport }) => `${name} ${transport}`)).toEqual([
      'memory stdio',
      'old sse',
      'new streamable-http',
    ])
  })

  test('files of --mcp-import come on top, wherever their map is', async () => {
    const { config, serverOrigins } = await load(
      {
        ...yaml('mcps: [{ name: a, transport: stdio, command: a }]'),
        'claude.json': '{"mcpServers": {\n// as editors write it\n"b": {"command": "b"},}}',
        'vscode.json': '{"servers": {"c": {"type": "http", "url": "https://c.example/"}}}',
      },
      ['claude.json', 'vscode.json'],
    )
    expect(config.servers.map(({ name }) => name)).toEqual(['a', 'b', 'c'])
    expect(serverOrigins.get('c')).toBe('vscode.json: servers.c')
  })

  test('a reference in the form of editors reads the same variable', async () => {
    using directory = temporaryDirectory(
      yaml(
        'mcpServers: { a: { command: a, env: { A: "${env:KEY}", B: "$${env:KEY}", C: "$${input:KEY}" } } }',
      ),
    )
    const { config } = await loadConfig({
      flags: {},
      environment: { KEY: 'v' },
      directory: directory.path,
      terminal: false,
    })
    expect(config.servers[0]?.env).toEqual({ A: 'v', B: '${env:KEY}', C: '${input:KEY}' })
  })

  test('a relative working directory is taken from the place of the file', async () => {
    const { config, directory } = await load(
      {
        ...yaml(''),
        'sub/x.json': '{"mcpServers": {"a": {"command": "a", "cwd": "work"}}}',
      },
      ['sub/x.json'],
    )
    expect(config.servers[0]?.cwd).toBe(`${directory}/sub/work`)
  })

  test('definitions do not change between two readings of an unchanged file', async () => {
    using directory = temporaryDirectory(yaml('mcps: [{ name: a, transport: stdio, command: a }]'))
    const sources = { flags: {}, environment: {}, directory: directory.path, terminal: false }
    const [first, second] = [await loadConfig(sources), await loadConfig(sources)]
    expect(second.config.servers).toEqual(first.config.servers)
  })

  test('a group stands among servers, and may wait for one that is registered later', async () => {
    const { config } = await load(
      yaml(
        'mcp_proxy: { default_group: team }\nmcps: [{ name: team, transport: group, members: [{ server: later }, { tag: docs }] }]',
      ),
    )
    expect(config.defaultGroup).toBe('team')
    expect(config.servers[0]?.group?.members.map(({ server, tag }) => server ?? tag)).toEqual([
      'later',
      'docs',
    ])
  })

  test.each([
    {
      why: 'an unknown field',
      text: 'mcps: [{ name: a, transport: stdio, command: a, arg: [x] }]',
      message: 'compozy.yaml: mcps[0].arg is not a known field; did you mean args?',
    },
    {
      why: 'a bad name',
      text: 'mcpServers: { "my files": { command: a } }',
      message:
        'compozy.yaml: mcpServers.my files.name must be 1 to 64 letters, digits, dots, underscores or hyphens, beginning with a letter or digit',
    },
    {
      why: 'a missing command',
      text: 'mcps: [{ name: a, transport: stdio }]',
      message: 'compozy.yaml: mcps[0].command is required for transport stdio',
    },
    { why: 'no list', text: 'mcps: { a: 1 }', message: 'compozy.yaml: mcps must be a list of servers' },
    {
      why: 'no map',
      text: 'mcpServers: [1]',
      message: 'compozy.yaml: mcpServers must be a map from server names to servers',
    },
    {
      why: 'one name twice',
      text: 'mcps: [{ name: a, transport: stdio, command: a }]\nmcpServers: { a: { command: b } }',
      message: 'compozy.yaml: mcpServers.a: the name "a" is already taken by compozy.yaml: mcps[0]',
    },
    {
      why: 'a group in a group, whichever stands first',
      text: 'mcps: [{ name: a, transport: group, members: [{ server: b }] }, { name: b, transport: group, members: [{ all: true }] }]',
      message:
        'compozy.yaml: mcps[0].members[0].server is the group b; a group in a group is not possible, name its servers',
    },
    {
      why: 'a default group that is a server',
      text: 'mcp_proxy: { default_group: a }\nmcps: [{ name: a, transport: stdio, command: a }]',
      message: 'default_group must name a group, and a is a server (compozy.yaml: mcps[0])',
    },
    {
      why: 'an unset variable',
      text: 'mcps: [{ name: a, transport: sse, url: "https://x.example", headers: { X: "${UNSET}" } }]',
      message:
        'compozy.yaml: mcps[0].headers.X: the environment variable UNSET is not set; set it or write ${UNSET:-default}',
    },
    {
      why: 'a value that only an editor could ask for',
      text: 'mcpServers: { a: { command: a, env: { KEY: "${input:key}" } } }',
      message:
        'compozy.yaml: mcpServers.a.env.KEY: ${input:…} asks the user of an editor, and there is none here; write ${NAME} and set that variable',
    },
    {
      why: 'a number that the parser has rounded where only text can be passed on',
      text: 'mcpServers: { a: { command: a, env: { ID: 12345678901234567890 } } }',
      message: 'compozy.yaml: mcpServers.a.env.ID must be a string; put it in quotes',
    },
    {
      why: 'the name of a variable where a token belongs',
      text: 'mcps: [{ name: a, transport: stdio, command: a, authTokens: ["$TOKEN"] }]',
      message:
        'compozy.yaml: mcps[0].authTokens[0] is the name of a variable and not its value; ${NAME} is replaced in configuration files only',
    },
    {
      why: 'a server without an address',
      text: 'mcpServers: { a: { type: http, disabled: false } }',
      message: 'compozy.yaml: mcpServers.a needs a command or a url',
    },
  ])('refuses $why and says where', async ({ text, message }) => {
    await expect(load(yaml(text))).rejects.toThrow(message)
  })

  test('a bad entry of an import is left out and named, and the others are there', async () => {
    const entries = {
      good: { command: 'a' },
      slip: { command: 'a', comand: 'b' },
      asks: { command: 'a', env: { KEY: '${input:key}' } },
      unset: { url: 'https://x.example', headers: { A: '${UNSET}' } },
      taken: { command: 'b' },
      none: 'npx',
    }
    const { config, warnings } = await load(
      {
        ...yaml('mcps: [{ name: taken, transport: stdio, command: a }]'),
        'x.json': JSON.stringify({ mcpServers: entries }),
      },
      ['x.json'],
    )
    expect(config.servers.map(({ name }) => name)).toEqual(['taken', 'good'])
    expect(warnings).toEqual([
      'x.json: mcpServers.slip.comand is not a known field; did you mean command?; the server is left out',
      expect.stringMatching(
        /^x\.json: mcpServers\.asks\.env\.KEY: \$\{input:…\} asks .*; the server is left out$/,
      ),
      expect.stringMatching(
        /^x\.json: mcpServers\.unset\.headers\.A: the environment variable UNSET .* left out$/,
      ),
      'x.json: mcpServers.taken: the name "taken" is already taken by compozy.yaml: mcps[0]; the server is left out',
      'x.json: mcpServers.none must be an object with command or url; the server is left out',
    ])
  })

  test.each([
    { why: 'a file without servers', files: { 'x.json': '{}' }, message: 'x.json: has no mcpServers map' },
    { why: 'a missing file', files: {}, message: 'cannot read x.json: no such file' },
    {
      why: 'a file with a server twice, of which one would be lost',
      files: { 'x.json': '{"mcpServers": {"a": {"command": "a"}, "a": {"command": "b"}}}' },
      message: 'x.json:1:40: the key "a" stands twice in one object',
    },
    {
      why: "a file of TBXark's proxy, whose tokens would be lost",
      files: {
        'x.json': '{"mcpProxy": {"options": {"authTokens": ["a"]}}, "mcpServers": {"a": {"command": "a"}}}',
      },
      message: 'mcpProxy holds its tokens; name it with --config (docs/MIGRATION.md)',
    },
  ])('refuses to import $why', async ({ files, message }) => {
    await expect(load(files, ['x.json'])).rejects.toThrow(message)
  })
})
