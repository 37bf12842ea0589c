/** The published JSON schema: made from the sources, and says of files what the gateway says. */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Ajv from 'ajv'
import { schemaText } from '../../scripts/configuration-schema.ts'
import { initialOf, namedSettings } from '../../src/config/shape.ts'
import { repository } from '../support/gateway.ts'

const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(JSON.parse(schemaText()))

function accepts(value: unknown): boolean {
  return validate(value) as boolean
}

const textAt = (path: string): string => readFileSync(join(repository, path), 'utf8')
const server = (fields: object) => ({ mcps: [{ name: 'a', transport: 'stdio', command: 'x', ...fields }] })

describe('it takes', () => {
  test.each(['compozy.yaml', 'examples/compozy.yaml', 'deploy/compose/compozy.yaml'])('%s', (path) => {
    expect(accepts(Bun.YAML.parse(textAt(path)))).toBe(true)
    expect(validate.errors ?? []).toEqual([])
  })

  test('the example of the published reference', () => {
    const [, text = ''] =
      /# compozy\.yaml\n([\s\S]*?)Security Considerations/.exec(
        textAt('docs/reference/mcp-proxy-commands.txt'),
      ) ?? []
    // The page has lost its indentation; its keys and values are the ones below.
    expect(text).toContain('global_tokens')
    const mcp_proxy = {
      host: '0.0.0.0',
      port: '6001',
      base_url: 'http://localhost:6001',
      auth: {
        global_tokens: ['your-auth-token'],
        admin_tokens: ['admin-secret'],
        admin_allow_ips: ['192.168.1.0/24'],
      },
      security: { trusted_proxies: ['10.0.0.0/8'] },
      logging: { level: 'info', format: 'json' },
    }
    expect(accepts({ mcp_proxy })).toBe(true)
  })

  test('the default of every setting, as it is shown', () => {
    const machine = { stateDirectory: '/var/lib/compozy', terminal: false }
    const refused = namedSettings.filter(({ key, setting }) => {
      const initial = initialOf(setting, machine)
      const text = setting.kind.show(initial as never)
      const value = setting.kind.hint === 'json' ? initial : text
      if (text === '') return false
      const tree = key.split('.').reduceRight<unknown>((below, name) => ({ [name]: below }), value)
      return !accepts({ mcp_proxy: tree })
    })
    expect(refused.map(({ key }) => key)).toEqual([])
  })

  test.each([
    { why: 'nothing', file: null },
    { why: 'keys for others', file: { $schema: 'x', 'x-common': { a: 1 }, mcp_proxy: null } },
    {
      why: 'references wherever a value stands',
      file: { mcp_proxy: { port: '${PORT:-6001}', auth: { admin_tokens: ['${A}'] } } },
    },
    {
      why: 'numbers and truths as texts',
      file: server({ env: { PORT: 3000, DEBUG: true }, args: ['-p', 3000] }),
    },
    {
      why: 'another name of a transport',
      file: { mcps: [{ name: 'a', transport: 'http', url: 'https://a.example' }] },
    },
    { why: 'a group', file: { mcps: [{ name: 'g', transport: 'group', members: [{ all: true }] }] } },
    {
      why: 'doors of a server',
      file: server({ authTokens: ['t'], authTokensOnly: true, allowedIPs: ['::1'], requireAuth: true }),
    },
    {
      why: 'the map of desktop clients',
      file: {
        mcpServers: {
          a: { command: 'npx', args: [], disabled: true, autoApprove: ['x'] },
          b: { type: 'http', url: 'u' },
        },
      },
    },
  ])('$why', ({ file }) => {
    expect(accepts(file)).toBe(true)
  })
})

describe('it refuses', () => {
  test.each([
    { why: 'a key at the top that belongs below', file: { auth: { admin_tokens: ['a'] } } },
    { why: 'a mistyped root', file: { 'mcp-proxy': { port: 1 } } },
    { why: 'a mistyped key', file: { mcp_proxy: { auth: { admin_token: ['a'] } } } },
    { why: 'a key in the wrong group', file: { mcp_proxy: { security: { host: '0.0.0.0' } } } },
    { why: 'tokens as a map', file: { mcp_proxy: { auth: { global_tokens: { a: 'b' } } } } },
    { why: 'a token that is a number', file: { mcp_proxy: { auth: { global_tokens: [123] } } } },
    { why: 'tokens without a value', file: { mcp_proxy: { auth: { admin_tokens: null } } } },
    { why: 'a port out of range', file: { mcp_proxy: { port: 70_000 } } },
    { why: 'a word that is no level', file: { mcp_proxy: { logging: { level: 'loud' } } } },
    { why: 'a duration without a unit in a text', file: { mcp_proxy: { shutdown_timeout: 'soon' } } },
    { why: 'a size that is none', file: { mcp_proxy: { limits: { body_bytes_max: '4 lumps' } } } },
    { why: 'servers as a map under mcps', file: { mcps: { a: { command: 'x' } } } },
    { why: 'a server without a name', file: { mcps: [{ transport: 'stdio', command: 'x' }] } },
    { why: 'a field that is none', file: server({ allowed_ips: ['::1'] }) },
    { why: 'a list that is a text', file: server({ allowedIPs: '10.0.0.0/8' }) },
    { why: 'a truth in words', file: server({ requireAuth: 'yes' }) },
    { why: 'a list of maps in env', file: server({ env: [{ name: 'A', value: 'b' }] }) },
    { why: 'an unknown field in the map', file: { mcpServers: { a: { comand: 'x' } } } },
  ])('$why', ({ file }) => {
    expect(accepts(file)).toBe(false)
  })
})
