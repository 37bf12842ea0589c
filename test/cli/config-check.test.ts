/** `compozy config check` and `schema`: all that is wrong at once, commands and port included, with nothing started. */
import { describe, expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { schemaText } from '../../scripts/configuration-schema.ts'
import { startGatewayProcess } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { runCommand } from './run-command.ts'

async function check(file: string, ...args: readonly string[]) {
  using directory = temporaryDirectory({ 'compozy.yaml': file })
  return await runCommand(['config', 'check', ...args], { via: 'executable', cwd: directory.path })
}

const anyPort = ['--mcp-port', '0']

test('config schema prints the schema that is published', async () => {
  using directory = temporaryDirectory()
  const printed = await runCommand(['config', 'schema'], { via: 'executable', cwd: directory.path })
  expect(printed).toEqual({ exitCode: 0, stdout: schemaText(), stderr: '' })
})

describe('config check', () => {
  test('a configuration without a fault is told part by part, with 0', async () => {
    const { exitCode, stdout, stderr } = await check(
      'mcps: [{ name: a, transport: stdio, command: /bin/sh }, { name: b, transport: sse, url: "http://b.example" }]',
      ...anyPort,
    )
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(stdout.split('\n')).toEqual([
      'ok       compozy.yaml, 2 servers',
      'ok       a: /bin/sh',
      'ok       port 0: a free one will be picked',
      '0 errors, 0 warnings',
      '',
    ])
  })

  test('everything that is wrong is told, with 1', async () => {
    const { exitCode, stdout } = await check(
      `
mcp_proxy: { prot: 1, auth: { admin_tokens: ["$\{NO_TOKEN}"] } }
mcps:
  - { name: gone, transport: stdio, command: no-such-command }
  - { name: slip, transport: stdio, command: cat, comand: dog }
  - { name: unset, transport: sse, url: "$\{NO_URL}" }
`,
      '--mcp-port',
      'x',
    )
    expect(exitCode).toBe(1)
    const expected = [
      'ok       compozy.yaml, 1 server',
      'error    compozy.yaml: unknown key mcp_proxy.prot; did you mean port?',
      'error    --mcp-port must be a whole number from 0 to 65535, got "x"',
      'error    compozy.yaml: mcps[1].comand is not a known field; did you mean command?',
      'error    compozy.yaml: mcp_proxy.auth.admin_tokens[0]: the environment variable NO_TOKEN is not set',
      'error    compozy.yaml: mcps[2].url: the environment variable NO_URL is not set',
      'error    gone: no-such-command is not installed',
      '6 errors, 0 warnings',
    ]
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(expected.length)
    for (const [at, line] of expected.entries()) expect(lines[at]).toStartWith(line)
  })

  test('what the gateway would only warn of is a warning, with 0', async () => {
    const { exitCode, stdout } = await check(
      'mcp_proxy: { host: 0.0.0.0 }\nmcps: [{ name: a, transport: stdio, command: cat, requireAuth: true }]',
      ...anyPort,
    )
    expect(exitCode).toBe(0)
    expect(stdout).toContain('warning  listening on 0.0.0.0 without auth.global_tokens')
    expect(stdout).toContain(
      'warning  a: nobody can come in: requireAuth asks for a token here, and none is configured',
    )
    expect(stdout).toContain('0 errors, 2 warnings')
  })

  test('a port that another program has is an error; one that a compozy has is told with its process', async () => {
    await using other = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response('hi') })
    const taken = await check('', '--mcp-port', String(other.port))
    expect(taken.exitCode).toBe(1)
    expect(taken.stdout).toContain(`error    port ${other.port} is taken on 127.0.0.1 by another program`)

    using state = temporaryDirectory()
    const file = `mcp_proxy: { storage: { path: ${state.path} } }`
    await using gateway = await startGatewayProcess({ via: 'executable', config: file })
    const { port } = new URL(gateway.url)
    const words = `port ${port} is taken on 127.0.0.1 by another compozy mcp-proxy (pid ${gateway.pid})`
    const running = await check(file, '--mcp-port', port)
    expect(running).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(`warning  ${words}`) })
    // One that runs something else keeps this one from starting, by its port or by its state.
    const elsewhere = await check('', '--mcp-port', port)
    expect(elsewhere).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining(`error    ${words}, which runs another configuration`),
    })
    const held = await check(file, '--mcp-port', '1023')
    expect(held).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining(
        `error    the state directory ${state.path} is in use by another gateway`,
      ),
    })

    const free = await check('', '--mcp-host', '192.0.2.1')
    expect(free).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('192.0.2.1 is no address of this machine'),
    })
  })

  test.each([
    { why: 'a file', path: '/etc/passwd', says: 'error    Cannot open /etc/passwd: EEXIST' },
    {
      why: 'a place where nothing can be made',
      path: '/proc/x/y',
      says: 'error    Cannot open /proc/x/y: ENOENT: no such file or directory in /proc',
    },
  ])('a state directory that is $why is an error, as it is for the start', async ({ path, says }) => {
    const file = `mcp_proxy: { storage: { path: ${path} } }`
    const checked = await check(file, ...anyPort)
    expect(checked).toMatchObject({ exitCode: 1, stdout: expect.stringContaining(says) })
    using directory = temporaryDirectory({ 'compozy.yaml': file })
    const options = { via: 'executable', cwd: directory.path } as const
    expect((await runCommand(['mcp-proxy', ...anyPort], options)).exitCode).toBe(1)
  })

  test('a definition store that is damaged is an error, and nothing is left in a state directory that was not there', async () => {
    using state = temporaryDirectory({ 'definitions.sqlite': 'no database at all' })
    const damaged = await check(`mcp_proxy: { storage: { path: ${state.path} } }`, ...anyPort)
    expect(damaged).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('cannot be used as a definition store'),
    })
    expect(readdirSync(state.path)).toEqual(['definitions.sqlite'])
    const fine = await check(`mcp_proxy: { storage: { path: ${state.path}/a/b } }`, ...anyPort)
    expect(fine.exitCode).toBe(0)
    expect(readdirSync(state.path)).toEqual(['definitions.sqlite'])
  })

  test('a host that no name server knows and a working directory that is not there are told in the words of the start', async () => {
    const unknown = await check('mcp_proxy: { host: localhst.invalid, port: 6001 }')
    expect(unknown).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('error    localhst.invalid is no address of this machine'),
    })
    const nowhere = await check('mcps: [{ name: a, transport: stdio, command: cat, cwd: /nope }]', ...anyPort)
    expect(nowhere).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('error    a: The working directory /nope does not exist.'),
    })
  })

  test('a log file that the start could not open is an error, with the words of the start', async () => {
    const { exitCode, stdout } = await check(
      'mcp_proxy: { logging: { file: ./nowhere/mcp-proxy.log } }',
      ...anyPort,
    )
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(
      /error {4}cannot open the log file \S*nowhere\/mcp-proxy\.log: there is no such directory/,
    )
  })

  test('so is an audit file, and one that is the file of the log', async () => {
    const missing = await check('mcp_proxy: { audit: { file: ./nowhere/audit.log } }', ...anyPort)
    expect(missing.exitCode).toBe(1)
    expect(missing.stdout).toMatch(
      /error {4}cannot open the audit file \S*nowhere\/audit\.log: there is no such directory/,
    )
    const same = 'mcp_proxy: { logging: { file: a.log }, audit: { file: ./a.log } }'
    expect((await check(same, ...anyPort)).stdout).toContain('error    audit.file is the file of the log')
    expect((await check('mcp_proxy: { audit: { file: "-" } }', ...anyPort)).exitCode).toBe(0)
  })

  test('origins are shown when asked for, and --json is for programs', async () => {
    const file = 'mcp_proxy: { port: 0, auth: { admin_tokens: [canary-token] } }'
    expect((await check(file)).stdout).not.toContain('mcp_proxy.')
    const { stdout } = await check(file, '--origins')
    expect(stdout).toMatch(/^mcp_proxy\.auth\.admin_tokens +\*\*\* +file compozy\.yaml$/m)
    const printed = JSON.parse((await check(file, '--json', '--origins')).stdout)
    expect(printed).toMatchObject({
      ok: true,
      file: 'compozy.yaml',
      findings: expect.arrayContaining([{ level: 'ok', message: 'compozy.yaml, 0 servers' }]),
      settings: { 'mcp_proxy.port': { value: '0', origin: 'file compozy.yaml' } },
    })
    expect(JSON.stringify(printed)).not.toContain('canary')
    expect(JSON.parse((await check('auth: {}', '--json')).stdout)).toMatchObject({ ok: false })
  })
})

describe('what reads well and is most likely not meant is a warning', () => {
  const rows: { why: string; file: string; says: string }[] = [
    {
      why: 'an admin token that clients of a server get',
      file: 'mcp_proxy: { auth: { admin_tokens: [a-9f2c] } }\nmcps: [{ name: a, transport: stdio, command: cat, authTokens: [a-9f2c] }]',
      says: 'a token stands in authTokens of a and in auth.admin_tokens',
    },
    {
      why: 'a group that nobody has',
      file: 'mcp_proxy: { default_group: taem }\nmcps: [{ name: team, transport: group, members: [{ all: true }] }]',
      says: 'default_group: no group is named taem, and /mcp is 404 until one is; did you mean team?',
    },
    {
      why: 'a member that nobody has',
      file: 'mcps: [{ name: team, transport: group, members: [{ server: nope }] }]',
      says: 'team: no server is named nope, a member of this group, which goes without it',
    },
    {
      why: 'a rule about a server that nobody has',
      file: 'mcp_proxy: { auth: { oauth: { access: [{ who: { users: [u] }, servers: [nope] }] } } }',
      says: 'auth.oauth.access: no server is named nope, and its rule opens nothing there',
    },
    {
      why: 'rules without anybody to sign people in',
      file: 'mcp_proxy: { auth: { oauth: { access: [{ who: { users: [u] }, servers: ["*"] }] } } }',
      says: 'auth.oauth.access has no effect without auth.oauth.issuers',
    },
    {
      why: 'a role without anybody to sign people in',
      file: 'mcp_proxy: { auth: { oauth: { login: { admin: { claims: { groups: [ops] } } } } } }',
      says: 'auth.oauth.login.admin has no effect without auth.oauth.login.issuer',
    },
    {
      why: 'tokens that are none',
      file: 'mcp_proxy: { auth: { global_tokens: [] } }',
      says: 'mcp_proxy.auth.global_tokens is an empty list: no token is asked for',
    },
    {
      why: 'addresses that are none',
      file: 'mcp_proxy: { auth: { admin_allow_ips: [] } }',
      says: 'mcp_proxy.auth.admin_allow_ips is an empty list: from every address',
    },
    {
      why: 'tokens of a server that are none',
      file: 'mcps: [{ name: a, transport: stdio, command: cat, authTokens: [] }]',
      says: 'compozy.yaml: mcps[0].authTokens is an empty list: it keeps nobody out',
    },
    {
      why: 'a token of every manual',
      file: 'mcp_proxy: { auth: { admin_tokens: [changeme] } }',
      says: 'auth.admin_tokens entry 1 is a word that is tried first',
    },
    {
      why: 'everybody as a proxy, by address',
      file: 'mcp_proxy: { security: { trusted_proxies: [0.0.0.0/0] } }',
      says: 'security.trusted_proxies holds 0.0.0.0/0, which is every address',
    },
    {
      why: 'everybody as an admin, by address',
      file: 'mcp_proxy: { auth: { admin_allow_ips: ["::/0"] } }',
      says: 'auth.admin_allow_ips holds ::/0, which is every address',
    },
    {
      why: 'everybody at a server, by address',
      file: 'mcps: [{ name: a, transport: stdio, command: cat, allowedIPs: [0.0.0.0/0] }]',
      says: 'allowedIPs of a holds 0.0.0.0/0, which is every address',
    },
  ]
  test.each(rows)('$why', async ({ file, says }) => {
    const { exitCode, stdout } = await check(file, ...anyPort)
    expect(stdout).toContain(`warning  ${says}`)
    expect(exitCode).toBe(0)
  })

  test('the start says it as well, of what is registered too, and the answer to whoever registers it', async () => {
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: {
        mcp_proxy: { auth: { admin_tokens: ['a-9f2c'] }, default_group: 'nope' },
        mcps: [{ name: 'a', transport: 'stdio', command: 'cat', authTokens: ['a-9f2c'] }],
      },
      untilReady: false,
    })
    await gateway.process.line((line) => line.includes('no group is named nope'))
    const answer = await gateway.admin('/mcps', {
      method: 'POST',
      body: { name: 'b', transport: 'stdio', command: 'cat', authTokens: ['a-9f2c'] },
      headers: { authorization: 'Bearer a-9f2c' },
    })
    expect([answer.status, await answer.json()]).toEqual([
      201,
      expect.objectContaining({
        message: expect.stringContaining(
          'Warning: a token stands in authTokens of b and in auth.admin_tokens',
        ),
      }),
    ])
  })
})
