/** Slips elsewhere: none of them starts a gateway without the setting or the server that it was about. */
import { describe, test } from 'bun:test'
import { auth, expectRefusal, reference, type Slip, server } from './slips.ts'

/** What would leave a server or a setting out. */
const slips: readonly Slip[] = [
  {
    why: 'a port with a letter',
    yaml: 'mcp_proxy: { port: 6001a }',
    says: 'port must be a whole number from 0 to 65535, got "6001a"',
  },
  {
    why: 'a URL without a scheme',
    yaml: 'mcp_proxy: { base_url: tools.example.com }',
    says: 'base_url must be an http or https URL',
  },
  {
    why: 'a level that is none',
    yaml: 'mcp_proxy: { logging: { level: verbose } }',
    says: 'level must be one of debug, info, warn, error, silent',
  },
  {
    why: 'seconds without a unit',
    yaml: 'mcp_proxy: { shutdown_timeout: 10 }',
    says: '10 without a unit means milliseconds; write "10s" or "10ms"',
  },
  {
    why: 'a size in words',
    yaml: 'mcp_proxy: { limits: { body_bytes_max: 4 megabytes } }',
    says: 'body_bytes_max must be a size such as 4MiB or 512KiB',
  },
  {
    why: 'settings as a list',
    yaml: 'mcp_proxy:\n  - port: 6001\n',
    says: 'mcp_proxy must be a map with the keys',
  },
  { why: 'servers as a map', yaml: 'mcps: { a: { command: cat } }', says: 'mcps must be a list of servers' },
  {
    why: 'a map of servers as a list',
    yaml: 'mcpServers: [{ command: cat }]',
    says: 'mcpServers must be a map from server names to servers',
  },
  {
    why: 'servers under the name of an editor',
    yaml: 'servers: { a: { command: cat } }',
    says: 'unknown key servers; a map of servers is called mcpServers, a list of them mcps',
  },
  {
    why: 'a server without a name',
    yaml: 'mcps: [{ transport: stdio, command: cat }]',
    says: 'mcps[0].name is required',
  },
  {
    why: 'a name twice',
    yaml: `${server('args: []').slice(0, -1)}, { name: a, transport: stdio, command: dog }]`,
    says: 'mcps[1]: the name "a" is already taken by compozy.yaml: mcps[0]',
  },
  {
    why: 'a mistyped transport',
    yaml: 'mcps: [{ name: a, transport: stido, command: cat }]',
    says: 'mcps[0].transport must be one of stdio',
  },
  {
    why: 'a mistyped field',
    yaml: server('arg: [x]'),
    says: 'mcps[0].arg is not a known field; did you mean args?',
  },
  { why: 'arguments in one text', yaml: server('args: "-y server"'), says: 'mcps[0].args must be a list' },
  { why: 'variables as a list', yaml: server('env: [A=b]'), says: 'mcps[0].env must be a map' },
  {
    why: 'seconds where nanoseconds are meant',
    yaml: server('timeout: 30'),
    says: 'mcps[0].timeout 30 means nanoseconds here; write "30s"',
  },
  {
    why: 'a variable that is not set',
    yaml: server(`env: { KEY: "${reference('NO_KEY')}" }`),
    says: 'mcps[0].env.KEY: the environment variable NO_KEY is not set',
  },
  {
    why: 'a question for the user of an editor',
    yaml: server(`env: { KEY: "${reference('input:key')}" }`),
    says: 'asks the user of an editor',
  },
  { why: 'a tab for indentation', yaml: 'mcp_proxy:\n\tport: 6001\n', says: 'compozy.yaml:2:1: ' },
  {
    why: 'a value that begins with a star',
    yaml: auth('admin_tokens: [*secret]'),
    says: 'unidentified alias; quote a value that begins with *',
  },
  {
    why: 'a comma behind the last entry of JSON',
    files: { 'a.json': '{"mcps": [],}' },
    args: ['--config', 'a.json'],
    says: 'a.json:1:13: expected a key in double quotes, found "}"',
  },
  { why: 'a folder for a file', args: ['--config', '.'], says: '. is a directory, not a file' },
]

describe('a slip starts no gateway', () => {
  test.each([...slips])('$why', async (slip) => {
    await expectRefusal(slip)
  })
})
