/** Where the output of a command goes: what cannot be written is told, and a reader that leaves is no fault. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { type RunningGateway, repository, startGatewayProcess } from '../support/gateway.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'

const executable = `${repository}/dist/compozy`
let gateway: RunningGateway

beforeAll(async () => {
  gateway = await startGatewayProcess({
    via: 'executable',
    config: { mcps: [{ name: 'raw', transport: 'stdio', ...commandOfRawServer() }] },
  })
})

afterAll(() => gateway?.stop())

/** A line of a real shell, in which `$C` is the executable and `$U` names the gateway. */
async function shell(line: string) {
  const child = Bun.spawn(['bash', '-o', 'pipefail', '-c', line], {
    cwd: gateway.directory,
    env: { PATH: process.env['PATH'] ?? '', C: executable, U: `--url=${gateway.url}` },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  return { exitCode: await child.exited, stdout, stderr }
}

const commands = [
  '--version',
  '--help',
  'config schema',
  'config print',
  'config check --mcp-port 0',
  'completion bash',
  'servers list $U',
  'servers export $U',
  'servers get raw $U',
  'servers snippet raw --client cursor $U --json',
  'groups list $U',
]

describe.skipIf(!existsSync('/dev/full'))('output that cannot be written', () => {
  test.each(commands)('%s tells a full disk in one line, and exits with 1', async (command) => {
    expect(await shell(`$C ${command} > /dev/full`)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'compozy: cannot write the output: no space left on the device\n',
    })
  })

  test('a standard output that is closed is told; one that goes nowhere is well', async () => {
    expect(await shell('$C --version >&-')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'compozy: cannot write the output: standard output is closed\n',
    })
    expect(await shell('$C --version > /dev/null')).toEqual({ exitCode: 0, stdout: '', stderr: '' })
  })
})

test('a reader that leaves early is no fault', async () => {
  for (const command of ['config schema', 'servers list $U'])
    expect(await shell(`$C ${command} | true`)).toEqual({ exitCode: 0, stdout: '', stderr: '' })
})

test('a reader that is slow gets everything', async () => {
  const whole = await shell('$C config schema')
  const slow = await shell('$C config schema | (sleep 0.3; cat)')
  expect(whole.stdout.length).toBeGreaterThan(20_000)
  expect(slow).toEqual(whole)
})

test('a command that goes on ends with its reader, whether or not there is more to say', async () => {
  const begunMs = performance.now()
  // The log has nothing more to say, and nothing changes in the list.
  const [list, log] = await Promise.all([
    shell('$C servers list --watch --json $U | head -1 | wc -l'),
    shell('$C servers logs raw -f $U | true'),
  ])
  expect([list, log]).toEqual([
    { exitCode: 0, stdout: '1\n', stderr: '' },
    { exitCode: 0, stdout: '', stderr: '' },
  ])
  expect(performance.now() - begunMs).toBeLessThan(4_000)
})
