/** From flags, environment and file to a configuration: who wins, what is refused, and with which words. */

import { describe, expect, test } from 'bun:test'
import { type FlagTexts, type LoadedConfig, loadConfig, loadSettings } from '../../src/config/load.ts'
import { settings } from '../../src/config/schema.ts'
import { ConfigError } from '../../src/errors.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

interface Given {
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly flags?: FlagTexts
}

async function load({ files = {}, env = {}, flags = {} }: Given): Promise<LoadedConfig> {
  using directory = temporaryDirectory(files)
  return await loadConfig({
    flags,
    environment: { HOME: directory.path, ...env },
    directory: directory.path,
    terminal: false,
  })
}

/** The error, with the temporary path taken out. */
async function fault(given: Given): Promise<{ message: string; exitCode: number }> {
  const thrown = await load(given).then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!(thrown instanceof ConfigError)) throw new Error(`expected a ConfigError, got ${thrown}`)
  return { message: thrown.message, exitCode: thrown.exitCode }
}

const yaml = (text: string): Readonly<Record<string, string>> => ({ 'compozy.yaml': text })
/** Lists of ten aliases to the list before: a page of text that stands for 10 to the power of its lines. */
const multiplying = (lines: number): string =>
  Array.from({ length: lines }, (_, n) => `a${n + 1}: &a${n + 1} [${Array(10).fill(`*a${n}`)}]\n`).join('')
const portFile = yaml('mcp_proxy: { port: 3 }')

describe('precedence', () => {
  const rows: readonly (Given & { port: number; label: string; why: string })[] = [
    { why: 'nothing given', port: 6001, label: 'default' },
    { why: 'the file beats the default', files: portFile, port: 3, label: 'file compozy.yaml' },
    {
      why: 'the environment beats the file',
      files: portFile,
      env: { MCP_PROXY_PORT: '2' },
      port: 2,
      label: 'env MCP_PROXY_PORT',
    },
    {
      why: 'a flag beats them all',
      files: portFile,
      env: { MCP_PROXY_PORT: '2' },
      flags: { 'mcp-port': ['1'] },
      port: 1,
      label: 'flag --mcp-port',
    },
    {
      why: 'the last of a repeated flag counts',
      flags: { 'mcp-port': ['1', '2'] },
      port: 2,
      label: 'flag --mcp-port',
    },
    {
      why: 'an empty variable counts as unset',
      files: portFile,
      env: { MCP_PROXY_PORT: '' },
      port: 3,
      label: 'file compozy.yaml',
    },
    {
      why: '--config names the file',
      files: { ...portFile, 'other.toml': '[mcp_proxy]\nport = 4' },
      flags: { config: ['other.toml'] },
      port: 4,
      label: 'file other.toml',
    },
    {
      why: 'COMPOZY_CONFIG names the file',
      files: { ...portFile, 'other.json': '{"mcp_proxy": {"port": "5"}}' },
      env: { COMPOZY_CONFIG: 'other.json' },
      port: 5,
      label: 'file other.json',
    },
    {
      why: '--config beats COMPOZY_CONFIG',
      files: { ...portFile, 'other.jsonc': '{"mcp_proxy": {"port": 5, /* trailing comma */}}' },
      env: { COMPOZY_CONFIG: 'compozy.yaml' },
      flags: { config: ['other.jsonc'] },
      port: 5,
      label: 'file other.jsonc',
    },
    {
      why: 'a Kubernetes service link is not meant for us',
      files: portFile,
      env: { MCP_PROXY_PORT: 'tcp://10.0.0.1:6001' },
      port: 3,
      label: 'file compozy.yaml',
    },
  ]

  test.each([...rows])('$why', async ({ port, label, ...given }) => {
    const { config, origins } = await load(given)
    expect({ port: config.port, label: origins.get('port')?.label }).toEqual({ port, label })
  })

  test('every layer may give a different setting', async () => {
    const { config } = await load({
      files: yaml('mcp_proxy: { host: a, port: 1, timeouts: { lane_idle: 2s } }'),
      env: { MCP_PROXY_HOST: 'b', MCP_PROXY_TIMEOUTS_SESSION_IDLE: '3s' },
      flags: { 'mcp-base-url': ['http://c.example'] },
    })
    expect(config).toMatchObject({ host: 'b', port: 1, baseUrl: 'http://c.example' })
    expect(config.timeouts).toMatchObject({ laneIdleMs: 2000, sessionIdleMs: 3000 })
  })

  test('a list replaces the one below instead of adding to it', async () => {
    const files = yaml('mcp_proxy: { auth: { admin_tokens: [file1, file2] } }')
    const fromEnv = await load({ files, env: { MCP_PROXY_ADMIN_TOKENS: 'env1' } })
    expect(fromEnv.config.auth.adminTokens).toEqual(['env1'])
    const fromFlags = await load({
      files,
      env: { MCP_PROXY_ADMIN_TOKENS: 'env1' },
      flags: { 'mcp-admin-tokens': ['flag1,flag2', 'flag3'] },
    })
    expect(fromFlags.config.auth.adminTokens).toEqual(['flag1', 'flag2', 'flag3'])
  })

  test.each([
    { why: 'the flag', given: { flags: { debug: ['true'] } }, level: 'debug' },
    {
      why: 'the flag beside a level',
      given: { flags: { debug: ['true'], 'mcp-log-level': ['warn'] } },
      level: 'debug',
    },
    { why: 'the variable', given: { env: { MCP_PROXY_DEBUG: '1' } }, level: 'debug' },
    {
      why: 'a level flag against the variable',
      given: { env: { MCP_PROXY_DEBUG: 'true' }, flags: { 'mcp-log-level': ['warn'] } },
      level: 'warn',
    },
    { why: 'the flag switched off', given: { flags: { debug: ['false'] } }, level: 'info' },
  ])('debug: $why gives $level', async ({ given, level }) => {
    expect((await load(given)).config.logging.level as string).toBe(level)
  })
})

describe('variables that name files', () => {
  test('are read, without the line break at the end', async () => {
    const { config, origins } = await load({
      files: { 'secrets/tokens': 'one,two\nthree\n' },
      env: { MCP_PROXY_GLOBAL_AUTH_TOKENS_FILE: 'secrets/tokens' },
    })
    expect(config.auth.globalTokens).toEqual(['one', 'two', 'three'])
    expect(origins.get('auth.global_tokens')?.label).toBe('env MCP_PROXY_GLOBAL_AUTH_TOKENS_FILE')
  })

  test.each([
    {
      why: 'the file is missing',
      env: { MCP_PROXY_ADMIN_TOKENS_FILE: 'nope' },
      message: 'cannot read nope (named by MCP_PROXY_ADMIN_TOKENS_FILE): no such file',
    },
    {
      why: 'the file is empty, which must not become an open door',
      env: { MCP_PROXY_ADMIN_TOKENS_FILE: 'empty' },
      message: 'empty (named by MCP_PROXY_ADMIN_TOKENS_FILE) is empty',
    },
    {
      why: 'variable and twin contradict each other',
      env: { MCP_PROXY_ADMIN_TOKENS: 'a', MCP_PROXY_ADMIN_TOKENS_FILE: 'empty' },
      message: 'MCP_PROXY_ADMIN_TOKENS and MCP_PROXY_ADMIN_TOKENS_FILE are both set; keep one of them',
    },
    {
      why: 'the configuration itself is given where its path belongs',
      env: { COMPOZY_CONFIG_FILE: 'config' },
      message:
        'COMPOZY_CONFIG_FILE must lead to the path of a configuration; to name the file itself, set COMPOZY_CONFIG',
    },
  ])('are refused when $why', async ({ env, message }) => {
    expect(await fault({ files: { empty: '\n', config: 'mcp_proxy:\n  port: 1\n' }, env })).toEqual({
      message,
      exitCode: 1,
    })
  })
})

describe('references in the file', () => {
  const host = (value: string): Readonly<Record<string, string>> => yaml(`mcp_proxy: { host: "${value}" }`)

  test.each([
    { why: 'a variable', value: '$' + '{NAME}.example', expected: 'value.example' },
    { why: 'a default', value: '$' + '{UNSET:-fallback}', expected: 'fallback' },
    { why: 'a default for an empty variable', value: '$' + '{EMPTY:-fallback}', expected: 'fallback' },
    { why: 'no default when there is a value', value: '$' + '{NAME:-fallback}', expected: 'value' },
  ])('$why', async ({ value, expected }) => {
    const { config } = await load({ files: host(value), env: { NAME: 'value', EMPTY: '' } })
    expect(config.host).toBe(expected)
  })

  test('a doubled dollar sign, other dollar signs and what a variable holds stay as they are', async () => {
    const args = ['$$' + '{NAME}', '$NAME', '$' + '{not-a-name}', '$' + '{OUTER}']
    const { config } = await load({
      files: yaml(`mcps: [{ name: a, transport: stdio, command: x, args: ${JSON.stringify(args)} }]`),
      env: { NAME: 'value', OUTER: '$' + '{NAME}' },
    })
    expect(config.servers[0]?.args).toEqual(['$' + '{NAME}', '$NAME', '$' + '{not-a-name}', '$' + '{NAME}'])
  })

  test('a variable without value or default is named with its key', async () => {
    expect(await fault({ files: host('$' + '{UNSET}') })).toEqual({
      message:
        'compozy.yaml: mcp_proxy.host: the environment variable UNSET is not set; set it or write $' +
        '{UNSET:-default}',
      exitCode: 1,
    })
  })

  test('parts of the file that belong to others are not looked at', async () => {
    const { config } = await load({
      files: yaml('x-agents: { key: "$' + '{UNSET}" }\n$schema: s\nmcp_proxy: { port: 1 }'),
    })
    expect(config.port).toBe(1)
  })
})

describe('what is refused', () => {
  const rows: readonly (Given & { why: string; message: string; exitCode?: number })[] = [
    {
      why: 'a bad flag value',
      flags: { 'mcp-port': ['abc'] },
      message: '--mcp-port must be a whole number from 0 to 65535, got "abc"',
      exitCode: 2,
    },
    {
      why: 'a port out of range',
      flags: { 'mcp-port': ['70000'] },
      message: '--mcp-port must be a whole number from 0 to 65535, got "70000"',
      exitCode: 2,
    },
    {
      why: 'a bad variable',
      env: { MCP_PROXY_SHUTDOWN_TIMEOUT: 'soon' },
      message:
        'MCP_PROXY_SHUTDOWN_TIMEOUT must be a duration such as 10s, 500ms or 1h30m, from 0s to 1h, got "soon"',
    },
    {
      why: 'a bad value in the file',
      files: yaml('mcp_proxy: { logging: { level: loud } }'),
      message:
        'compozy.yaml: mcp_proxy.logging.level must be one of debug, info, warn, error, silent, got "loud"',
    },
    {
      why: 'a bad value even where a flag wins over the bad layer would hide it',
      flags: { 'mcp-admin-tokens': [''] },
      message: '--mcp-admin-tokens entry 1 is empty',
      exitCode: 2,
    },
    {
      why: 'an unknown key with a neighbour',
      files: yaml('mcp_proxy: { prot: 1 }'),
      message: 'compozy.yaml: unknown key mcp_proxy.prot; did you mean port?',
    },
    {
      why: 'an unknown key deeper down',
      files: yaml('mcp_proxy: { auth: { admin_token: [a] } }'),
      message: 'compozy.yaml: unknown key mcp_proxy.auth.admin_token; did you mean admin_tokens?',
    },
    {
      why: 'a key in the wrong group',
      files: yaml('mcp_proxy: { security: { admin_allow_ips: [] } }'),
      message:
        'compozy.yaml: unknown key mcp_proxy.security.admin_allow_ips; did you mean mcp_proxy.auth.admin_allow_ips?',
    },
    {
      why: 'an unknown key without a neighbour',
      files: yaml('mcp_proxy: { logging: { colour: red } }'),
      message: 'compozy.yaml: unknown key mcp_proxy.logging.colour; known here: level, format, file',
    },
    {
      why: 'a value where a group belongs',
      files: yaml('mcp_proxy: { auth: secret }'),
      message:
        'compozy.yaml: mcp_proxy.auth must be a map with the keys global_tokens, admin_tokens, admin_allow_ips, keys, oauth',
    },
    {
      why: 'broken YAML',
      files: yaml('mcp_proxy:\n  host: "a\n'),
      message: 'compozy.yaml:3:1: deficient indentation',
    },
    {
      why: 'a key given twice',
      files: yaml('mcp_proxy:\n  port: 1\n  port: 2\n'),
      message: 'compozy.yaml:3:3: duplicated mapping key',
    },
    {
      why: 'a secret that YAML takes for an alias',
      files: yaml('mcp_proxy:\n  auth: { admin_tokens: [*swordfish] }\n'),
      message: 'compozy.yaml:2:27: unidentified alias; quote a value that begins with *',
    },
    {
      why: 'a secret that YAML takes for a tag',
      files: yaml('mcp_proxy:\n  auth: { admin_tokens: [!swordfish] }\n'),
      message: 'compozy.yaml:2:26: unknown scalar tag; quote a value that begins with !',
    },
    {
      why: 'aliases that unfold without end',
      files: yaml(`a0: &a0 [x]\n${multiplying(30)}`),
      message: 'compozy.yaml:1:1: the aliases of the file unfold into more than 1000000 values',
    },
    {
      why: 'an alias inside itself',
      files: yaml('mcps: &all [*all]'),
      message: 'compozy.yaml:1:1: the aliases of the file unfold into more than 1000000 values',
    },
    {
      why: 'broken JSON',
      files: { 'a.json': '{\n  "mcp_proxy": {"port": 1,}\n}' },
      flags: { config: ['a.json'] },
      message: 'a.json:2:27: expected a key in double quotes, found "}"',
    },
    {
      why: 'broken TOML',
      files: { 'a.toml': '[mcp_proxy]\nport = = 1' },
      flags: { config: ['a.toml'] },
      message: 'a.toml:2:8: invalid value',
    },
    {
      why: 'a list at the top',
      files: yaml('- a'),
      message: 'compozy.yaml:1:1: the file must hold a map of keys',
    },
    {
      why: 'a missing file',
      flags: { config: ['nope.yaml'] },
      message: 'cannot read nope.yaml: no such file',
    },
    {
      why: 'a directory',
      files: { 'dir/x': '' },
      flags: { config: ['dir'] },
      message: 'dir is a directory, not a file',
    },
    {
      why: 'a program, which is never run',
      files: { 'a.ts': 'process.exit(7)' },
      flags: { config: ['a.ts'] },
      message: 'a.ts: a configuration file ends in .yaml, .yml, .json, .jsonc or .toml',
    },
  ]

  test.each([...rows])('$why', async ({ message, exitCode = 1, ...given }) => {
    expect(await fault(given)).toEqual({ message, exitCode })
  })

  test('no message holds a secret or a line break', async () => {
    const { message } = await fault({ env: { MCP_PROXY_ADMIN_TOKENS: 'good,very secret' } })
    expect(message).toBe(
      'MCP_PROXY_ADMIN_TOKENS entry 2 must be printable ASCII without spaces, at most 4096 characters',
    )
  })
})

describe('faults', () => {
  test('are all told at once, each a line of its own', async () => {
    const { message, exitCode } = await fault({
      files: yaml(`
mcp_proxy:
  prot: 1
  host: "$\{NO_HOST}"
  logging: { level: loud }
mcps:
  - { name: a, transport: stdio, comand: x, env: { K: "$\{NO_KEY}" } }
  - { name: b, transport: stdio, command: y, allowedIPs: [lan] }
mcpServers: { b: { command: z }, c: {} }
auth: {}
`),
      env: { MCP_PROXY_SHUTDOWN_TIMEOUT: 'soon', MCP_PROXY_GLOBAL_AUTH_TOKEN: 'a' },
    })
    expect(exitCode).toBe(1)
    expect(
      message
        .split('; ')
        .join(';')
        .split(/;(?=compozy\.yaml|MCP)/),
    ).toEqual([
      'MCP_PROXY_GLOBAL_AUTH_TOKEN is not a known variable;did you mean MCP_PROXY_GLOBAL_AUTH_TOKENS?',
      'compozy.yaml: auth stands at the top;it belongs under mcp_proxy: mcp_proxy.auth',
      'compozy.yaml: unknown key mcp_proxy.prot;did you mean port?',
      'MCP_PROXY_SHUTDOWN_TIMEOUT must be a duration such as 10s, 500ms or 1h30m, from 0s to 1h, got "soon"',
      'compozy.yaml: mcp_proxy.logging.level must be one of debug, info, warn, error, silent, got "loud"',
      'compozy.yaml: mcps[0].comand is not a known field;did you mean command?',
      'compozy.yaml: mcps[1].allowedIPs[0] is wrong: not an IP address or CIDR block, such as 10.0.0.0/8 or ::1',
      'compozy.yaml: mcpServers.c needs a command or a url',
      'compozy.yaml: mcp_proxy.host: the environment variable NO_HOST is not set;set it or write ${NO_HOST:-default}',
      'compozy.yaml: mcps[0].env.K: the environment variable NO_KEY is not set;set it or write ${NO_KEY:-default}',
    ])
  })

  test('of a flag among them make the exit code that of the command line', async () => {
    const given = { files: yaml('mcp_proxy: { prot: 1 }'), flags: { 'mcp-port': ['x'] } }
    expect((await fault(given)).exitCode).toBe(2)
  })

  test('are counted beyond twenty, and long ones are cut', async () => {
    const keys = Array.from({ length: 1000 }, (_, index) => `key${index}: 1`)
    const { message } = await fault({ files: yaml(`${keys.join('\n')}\n${'k'.repeat(100_000)}: 1`) })
    expect(message.length).toBeLessThan(21_000)
    expect(message).toEndWith('; and 981 more')
  })

  test.each([
    { why: 'keys at the top', line: (index: number) => `admin_tokenz${index}: 1` },
    { why: 'keys of settings', line: (index: number) => `  admin_tokenz${index}: 1`, root: 'mcp_proxy:' },
    { why: 'servers', line: () => '- {nam: x, comand: y, transprt: z}', root: 'mcps:' },
  ])('in a file of nothing else cost no more than those that are told: $why', async ({ line, root = '' }) => {
    const lines = Array.from({ length: 20_000 }, (_, index) => line(index))
    const begunMs = performance.now()
    const { message } = await fault({ files: yaml(`${root}\n${lines.join('\n')}`) })
    expect(message).toMatch(/; and (19980 )?more$/)
    // Looking for the near name of each would take ten seconds and more.
    expect(performance.now() - begunMs).toBeLessThan(4_000)
  })
})

describe('a command that needs only some settings', () => {
  const sources = (directory: string) => ({ flags: {}, environment: {}, directory, terminal: false })

  test('reads those, and needs no variable of a server or of another setting', async () => {
    using directory = temporaryDirectory(
      yaml(`
mcp_proxy: { port: 7001, auth: { admin_tokens: [a1], global_tokens: ["$\{UNSET}"] }, logging: { level: loud } }
mcps: [{ name: a, transport: sse, url: "$\{UNSET}" }, { name: a }]
`),
    )
    const { picked } = await loadSettings(sources(directory.path), (value) => ({
      port: value(settings.port),
      tokens: value(settings.auth.adminTokens),
    }))
    expect(picked).toEqual({ port: 7001, tokens: ['a1'] })
    const others = loadSettings(sources(directory.path), (value) => value(settings.auth.globalTokens))
    await expect(others).rejects.toThrow('global_tokens[0]: the environment variable UNSET is not set')
  })

  test('is still told of a name that is not known: the setting that it needs may be under it', async () => {
    using directory = temporaryDirectory(yaml('mcp_proxy: { prot: 7001 }'))
    const read = loadSettings(sources(directory.path), (value) => value(settings.port))
    await expect(read).rejects.toThrow('unknown key mcp_proxy.prot; did you mean port?')
  })
})

describe('what is passed over', () => {
  test('an empty file, an empty group and a key without a value', async () => {
    const { config } = await load({
      files: yaml('mcp_proxy:\n  logging:\n  base_url:\n  limits: { rate: }\n'),
    })
    expect(config).toMatchObject({ port: 6001, baseUrl: null })
    expect((await load({ files: yaml('# nothing\n\n  # yet') })).config.port).toBe(6001)
    expect((await load({ files: yaml('') })).config.port).toBe(6001)
  })

  test('.env, package.json and rc files, which other loaders would read', async () => {
    const { config } = await load({
      files: {
        ...yaml('mcp_proxy: {}'),
        '.env': 'MCP_PROXY_PORT=2',
        'package.json': '{"config": {"mcp_proxy": {"port": 3}}}',
        '.configrc': 'mcp_proxy.port=4',
        'config.ts': 'process.exit(7)',
      },
    })
    expect(config.port).toBe(6001)
  })
})
