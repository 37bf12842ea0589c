/** What the command line refuses: one clear line on stderr, the right exit code, nothing half-started. */
import { describe, expect, test } from 'bun:test'
import { gatewayForms } from '../support/gateway.ts'
import { processesOf } from '../support/process-facts.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { runCommand } from './run-command.ts'

interface Row {
  readonly why: string
  readonly args: readonly string[]
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly exitCode: 1 | 2
  readonly line: string
}

const serverNameLine =
  'NAME must be 1 to 64 letters, digits, dots, underscores or hyphens, beginning with a letter or digit'

const rows: readonly Row[] = [
  ...['servers get', 'servers rm', 'servers restart', 'servers logs', 'servers tools', 'servers try'].map(
    (command): Row => ({
      why: `no text as the name in ${command}, with no gateway running`,
      args: [...command.split(' '), ''],
      exitCode: 2,
      line: serverNameLine,
    }),
  ),
  ...['.', '..', 'a/b', '*'].map(
    (name): Row => ({
      why: `the name ${name}, which is none`,
      args: ['groups', 'get', name],
      exitCode: 2,
      line: serverNameLine,
    }),
  ),
  {
    why: 'the name of a snippet, which stands in its URL',
    args: ['servers', 'snippet', '..', '--client', 'cursor'],
    exitCode: 2,
    line: serverNameLine,
  },
  {
    why: 'variables for a server with a URL',
    args: ['servers', 'add', 'docs', '--server-url', 'http://127.0.0.1/', '--env', 'A=1'],
    exitCode: 2,
    line: '--env is for a command; what a server with a URL is sent stands in --header',
  },
  {
    why: 'headers for a command',
    args: ['servers', 'add', 'docs', '--header', 'A=1', '--', 'cat'],
    exitCode: 2,
    line: '--header is for a server with a URL; a command is given variables with --env',
  },
  {
    why: 'a file that cannot be written, in words',
    args: ['init', '--config', '/nonexistent/x.yaml'],
    exitCode: 1,
    line: 'cannot write /nonexistent/x.yaml: no such file or folder',
  },
  {
    why: 'an unknown flag',
    args: ['mcp-proxy', '--mcp-prot', '1'],
    exitCode: 2,
    line: 'unknown flag --mcp-prot; did you mean --mcp-port?',
  },
  {
    why: 'an unknown flag like no other',
    args: ['mcp-proxy', '-z'],
    exitCode: 2,
    line: 'unknown flag -z; --help lists all flags',
  },
  {
    why: 'a missing value at the end',
    args: ['mcp-proxy', '--mcp-port'],
    exitCode: 2,
    line: '--mcp-port needs a value: --mcp-port <number>',
  },
  {
    why: 'a missing value before another flag',
    args: ['mcp-proxy', '--mcp-host', '--debug=false'],
    exitCode: 2,
    line: '--mcp-host needs a value: --mcp-host <host>',
  },
  {
    why: 'a switch with a value',
    args: ['mcp-proxy', '--debug=loud'],
    exitCode: 2,
    line: '--debug is a switch and takes no value but true or false, got "loud"',
  },
  {
    why: 'a flag without its prefix',
    args: ['mcp-proxy', '--port', '9000'],
    exitCode: 2,
    line: 'unknown flag --port; did you mean --mcp-port?',
  },
  {
    why: 'a long flag with one hyphen',
    args: ['mcp-proxy', '-mcp-port=9000'],
    exitCode: 2,
    line: 'unknown flag -mcp-port; did you mean --mcp-port?',
  },
  {
    why: 'a flag whose hyphens an editor has joined',
    args: ['mcp-proxy', '\u2014mcp-port', '9000'],
    exitCode: 2,
    line: 'unexpected argument "\u2014mcp-port"; a flag begins with two plain hyphens: --',
  },
  {
    why: 'a switch with its value in a word of its own',
    args: ['servers', 'list', '--json', 'false'],
    exitCode: 2,
    line: 'unexpected argument "false"; write --json=false',
  },
  {
    why: 'a command, but no name',
    args: ['servers', 'add', '--', 'cat'],
    exitCode: 2,
    line: 'NAME is missing; --help shows how the command is written',
  },
  {
    why: 'a command without the hyphens in front of it',
    args: ['servers', 'add', 'files', 'npx', '-y', 'server'],
    exitCode: 2,
    line: 'unexpected argument "npx"; a command stands behind two hyphens: -- npx',
  },
  {
    why: 'a transport of another name',
    args: ['servers', 'add', 'docs', '--transport', 'ws', '--server-url', 'http://127.0.0.1/'],
    exitCode: 2,
    line: '--transport must be one of stdio, sse, streamable-http, http, got "ws"',
  },
  {
    why: 'a definition that no gateway would take, with none running',
    args: ['servers', 'add', 'docs', '--server-url', 'example.com/mcp'],
    exitCode: 2,
    line: '--server-url must be an http or https URL',
  },
  { why: 'a stray word', args: ['mcp-proxy', 'start'], exitCode: 2, line: 'unexpected argument "start"' },
  {
    why: 'words behind --',
    args: ['mcp-proxy', '--', 'x'],
    exitCode: 2,
    line: 'nothing may stand behind --',
  },
  {
    why: 'an unknown command',
    args: ['mcp-prox'],
    exitCode: 2,
    line: 'unknown command "mcp-prox"; did you mean mcp-proxy?',
  },
  {
    why: 'a flag before the command, where it would be lost',
    args: ['--mcp-port', '1', 'mcp-proxy'],
    exitCode: 2,
    line: 'unknown flag --mcp-port; flags stand behind the command: compozy COMMAND [flags]',
  },
  {
    why: 'a missing word',
    args: ['servers', 'remove'],
    exitCode: 2,
    line: 'NAME is missing; --help shows how the command is written',
  },
  {
    why: 'a port that is no number',
    args: ['mcp-proxy', '--mcp-port', 'abc'],
    exitCode: 2,
    line: '--mcp-port must be a whole number from 0 to 65535, got "abc"',
  },
  {
    why: 'a port out of range',
    args: ['mcp-proxy', '--mcp-port', '70000'],
    exitCode: 2,
    line: '--mcp-port must be a whole number from 0 to 65535, got "70000"',
  },
  {
    why: 'a port from the environment that is no number',
    args: ['mcp-proxy'],
    env: { MCP_PROXY_PORT: 'abc' },
    exitCode: 1,
    line: 'MCP_PROXY_PORT must be a whole number from 0 to 65535, got "abc"',
  },
  {
    why: 'a bad CIDR block',
    args: ['mcp-proxy', '--mcp-admin-allow-ips', '10.0.0.0/8,10.0.0.0/33'],
    exitCode: 2,
    line: '--mcp-admin-allow-ips entry 2 ("10.0.0.0/33") is wrong: the prefix length must be a whole number from 0 to 32',
  },
  {
    why: 'a bad CIDR block in the file',
    args: ['mcp-proxy'],
    files: { 'compozy.yaml': 'mcp_proxy:\n  security: { trusted_proxies: [lan] }\n' },
    exitCode: 1,
    line: 'compozy.yaml: mcp_proxy.security.trusted_proxies entry 1 ("lan") is wrong: not an IP address or CIDR block, such as 10.0.0.0/8 or ::1',
  },
  {
    why: 'an unset variable',
    args: ['mcp-proxy'],
    files: { 'compozy.yaml': 'mcp_proxy:\n  auth:\n    admin_tokens: ["$' + '{ADMIN}"]\n' },
    exitCode: 1,
    line:
      'compozy.yaml: mcp_proxy.auth.admin_tokens[0]: the environment variable ADMIN is not set; set it or write $' +
      '{ADMIN:-default}',
  },
  {
    why: 'an unknown key',
    args: ['mcp-proxy'],
    files: { 'compozy.yaml': 'mcp_proxy:\n  auht: {}\n' },
    exitCode: 1,
    line: 'compozy.yaml: unknown key mcp_proxy.auht; did you mean auth?',
  },
  {
    why: 'broken YAML',
    args: ['mcp-proxy'],
    files: { 'compozy.yaml': 'mcp_proxy:\n  port: [1\n  host: x\n' },
    exitCode: 1,
    line: 'compozy.yaml:3:3: deficient indentation',
  },
  {
    why: 'a missing file',
    args: ['mcp-proxy', '--config', 'nope.yaml'],
    exitCode: 1,
    line: 'cannot read nope.yaml: no such file',
  },
  {
    why: 'a directory as file',
    args: ['mcp-proxy', '--config', '.'],
    exitCode: 1,
    line: '. is a directory, not a file',
  },
  {
    why: 'a device as file',
    args: ['mcp-proxy', '--config', '/dev/null'],
    exitCode: 1,
    line: '/dev/null is a pipe or a device, not a file',
  },
  {
    why: 'a file that would be run to be read',
    args: ['mcp-proxy', '--config', 'compozy.ts'],
    files: { 'compozy.ts': 'export default {}' },
    exitCode: 1,
    line: 'compozy.ts: a configuration file ends in .yaml, .yml, .json, .jsonc or .toml',
  },
  {
    why: 'a file without extension',
    args: ['mcp-proxy', '--config', 'compozy'],
    files: { compozy: 'mcp_proxy: {}' },
    exitCode: 1,
    line: 'compozy: a configuration file ends in .yaml, .yml, .json, .jsonc or .toml',
  },
  {
    why: 'an address of another machine',
    args: ['mcp-proxy', '--mcp-host', '192.0.2.1'],
    exitCode: 1,
    line: '192.0.2.1 is no address of this machine; choose another with --mcp-host',
  },
]

/** Starting from source is slow, and which form it is matters to none of the others. */
const rowsFromSource = rows.filter(({ why }) =>
  ['an unknown flag', 'an unset variable', 'an address of another machine'].includes(why),
)

describe.each([...gatewayForms])('as %s', (via) => {
  test.each(via === 'source' ? rowsFromSource : [...rows])(
    'refuses $why',
    async ({ args, files = {}, env = {}, exitCode, line }) => {
      using directory = temporaryDirectory(files)
      const finished = await runCommand(args, { via, cwd: directory.path, env })
      expect(finished).toEqual({ exitCode, stdout: '', stderr: `compozy: ${line}\n` })
    },
  )

  test('refuses a taken port, and leaves no server behind that it had begun to start', async () => {
    await using taken = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response() })
    // Nobody else on this machine sleeps for exactly so long.
    const seconds = `6001.${process.pid}`
    using directory = temporaryDirectory({
      'compozy.yaml': JSON.stringify({
        mcps: [{ name: 'a', transport: 'stdio', command: 'sleep', args: [seconds] }],
      }),
    })
    const finished = await runCommand(['mcp-proxy', '--mcp-port', String(taken.port)], {
      via,
      cwd: directory.path,
    })
    expect(finished).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `compozy: port ${taken.port} is taken on 127.0.0.1; choose another with --mcp-port\n`,
    })
    expect(processesOf('sleep', seconds)).toEqual([])
  })

  test('shows a stack only with --debug', async () => {
    using directory = temporaryDirectory()
    const { stderr, exitCode } = await runCommand(['mcp-proxy', '--mcp-port', 'abc', '--debug'], {
      via,
      cwd: directory.path,
    })
    expect(exitCode).toBe(2)
    expect(stderr).toContain('\n    at ')
  })
})
