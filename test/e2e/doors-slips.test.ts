/**
 * Slips at doors: a token, an address list, a host, a section that would not take effect. None of them starts a gateway
 * that is more open than was meant. Each is told in a line that says what to do.
 */
import { describe, expect, test } from 'bun:test'
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import { auth, expectRefusal, reference, type Slip, security, server, start, tbxark } from './slips.ts'

/** A token, an address list, a host or a section that would not take effect. */
const doors: readonly Slip[] = [
  {
    why: 'the section beside its root',
    yaml: 'auth: { global_tokens: [a1] }',
    says: 'auth stands at the top; it belongs under mcp_proxy: mcp_proxy.auth',
  },
  {
    why: 'a root that is empty because the lines below are not indented',
    yaml: 'mcp_proxy:\nauth:\n  admin_tokens: [a1]\n',
    says: 'auth stands at the top',
  },
  {
    why: 'a hyphen in the root',
    yaml: 'mcp-proxy: { auth: { global_tokens: [a1] } }',
    says: 'unknown key mcp-proxy; did you mean mcp_proxy?',
  },
  {
    why: 'the root in one word',
    yaml: 'mcpproxy: { auth: { global_tokens: [a1] } }',
    says: 'unknown key mcpproxy; did you mean mcp_proxy?',
  },
  {
    why: 'one token, so one letter less',
    yaml: auth('global_token: [a1]'),
    says: 'unknown key mcp_proxy.auth.global_token; did you mean global_tokens?',
  },
  {
    why: 'tokens without their section',
    yaml: 'mcp_proxy: { admin_tokens: [a1] }',
    says: 'unknown key mcp_proxy.admin_tokens; did you mean mcp_proxy.auth.admin_tokens?',
  },
  {
    why: 'the addresses in the other section',
    yaml: security('admin_allow_ips: [10.0.0.1]'),
    says: 'did you mean mcp_proxy.auth.admin_allow_ips?',
  },
  {
    why: 'the host in a section',
    yaml: security('host: 0.0.0.0'),
    says: 'unknown key mcp_proxy.security.host; did you mean mcp_proxy.host?',
  },
  {
    why: 'names for tokens',
    yaml: auth('global_tokens: { alice: a1 }'),
    says: 'global_tokens must be a list of tokens',
  },
  {
    why: 'tokens that are commented out',
    yaml: auth('admin_tokens:\n    # - a1'),
    says: 'admin_tokens has no value; give it one, or leave the key out',
  },
  {
    why: 'a section whose keys are all commented out',
    yaml: 'mcp_proxy:\n  auth:\n    # admin_tokens: [a1]\n  port: 0\n',
    says: 'mcp_proxy.auth has no value; give it one, or leave the key out',
  },
  {
    why: 'tokens of a server that are commented out',
    yaml: 'mcps:\n  - name: a\n    transport: stdio\n    command: cat\n    authTokens:\n      # - a1\n',
    says: 'mcps[0].authTokens has no value; give it one, or leave the key out',
  },
  {
    why: 'rules of a server that are commented out',
    yaml: 'mcps:\n  - name: a\n    transport: stdio\n    command: cat\n    access:\n      # - { tools: [look] }\n',
    says: 'mcps[0].access has no value; give it one, or leave the key out',
  },
  {
    why: 'a rule whose last name was taken out, which would be one for everybody',
    yaml: server('access: [{ who: { keys: [] } }]'),
    says: 'mcps[0].access[0].who.keys must be a list of 1 to 256 strings; for nobody, leave out the rule',
  },
  {
    why: 'a rule for nobody that is named',
    yaml: server('access: [{ who: {}, tools: [look] }]'),
    says: 'mcps[0].access[0].who must be an object with keys, users or claims',
  },
  {
    why: 'a key among the tokens, which would open everything, and go on when it is revoked',
    yaml: auth(`global_tokens: [${makeKeyText('ha1lfnbz')}]`),
    says: 'global_tokens entry 1 is a key: keys stand in auth.keys',
  },
  {
    why: 'the hash of a key among the tokens, which is no secret',
    yaml: auth(`admin_tokens: ["${hashOfKey('a')}"]`),
    says: 'admin_tokens entry 1 is the hash of a key: keys stand in auth.keys',
  },
  {
    why: 'a key among the tokens of a server',
    yaml: server(`authTokens: [${makeKeyText('ha1lfnbz')}]`),
    says: 'mcps[0].authTokens[0] is a key: keys stand in auth.keys',
  },
  {
    why: 'an audit whose file is an empty text, as of a variable that is not set',
    yaml: `mcp_proxy: { audit: { file: "${reference('NOWHERE:-')}" } }`,
    says: 'audit.file',
  },
  {
    why: 'an audit without its file',
    yaml: 'mcp_proxy:\n  audit:\n    # file: audit.log\n',
    says: 'mcp_proxy.audit has no value; give it one, or leave the key out',
  },
  { why: 'an empty token', yaml: auth('admin_tokens: [""]'), says: 'admin_tokens entry 1 is empty' },
  {
    why: 'a dash and no token',
    yaml: auth('global_tokens:\n      -\n'),
    says: 'global_tokens entry 1 is not a text',
  },
  {
    why: 'a default of nothing',
    yaml: auth(`global_tokens: ["${reference('MCP_TOKEN:-')}"]`),
    says: 'global_tokens entry 1 is empty',
  },
  {
    why: 'a token with a space',
    yaml: auth('admin_tokens: ["correct horse"]'),
    says: 'must be printable ASCII without spaces',
  },
  {
    why: 'a token with a line break in it',
    yaml: auth('admin_tokens:\n      - |\n        one\n        two\n'),
    says: 'must be printable ASCII without spaces',
  },
  {
    why: 'the scheme with the token',
    yaml: auth('global_tokens: ["Bearer a1"]'),
    says: 'must be the token alone, without "Bearer"',
  },
  {
    why: 'two tokens in one text of a list',
    yaml: auth('global_tokens: ["a1,b2"]'),
    says: 'holds a comma; give each token as an entry of its own',
  },
  {
    why: 'a variable in the form of a shell',
    yaml: auth('admin_tokens: ["$MCP_ADMIN"]'),
    says: 'is the name of a variable and not its value',
  },
  {
    why: 'a reference that is not closed',
    yaml: auth(`admin_tokens: ["$\{MCP_ADMIN"]`),
    says: 'is the name of a variable and not its value',
  },
  {
    why: 'what the manual says to replace',
    yaml: auth('global_tokens: ["<YOUR_TOKEN>"]'),
    says: 'is a placeholder; write the token itself',
  },
  {
    why: 'what the program shows instead of a token',
    yaml: auth('global_tokens: ["***"]'),
    says: 'is a mask; write the token itself',
  },
  {
    why: 'digits, of which the parser drops some',
    yaml: auth('global_tokens: [0012345]'),
    says: 'is a number, and its spelling may be lost; put it in quotes',
  },
  {
    why: 'networks with a space between them',
    yaml: auth('admin_allow_ips: 10.0.0.0/8 192.168.0.0/16'),
    says: 'admin_allow_ips entry 1 ("10.0.0.0/8 192.168.0.0/16") is wrong',
  },
  {
    why: 'a star for a part of an address',
    yaml: auth('admin_allow_ips: ["192.168.1.*"]'),
    says: 'not an IP address or CIDR block',
  },
  {
    why: 'a network by its mask',
    yaml: auth('admin_allow_ips: [10.0.0.0/255.0.0.0]'),
    says: 'the prefix length must be a whole number from 0 to 32',
  },
  {
    why: 'everybody as a proxy',
    yaml: security('trusted_proxies: true'),
    says: 'trusted_proxies must be a list of IP addresses or CIDR blocks',
  },
  { why: 'a star for every host', yaml: security('allowed_hosts: ["*"]'), says: 'is not a host name' },
  { why: 'a star for every origin', yaml: security('allowed_origins: ["*"]'), says: 'is not an origin' },
  {
    why: 'a star to listen on',
    yaml: 'mcp_proxy: { host: "*" }',
    says: 'host must be a host name or an address without port',
  },
  {
    why: 'a switch for a word',
    yaml: 'mcp_proxy: { admin: { stdio: false } }',
    says: 'stdio must be one of enabled, disabled, got false',
  },
  {
    why: 'a mistyped truth',
    yaml: 'mcp_proxy: { metrics: { public: flase } }',
    says: 'public must be true or false, got "flase"',
  },
  {
    why: 'a section that stands twice',
    yaml: `${auth('admin_tokens: [a1]')}  auth: {}\n`,
    says: 'compozy.yaml:4:3: duplicated mapping key',
  },
  {
    why: 'a section in a second document',
    yaml: `mcp_proxy: {}\n---\n${auth('admin_tokens: [a1]')}`,
    says: 'compozy.yaml:',
  },
  {
    why: 'a file of another ending, which is not read',
    files: { 'compozy.yml': auth('admin_tokens: [a1]') },
    says: 'compozy.yml is not read unasked, only compozy.yaml is; rename it, or name it with --config compozy.yml',
  },
  {
    why: 'a section twice in JSON, where the last one counts',
    files: { 'a.json': '{"mcp_proxy": {"auth": {"admin_tokens": ["a1"]}, "auth": {}}}' },
    args: ['--config', 'a.json'],
    says: 'a.json:1:50: the key "auth" stands twice in one object',
  },
  {
    why: 'a letter too few in a variable',
    env: { MCP_PROXY_GLOBAL_AUTH_TOKEN: 'a1' },
    says: 'did you mean MCP_PROXY_GLOBAL_AUTH_TOKENS?',
  },
  {
    why: 'a variable named after its flag',
    env: { MCP_ADMIN_TOKENS: 'a1' },
    says: 'did you mean MCP_PROXY_ADMIN_TOKENS?',
  },
  {
    why: 'a variable named after its key',
    env: { MCP_PROXY_AUTH_ADMIN_TOKENS: 'a1' },
    says: 'did you mean MCP_PROXY_ADMIN_TOKENS?',
  },
  {
    why: 'a variable that is set to nothing',
    env: { MCP_PROXY_ADMIN_TOKENS: '' },
    says: 'MCP_PROXY_ADMIN_TOKENS is empty; give it a value, or unset it',
  },
  {
    why: 'the file of a variable set to nothing',
    env: { MCP_PROXY_GLOBAL_AUTH_TOKENS_FILE: '' },
    says: 'MCP_PROXY_GLOBAL_AUTH_TOKENS_FILE is empty',
  },
  {
    why: 'a variable of spaces',
    env: { MCP_PROXY_GLOBAL_AUTH_TOKENS: '  ' },
    says: 'MCP_PROXY_GLOBAL_AUTH_TOKENS entry 1 is empty',
  },
  {
    why: 'quotes that an env file keeps',
    env: { MCP_PROXY_ADMIN_TOKENS: '"a1"' },
    says: 'has a quote or bracket at its end',
  },
  {
    why: 'a secret that is not mounted',
    env: { MCP_PROXY_ADMIN_TOKENS_FILE: '/run/secrets/none' },
    says: 'cannot read /run/secrets/none (named by MCP_PROXY_ADMIN_TOKENS_FILE): no such file',
  },
  {
    why: 'a configuration under another variable',
    files: { 'my.yaml': auth('admin_tokens: [a1]') },
    env: { COMPOZY_CONFIG_PATH: 'my.yaml' },
    says: 'did you mean COMPOZY_CONFIG?',
  },
  {
    why: 'a configuration whose name is empty',
    env: { COMPOZY_CONFIG: '' },
    says: 'COMPOZY_CONFIG is empty; name a file, or unset it',
  },
  {
    why: 'a host with a port',
    args: ['--mcp-host', '0.0.0.0:6001'],
    exitCode: 2,
    says: '--mcp-host must be a host name or an address without port',
  },
  {
    why: 'networks with a semicolon between them',
    args: ['--mcp-admin-allow-ips', '10.0.0.0/8;::1'],
    exitCode: 2,
    says: '--mcp-admin-allow-ips entry 1',
  },
  {
    why: 'one token, so one letter less in a flag',
    args: ['--mcp-admin-token', 'a1'],
    exitCode: 2,
    says: 'did you mean --mcp-admin-tokens?',
  },
  {
    why: 'the addresses of a server in another spelling',
    yaml: server('allowed_ips: [10.0.0.0/8]'),
    says: 'mcps[0].allowed_ips is not a known field; did you mean allowedIPs?',
  },
  {
    why: 'the addresses of a server in one text',
    yaml: server('allowedIPs: "10.0.0.0/8, ::1"'),
    says: 'mcps[0].allowedIPs must be a list',
  },
  {
    why: 'a word for a truth',
    yaml: server('requireAuth: yes'),
    says: 'mcps[0].requireAuth must be true or false',
  },
  {
    why: 'tokens of its own alone, and none of them',
    yaml: server('authTokensOnly: true'),
    says: 'mcps[0].authTokensOnly needs authTokens beside it',
  },
  {
    why: 'tokens of a server without a list',
    yaml: server('authTokens: a1'),
    says: 'mcps[0].authTokens must be a list',
  },
  {
    why: 'a filter of another name',
    yaml: server('toolFilter: { mode: deny, list: [rm] }'),
    says: 'mcps[0].toolFilter.mode must be one of allow, block',
  },
  {
    why: 'a filter without its list',
    yaml: server('toolFilter: { mode: block }'),
    says: 'mcps[0].toolFilter.list is required',
  },
  {
    why: 'a restriction of another client',
    yaml: 'mcpServers: { a: { command: cat, excludeTools: [rm] } }',
    says: 'mcpServers.a.excludeTools is not a known field',
  },
  {
    why: 'options of another proxy, without its mark',
    yaml: 'mcpServers: { a: { command: cat, options: { authTokens: [a1] } } }',
    says: 'mcpServers.a.options is not a known field',
  },
  {
    why: 'a file of another proxy as an import, whose tokens stand elsewhere',
    files: { 'x.json': '{"mcpProxy":{"options":{"authTokens":["a1"]}},"mcpServers":{}}' },
    args: ['--mcp-import', 'x.json'],
    says: 'name it with --config (docs/MIGRATION.md)',
  },
  {
    why: 'an older file of another proxy',
    ...tbxark({ server: { addr: ':9090', globalAuthTokens: ['a1'] }, clients: {} }),
    says: 'server is of an older file of TBXark',
  },
  {
    why: 'a mistyped option of another proxy',
    ...tbxark({ mcpProxy: { options: { authtoken: ['a1'] } } }),
    says: 'unknown key mcpProxy.options.authtoken; did you mean authTokens?',
  },
]

describe('a slip at a door starts no gateway', () => {
  test.each([...doors])('$why', async (slip) => {
    const said = await expectRefusal(slip)
    // What may be a secret is not repeated.
    for (const secret of ['correct horse', 'a1']) expect(said).not.toContain(secret)
  })
})

test('without a slip the same way of starting ends with a gateway that listens', async () => {
  const { stdout } = await start({ yaml: auth('admin_tokens: [a1]'), args: ['--mcp-port', '0'] })
  expect(stdout).toContain('"listening"')
})
