/** `compozy config print`: each value, where it came from, and no secret. */
import { describe, expect, test } from 'bun:test'
import { namedSettings } from '../../src/config/shape.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { runCommand } from './run-command.ts'

const file = `
mcp_proxy:
  host: file.example
  auth: { global_tokens: [canary-file-token] }
  logging: { level: warn }
mcps:
  - name: files
    transport: stdio
    command: npx
    args: [--api-key, canary-argument, ./workspace]
    env: { KEY: canary-environment }
  - { name: docs, transport: sse, url: "https://user:canary-password@example.com/?key=canary-query" }
`

async function print(...args: readonly string[]): Promise<string> {
  using directory = temporaryDirectory({ 'compozy.yaml': file, secret: 'canary-secret-file' })
  const { exitCode, stdout, stderr } = await runCommand(['config', 'print', ...args], {
    via: 'executable',
    cwd: directory.path,
    env: { MCP_PROXY_LOG_FORMAT: 'pretty', MCP_PROXY_ADMIN_TOKENS_FILE: 'secret' },
  })
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  return stdout
}

function cells(text: string, key: string): string[] {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`mcp_proxy.${key} `)) ?? ''
  return line.split(/ {2,}/).slice(1)
}

describe('config print', () => {
  test('names the layer of each value', async () => {
    const text = await print('--mcp-port', '7001')
    expect({
      host: cells(text, 'host'),
      port: cells(text, 'port'),
      level: cells(text, 'logging.level'),
      format: cells(text, 'logging.format'),
      sessions: cells(text, 'limits.sessions_max'),
      idle: cells(text, 'timeouts.session_idle'),
      body: cells(text, 'limits.body_bytes_max'),
    }).toEqual({
      host: ['file.example', 'file compozy.yaml'],
      port: ['7001', 'flag --mcp-port'],
      level: ['warn', 'file compozy.yaml'],
      format: ['pretty', 'env MCP_PROXY_LOG_FORMAT'],
      sessions: ['10000', 'default'],
      idle: ['30m', 'default'],
      body: ['4MiB', 'default'],
    })
  })

  test('shows every setting, and the base URL that would be used', async () => {
    const text = await print()
    expect(namedSettings.filter(({ key }) => cells(text, key).length < 2).map(({ key }) => key)).toEqual([])
    expect(cells(text, 'base_url')).toEqual(['http://file.example:6001', 'default'])
  })

  test.each([{ args: [] }, { args: ['--json'] }])('masks every secret ($args)', async ({ args }) => {
    const text = await print('--mcp-admin-tokens', 'canary-flag', ...args)
    expect(text).not.toContain('canary')
    expect(text).toContain('***')
    expect(text).toContain('./workspace')
  })

  test('names the file of a secret without showing what is in it', async () => {
    expect(cells(await print(), 'auth.admin_tokens')).toEqual(['***', 'env MCP_PROXY_ADMIN_TOKENS_FILE'])
  })

  test('lists the servers with their place in the file', async () => {
    const text = await print()
    expect(text).toMatch(/^files +stdio: npx .* file compozy\.yaml: mcps\[0\]$/m)
  })

  test.each([{ args: [] }, { args: ['--json'] }])(
    'shows what is not set instead of failing ($args)',
    async ({ args }) => {
      using directory = temporaryDirectory({
        'compozy.yaml': `
mcp_proxy: { auth: { admin_tokens: ["$\{NO_TOKEN}"] }, port: "$\{NO_PORT}" }
mcps:
  - { name: docs, transport: sse, url: "$\{NO_URL}", headers: { A: "Bearer $\{NO_TOKEN}" } }
  - { name: files, transport: stdio, command: npx }
`,
      })
      const { exitCode, stdout, stderr } = await runCommand(['config', 'print', ...args], {
        via: 'executable',
        cwd: directory.path,
      })
      expect(exitCode).toBe(0)
      expect(stderr).toBe(
        'compozy: warning: not set, and the gateway does not start without: NO_PORT, NO_TOKEN, NO_URL\n',
      )
      if (args.length > 0) {
        const printed = JSON.parse(stdout)
        expect(printed.mcp_proxy['auth.admin_tokens']).toMatchObject({ value: null, unset: ['NO_TOKEN'] })
        expect(printed.servers[0]).toMatchObject({ name: 'docs', unset: ['NO_URL', 'NO_TOKEN'] })
        expect(printed.servers[1].definition.name).toBe('files')
      } else {
        expect(cells(stdout, 'port')).toEqual(['(not set: NO_PORT)', 'file compozy.yaml'])
        expect(stdout).toMatch(/^docs +\(not set: NO_URL, NO_TOKEN\) +file compozy\.yaml: mcps\[0\]$/m)
      }
    },
  )

  test('--json gives value, layer and origin for programs', async () => {
    const printed = JSON.parse(await print('--json', '--mcp-port', '7001'))
    expect(printed.mcp_proxy.port).toEqual({ value: 7001, layer: 'flag', origin: 'flag --mcp-port' })
    expect(printed.mcp_proxy['timeouts.session_idle']).toEqual({
      value: '30m',
      layer: 'default',
      origin: 'default',
    })
    expect(printed.servers[1].origin).toBe('file compozy.yaml: mcps[1]')
    expect(Object.keys(printed.mcp_proxy)).toEqual(namedSettings.map(({ key }) => key))
  })
})
