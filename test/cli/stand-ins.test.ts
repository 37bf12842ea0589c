/** What the distroless image has in place of `wget` and of a shell, called as a container runtime does. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { commandOf, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { startProcess } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const place = temporaryDirectory()
const [compozy = ''] = commandOf('executable')
let gateway: RunningGateway
let port: string

beforeAll(async () => {
  for (const name of ['wget', 'sh']) symlinkSync(compozy, join(place.path, name))
  gateway = await startGatewayProcess({ via: 'executable' })
  port = new URL(gateway.url).port
})

afterAll(async () => {
  await gateway.stop()
  place[Symbol.dispose]()
})

async function run(command: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = Bun.spawn(
    command.map((word) => word.replaceAll('PORT', port)),
    { env: { PATH: place.path, HOME: place.path, ...env }, cwd: place.path, stdout: 'pipe', stderr: 'pipe' },
  )
  const [exitCode, stdout, stderr] = await Promise.all([
    child.exited,
    child.stdout.text(),
    child.stderr.text(),
  ])
  return { exitCode, stdout, stderr }
}

const silence = { exitCode: 0, stdout: '', stderr: '' }

describe('under the name wget', () => {
  test.each([
    {
      why: 'the words of the published Compose file',
      args: ['--no-verbose', '--tries=1', '--spider', 'http://localhost:PORT/healthz'],
    },
    {
      why: 'the short forms',
      args: ['-q', '-nv', '-t1', '-T2', '--spider', 'http://127.0.0.1:PORT/healthz'],
    },
    {
      why: 'a time-out',
      args: ['--spider', '--quiet', '--timeout=3', 'http://127.0.0.1:PORT/healthz'],
    },
  ])('exits with 0 for $why while the gateway serves', async ({ args }) => {
    expect(await run(['wget', ...args])).toEqual(silence)
  })

  test.each([
    { why: 'an error', url: 'http://127.0.0.1:PORT/nothing', exitCode: 8, reason: 'answered 404' },
    { why: 'no answer', url: 'http://127.0.0.1:1/healthz', exitCode: 4, reason: 'connection refused' },
  ])('exits as wget does for $why, and says it', async ({ url, exitCode, reason }) => {
    const outcome = await run(['wget', '--spider', url])
    expect(outcome).toMatchObject({ exitCode, stdout: '' })
    expect(outcome.stderr).toMatch(new RegExp(`^wget: http\\S+ .*${reason}\n$`))
  })

  test.each([
    { why: 'it downloads nothing', args: ['http://127.0.0.1:PORT/healthz'] },
    { why: 'it writes no file', args: ['--spider', '-O-', 'http://127.0.0.1:PORT/healthz'] },
    { why: 'there is no URL', args: ['--spider'] },
    { why: 'two URLs', args: ['--spider', 'http://127.0.0.1:PORT/', 'http://127.0.0.1:PORT/'] },
    { why: 'it knows HTTP only', args: ['--spider', 'ftp://127.0.0.1/'] },
  ])('does not pretend to be more: $why', async ({ args }) => {
    const outcome = await run(['wget', ...args])
    expect(outcome.exitCode).toBe(2)
    expect(outcome.stderr).toContain('this is compozy, which knows of wget only --spider URL')
  })
})

describe('under the name sh', () => {
  test.each([
    {
      line: 'wget --no-verbose --tries=1 --spider http://localhost:PORT/healthz || exit 1',
      exitCode: 0,
      why: 'the line of the published Dockerfile',
    },
    { line: 'wget -q --spider http://127.0.0.1:1/healthz || exit 1', exitCode: 1, why: 'its failure' },
    { line: 'wget -q --spider http://127.0.0.1:1/healthz', exitCode: 4, why: 'failure without an exit' },
    { line: 'compozy healthcheck --mcp-port PORT||exit 3', exitCode: 0, why: 'the own health check' },
    { line: ' compozy healthcheck --mcp-port 1 || exit 3 ', exitCode: 3, why: 'its failure' },
  ])('runs $why', async ({ line, exitCode }) => {
    expect((await run(['sh', '-c', line])).exitCode).toBe(exitCode)
  })

  test.each([
    'apt-get update',
    'wget -q --spider http://127.0.0.1:PORT/healthz; true',
    'wget -q --spider http://127.0.0.1:PORT/healthz && true',
    'wget -q --spider http://127.0.0.1:PORT/$(id)',
    'compozy --version > /tmp/file',
    "compozy 'healthcheck'",
    '',
  ])('refuses, whole, what would need a real one: %s', async (line) => {
    const outcome = await run(['sh', '-c', line])
    expect(outcome).toMatchObject({ exitCode: 127, stdout: '' })
    expect(outcome.stderr).toContain('this image has no shell')
  })

  test.each([
    { args: [] },
    { args: ['-i'] },
    { args: ['-c'] },
    { args: ['-c', 'compozy --version', 'more'] },
  ])('is no shell for a person either: $args', async ({ args }) => {
    expect(await run(['sh', ...args])).toMatchObject({ exitCode: 127, stdout: '' })
  })

  test('runs the gateway of a CMD that is one line', async () => {
    await using running = startProcess({
      command: ['sh', '-c', 'compozy mcp-proxy --mcp-port 0 --mcp-log-format json'],
      cwd: place.path,
      env: { PATH: place.path, HOME: place.path },
    })
    await running.line((line) => line.includes('listening'))
    expect(await running.stop()).toBe(0)
  })
})

test('a proxy of the environment is not asked about this machine, and sees no admin token', async () => {
  const asked: string[] = []
  const proxy = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request) => {
      asked.push(`${request.url} ${request.headers.get('authorization')}`)
      return new Response('', { status: 502 })
    },
  })
  const env = { HTTP_PROXY: proxy.url.origin, http_proxy: proxy.url.origin, PATH: place.path }
  try {
    const commands = [
      ['wget', '--spider', 'http://localhost:PORT/healthz'],
      [compozy, 'healthcheck', '--mcp-port', 'PORT'],
      [compozy, 'servers', 'list', '--mcp-port', 'PORT', '--token', 'admin-secret'],
    ]
    for (const command of commands)
      expect({ command, ...(await run(command, env)) }).toMatchObject({ exitCode: 0 })
    expect(asked).toEqual([])
  } finally {
    await proxy.stop(true)
  }
})
