/** Files of TBXark's proxy: what their keys mean here, and which are refused with a pointer to the page that maps them. */
import { describe, expect, test } from 'bun:test'
import { type LoadedConfig, loadConfig } from '../../src/config/load.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

async function load(file: object): Promise<LoadedConfig> {
  using directory = temporaryDirectory({ 'config.json': JSON.stringify(file) })
  return await loadConfig({
    flags: { config: ['config.json'] },
    environment: { HOME: directory.path, TOKEN: 'from-outside' },
    directory: directory.path,
    terminal: false,
  })
}

const proxy = (fields: object = {}) => ({ mcpProxy: { addr: ':9090', ...fields } })
const withServer = (server: object, options: object = {}) => ({
  ...proxy({ options }),
  mcpServers: { a: server },
})

describe('a file of TBXark’s proxy', () => {
  test('is read as it stands in its manual', async () => {
    const { config, warnings, origins } = await load({
      mcpProxy: {
        baseURL: 'https://mcp.example.com/tools/',
        addr: ':9090',
        name: 'MCP Proxy',
        version: '1.0.0',
        type: 'streamable-http',
        options: { panicIfInvalid: false, logEnabled: true, authTokens: ['DefaultToken', '${TOKEN}'] },
      },
      mcpServers: {
        github: {
          command: 'npx',
          args: ['-y', '@modelcontextprotocol/server-github'],
          env: { GITHUB_PERSONAL_ACCESS_TOKEN: '<YOUR_TOKEN>' },
          options: { toolFilter: { mode: 'Block', list: ['create_or_update_file'] } },
        },
        fetch: {
          command: 'uvx',
          args: ['mcp-server-fetch'],
          options: { panicIfInvalid: true, logEnabled: false, authTokens: ['SpecificToken'] },
        },
        docs: {
          url: 'https://docs.example.com/mcp',
          transportType: 'streamable-http',
          timeout: 30_000_000_000,
        },
        old: { url: 'https://old.example.com/sse' },
        amap: { url: 'https://mcp.amap.com/sse?key=<YOUR_TOKEN>', options: { disabled: true } },
      },
    })
    expect(config).toMatchObject({
      host: '0.0.0.0',
      port: 9090,
      baseUrl: 'https://mcp.example.com/tools',
      auth: { globalTokens: ['DefaultToken', 'from-outside'], adminTokens: [] },
    })
    expect(origins.get('auth.global_tokens')?.label).toBe('file config.json')
    expect(config.servers.map(({ name }) => name)).toEqual(['github', 'fetch', 'docs', 'old'])
    const [github, fetch, docs, old] = config.servers
    expect(github).toMatchObject({
      transport: 'stdio',
      logEnabled: true,
      authTokens: [],
      authTokensOnly: false,
      toolFilter: { mode: 'block', list: ['create_or_update_file'] },
    })
    expect(fetch).toMatchObject({ logEnabled: false, authTokens: ['SpecificToken'], authTokensOnly: true })
    expect(docs).toMatchObject({ transport: 'streamable-http', timeoutMs: 30_000 })
    expect(old).toMatchObject({ transport: 'sse' })
    expect(old).not.toHaveProperty('transportGuessed')
    expect(warnings).toEqual([
      expect.stringContaining('mcpServers.fetch: panicIfInvalid is passed over'),
      // A token of a manual, which many have left as it stands.
      expect.stringContaining('auth.global_tokens entry 1 is a word that is tried first'),
    ])
  })

  test('without tokens, an address or servers is the smallest one', async () => {
    const { config } = await load({ mcpProxy: { options: { authTokens: [] } } })
    expect(config).toMatchObject({ host: '127.0.0.1', port: 6001, servers: [] })
  })

  test.each([
    { addr: '127.0.0.1:8080', host: '127.0.0.1', port: 8080 },
    { addr: '[::1]:8080', host: '::1', port: 8080 },
    { addr: 'localhost:', host: 'localhost', port: 6001 },
  ])('listens on $addr as it says', async ({ addr, host, port }) => {
    const read = load(proxy({ addr }))
    // Without a port there is none to listen on, and none is made up.
    if (addr.endsWith(':')) await expect(read).resolves.toMatchObject({ config: { host, port } })
    else expect((await read).config).toMatchObject({ host, port })
  })

  test.each<{ why: string; file: object; message: string }>([
    {
      why: 'people who sign in',
      file: proxy({ options: { oauth2: { enabled: true, users: { admin: 'swordfish' } } } }),
      message:
        'config.json: mcpProxy.options.oauth2 signs people in, which this gateway cannot do in its place; use authTokens (docs/MIGRATION.md)',
    },
    {
      why: 'a switch in words, which would leave a server on',
      file: withServer({ command: 'x', options: { disabled: 'yes' } }),
      message: 'config.json: mcpServers.a.options.disabled must be true or false',
    },
    {
      why: 'a server that is open beside others with tokens',
      file: withServer({ command: 'x', options: { authTokens: [] } }, { authTokens: ['a'] }),
      message:
        'config.json: mcpServers.a.options.authTokens is empty, which opens this server to everybody beside others with tokens; leave it out, or name tokens (docs/MIGRATION.md)',
    },
    {
      why: 'a filter that hides nothing',
      file: withServer({ command: 'x', options: { toolFilter: { list: ['rm'] } } }),
      message:
        'config.json: mcpServers.a.options.toolFilter needs a mode and a list with tools in it; without them it hides nothing (docs/MIGRATION.md)',
    },
    {
      why: 'a filter where it has no effect',
      file: proxy({ options: { toolFilter: { mode: 'block', list: ['rm'] } } }),
      message:
        'config.json: mcpProxy.options.toolFilter has no effect there either; put it under options of each server (docs/MIGRATION.md)',
    },
    {
      why: 'a variable in the form that is not replaced here',
      file: withServer({ command: 'x', env: { KEY: 'a $TOKEN' } }),
      message:
        'config.json: mcpServers.a.env.KEY: $TOKEN is not replaced here; write ${TOKEN} (docs/MIGRATION.md)',
    },
    {
      why: 'a mistyped option',
      file: proxy({ options: { authToken: ['a'] } }),
      message:
        'config.json: unknown key mcpProxy.options.authToken; did you mean authTokens? (docs/MIGRATION.md)',
    },
    {
      why: 'a token in the wrong place',
      file: proxy({ authTokens: ['a'] }),
      message:
        'config.json: unknown key mcpProxy.authTokens; known here: baseURL, addr, name, version, type, options (docs/MIGRATION.md)',
    },
    {
      why: 'settings of ours under their mark',
      file: { mcpProxy: { auth: { global_tokens: ['a'] } } },
      message:
        "config.json: unknown key mcpProxy.auth; the settings of this gateway stand under mcp_proxy, and mcpProxy is the mark of TBXark's proxy (docs/MIGRATION.md)",
    },
    {
      why: 'an address that is none',
      file: proxy({ addr: 9090 }),
      message: 'config.json: mcpProxy.addr must be HOST:PORT or :PORT',
    },
    {
      why: 'tokens that are no list',
      file: proxy({ options: { authTokens: { a: 'b' } } }),
      message: 'config.json: mcpProxy.options.authTokens must be a list of tokens',
    },
    {
      why: 'tokens of one server that are no list',
      file: withServer({ command: 'x', options: { authTokens: 'a' } }),
      message: 'config.json: mcpServers.a.authTokens must be a list of at most 64 strings',
    },
    {
      why: 'a time-out in seconds',
      file: withServer({ url: 'https://x.example', timeout: 30 }),
      message: 'config.json: mcpServers.a.timeout must be between 1ms and 24h',
    },
    {
      why: 'settings of both kinds',
      file: { ...proxy(), mcp_proxy: { auth: { admin_tokens: ['a'] } } },
      message:
        "config.json: mcp_proxy cannot stand beside mcpProxy, the mark of a file of TBXark's proxy; keep one of the two (docs/MIGRATION.md)",
    },
    {
      why: 'an older form of it',
      file: { server: { addr: ':9090', globalAuthTokens: ['a'] }, clients: {} },
      message:
        "config.json: server is of an older file of TBXark's proxy, which is not read; docs/MIGRATION.md says what each key is here; config.json: clients is of an older file of TBXark's proxy, which is not read; docs/MIGRATION.md says what each key is here",
    },
  ])('is refused for $why', async ({ file, message }) => {
    const thrown = await load(file).then(
      () => null,
      (reason: unknown) => reason,
    )
    expect(thrown).toMatchObject({ message, exitCode: 1 })
  })
})
