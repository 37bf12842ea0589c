/** Secrets that a configuration file refers to: where references may stand, and what is said where they may not. */
import { describe, expect, test } from 'bun:test'
import { findConfig, type LoadedConfig, loadConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/errors.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const secrets = { 'run/token': 'token-canary\n', 'run/two': 'line\nline\n', 'run/empty': '' }

/** Loads a file with these settings and one server over HTTP with these fields. */
async function load(
  settings: string,
  server = '',
  env: Readonly<Record<string, string>> = {},
): Promise<LoadedConfig> {
  const text = `mcp_proxy: {${settings}}\nmcps: [{ name: web, transport: streamable-http, url: "https://a.example/x", ${server} }]\n`
  using directory = temporaryDirectory({ ...secrets, 'compozy.yaml': text })
  const environment = { HOME: directory.path, ...env }
  const sources = { flags: {}, environment, directory: directory.path, terminal: false }
  return await loadConfig(sources).catch((thrown: unknown) => {
    if (!(thrown instanceof ConfigError)) throw thrown
    expect(thrown.message).not.toContain('canary')
    throw new ConfigError(thrown.message.replaceAll(directory.path, 'DIR'))
  })
}

describe('a reference in a configuration file', () => {
  test.each([
    {
      why: 'a header, beside the file',
      server: 'headers: { A: "Bearer ${file:run/token}" }',
      value: 'Bearer token-canary',
    },
    {
      why: 'a variable within the path',
      server: 'headers: { A: "${file:${RUN}/token}" }',
      value: 'token-canary',
    },
    { why: 'what is escaped', server: 'headers: { A: "$${file:run/token}" }', value: '${file:run/token}' },
    { why: 'what a variable holds', server: 'headers: { A: "${EVIL}" }', value: '${file:run/token}' },
    { why: 'a command', server: 'headers: { A: "${exec:printf abc}" }', value: 'abc' },
  ])('is replaced: $why', async ({ server, value }) => {
    const env = { RUN: 'run', EVIL: '${file:run/token}' }
    const { config } = await load('secrets: { exec: on }', server, env)
    expect(config.servers[0]?.headers['A']).toBe(value)
  })

  test('is replaced in tokens, and in lists of them', async () => {
    const { config, secrets: again } = await load(
      'auth: { global_tokens: ["${file:run/token}", other-token-1] }',
    )
    expect(config.auth.globalTokens).toEqual(['token-canary', 'other-token-1'])
    expect(again?.files).toHaveLength(1)
    const { config: kept, faults } = again?.again(config) ?? { config: null, faults: [] }
    expect(kept?.auth.globalTokens).toEqual(['token-canary', 'other-token-1'])
    expect(faults.join()).toContain('there is no such file')
  })

  const place = 'compozy.yaml: mcps[0]'
  test.each([
    {
      why: 'no such file',
      server: 'headers: { A: "${file:run/none}" }',
      says: `${place}.headers.A cannot read DIR/run/none: there is no such file; mount it, or correct the path`,
    },
    {
      why: 'an empty file',
      server: 'headers: { A: "${file:run/empty}" }',
      says: `${place}.headers.A the file DIR/run/empty is empty; write the secret into it`,
    },
    {
      why: 'two lines in a header',
      server: 'headers: { A: "${file:run/two}" }',
      says: `${place}.headers.A must not contain line breaks or NUL (what its file holds)`,
    },
    {
      why: 'commands are off',
      server: 'headers: { A: "${exec:printf canary}" }',
      says: `${place}.headers.A holds \${exec:…}, and secrets.exec is off; set it to on, or use \${file:…}`,
    },
    {
      why: 'a field that is shown',
      server: 'description: "${file:run/token}"',
      says: `${place}.description cannot hold a reference to a secret; env, headers, args, url and authTokens can`,
    },
    {
      why: 'a setting that is no secret',
      settings: 'base_url: "${file:run/token}"',
      says: 'compozy.yaml: mcp_proxy.base_url cannot hold ${file:…}, which works in tokens and other secrets; name the file in MCP_PROXY_BASE_URL_FILE instead',
    },
    {
      why: 'a token that is missing',
      settings: 'auth: { admin_tokens: ["${file:run/none}"] }',
      says: 'compozy.yaml: mcp_proxy.auth.admin_tokens cannot read DIR/run/none: there is no such file; mount it, or correct the path',
    },
    {
      why: 'a command in a setting',
      settings: 'secrets: { exec: on }, auth: { admin_tokens: ["${exec:printf canary}"] }',
      says: 'compozy.yaml: mcp_proxy.auth.admin_tokens holds ${exec:…}, which works in servers only; use ${file:…} here',
    },
    {
      why: 'a directory that is none',
      settings: 'secrets: { dirs: [/run/../etc] }',
      says: 'compozy.yaml: mcp_proxy.secrets.dirs entry 1 ("/run/../etc") is no absolute path of a directory, without . and .., other than /',
    },
  ])('is refused: $why', async ({ settings = '', server = '', says }) => {
    const thrown = await load(settings, server).then(
      () => null,
      (reason: unknown) => reason,
    )
    expect(String(thrown)).toBe(`ConfigError: ${says}`)
  })

  test('is not run by whoever only looks at the configuration', async () => {
    using directory = temporaryDirectory({
      'compozy.yaml':
        'mcp_proxy: { secrets: { exec: on } }\nmcps: [{ name: a, transport: stdio, command: x, env: { A: "${exec:touch ran}" } }]',
    })
    const sources = {
      flags: {},
      environment: { HOME: directory.path },
      directory: directory.path,
      terminal: false,
    }
    const { config } = await findConfig(sources)
    expect(config?.servers[0]?.env).toEqual({ A: '${exec:touch ran}' })
    expect(await Bun.file(`${directory.path}/ran`).exists()).toBe(false)
  })
})
