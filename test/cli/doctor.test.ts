/** `compozy doctor`: what it finds on a machine where all is well, and on one where nothing is. */
import { expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import { version } from '../../package.json'
import { startGatewayProcess } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { runCommand } from './run-command.ts'

const via = 'executable'
const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const raw = { transport: 'stdio', command: process.execPath, args: [rawServer] }

interface Report {
  readonly ok: boolean
  readonly checks: readonly { check: string; result: string; finding: string; cure: string | null }[]
}

async function examined(cwd: string, args: readonly string[], env: Record<string, string> = {}) {
  const finished = await runCommand(['doctor', '--json', ...args], { via, cwd, env })
  const report = JSON.parse(finished.stdout) as Report
  const of = (check: string) => report.checks.filter((one) => one.check === check)
  return { ...finished, report, of }
}

test('finds nothing to mend where all is well', async () => {
  await using gateway = await startGatewayProcess({ via, config: { mcps: [{ name: 'raw', ...raw }] } })
  const { exitCode, report, of, stderr } = await examined(gateway.directory, ['--url', gateway.url])
  expect([exitCode, report.ok, stderr]).toEqual([0, true, ''])
  expect(report.checks.filter(({ result }) => result === 'fault')).toEqual([])
  for (const check of [
    'configuration',
    'doors',
    'command of raw',
    'gateway',
    'clock',
    'version',
    'server raw',
  ])
    expect([check, of(check)[0]?.result]).toEqual([check, 'ok'])
  expect(of('version')[0]?.finding).toBe(version)
  const shown = await runCommand(['doctor', '--url', gateway.url], { via, cwd: gateway.directory })
  expect(shown.stdout).toMatch(/^RESULT +CHECK +FINDING$/m)
  expect(shown.stdout).toMatch(/^ok +server raw +connected for \d+s$/m)
})

test('says which tools clients miss because nobody has approved them', async () => {
  const config = { mcp_proxy: { pinning: 'on' }, mcps: [{ name: 'raw', ...raw }] }
  await using gateway = await startGatewayProcess({ via, config })
  const { exitCode, of } = await examined(gateway.directory, ['--url', gateway.url])
  expect([exitCode, of('server raw')[0]?.result]).toEqual([0, 'ok'])
  expect(of('pinning raw')).toMatchObject([
    { result: 'warning', finding: expect.stringMatching(/^held back until approved: \d+ tools?; "compozy/) },
  ])
  await runCommand(['approvals', 'approve', 'raw', '--all', '--url', gateway.url], {
    via,
    cwd: gateway.directory,
  })
  expect((await examined(gateway.directory, ['--url', gateway.url])).of('pinning raw')).toEqual([])
})

test('names each fault with its cure', async () => {
  await using gateway = await startGatewayProcess({
    via,
    config: {
      mcps: [
        { name: 'dies', transport: 'stdio', command: 'sh', args: ['-c', 'echo "Error: no key" >&2; exit 1'] },
      ],
    },
  })
  using folder = temporaryDirectory({
    'compozy.yaml': JSON.stringify({
      mcp_proxy: { host: '0.0.0.0', storage: { path: '/dev/null' } },
      mcps: [{ name: 'gone', transport: 'stdio', command: 'no-such-program' }],
    }),
    'empty.pem': 'nothing',
  })
  const { exitCode, report, of, stderr } = await examined(folder.path, ['--url', gateway.url], {
    NODE_EXTRA_CA_CERTS: `${folder.path}/empty.pem`,
    SSL_CERT_FILE: '/no/such/file.pem',
    HTTPS_PROXY: 'http://user:secret@proxy.example:3128',
  })
  expect([exitCode, report.ok]).toEqual([1, false])
  const found = [
    'doors',
    'state directory',
    'command of gone',
    'NODE_EXTRA_CA_CERTS',
    'SSL_CERT_FILE',
    'server dies',
  ]
  expect(found.map((check) => of(check)[0]?.result)).toEqual([
    'warning',
    'fault',
    'fault',
    'fault',
    'fault',
    'fault',
  ])
  expect(of('doors')[0]?.finding).toBe(
    'by the configuration it listens on 0.0.0.0 and asks clients for no token',
  )
  expect(of('server dies')[0]?.finding).toContain('no key')
  expect(of('HTTPS_PROXY')[0]?.finding).toContain('proxy.example:3128')
  expect(JSON.stringify(report)).not.toContain('secret')
  expect(stderr).toEndWith('compozy: 5 faults to mend\n')
})

test.each([
  {
    why: 'a configuration that cannot be read',
    file: 'mcp_proxy: { prot: 1 }',
    args: ['--url', 'http://127.0.0.1:9'],
    checks: { configuration: /did you mean port/, gateway: /did you mean port|nobody answers/ },
  },
  {
    why: 'a gateway that is not there',
    file: 'mcp_proxy: { port: 9 }',
    args: [],
    checks: { gateway: /^nobody answers at http:\/\/127\.0\.0\.1:9: connection refused$/ },
  },
])('says so of $why', async ({ file, args, checks }) => {
  using folder = temporaryDirectory({ 'compozy.yaml': file })
  const { exitCode, of } = await examined(folder.path, args)
  expect(exitCode).toBe(1)
  for (const [check, finding] of Object.entries(checks)) {
    expect(of(check)[0]?.result).toBe('fault')
    expect(of(check)[0]?.finding).toMatch(finding)
  }
})

test('says what the running gateway does otherwise than the configuration, and that its state directory is gone', async () => {
  await using gateway = await startGatewayProcess({
    via,
    config: { mcp_proxy: { storage: { path: 'kept' } } },
    args: ['--mcp-host', '0.0.0.0'],
  })
  const { port } = new URL(gateway.url)
  const healthy = await examined(gateway.directory, ['--mcp-port', port])
  expect(healthy.of('state directory')[0]?.result).toBe('ok')
  rmSync(`${gateway.directory}/kept`, { recursive: true })
  const { of } = await examined(gateway.directory, ['--mcp-port', port])
  expect(of('state directory')).toMatchObject([
    { result: 'fault', finding: expect.stringContaining('was deleted under the running gateway') },
  ])
  // A machine without a network has no address at which others could come in.
  const reachable = Object.values(networkInterfaces()).some((all) => all?.some(({ internal }) => !internal))
  const doors = reachable
    ? { result: 'fault', finding: expect.stringContaining('but the running gateway listens on') }
    : { result: 'ok', finding: 'by the configuration it listens on 127.0.0.1, which is this machine alone' }
  expect(of('doors')).toMatchObject([doors])
  const named = await examined(gateway.directory, ['--url', gateway.url])
  expect(named.of('doors')).toMatchObject([{ result: 'ok' }])
})

test('gives its advice once where it is let in nowhere', async () => {
  await using gateway = await startGatewayProcess({
    via,
    config: { mcp_proxy: { auth: { admin_tokens: ['the-admin-token-of-it'] } } },
  })
  using folder = temporaryDirectory()
  const { of } = await examined(folder.path, ['--url', gateway.url])
  const { finding = '', cure = '' } = of('admin API')[0] ?? {}
  expect(`${finding} ${cure}`.split('--token')).toHaveLength(2)
  expect(cure).not.toContain('machine of the gateway')
})
