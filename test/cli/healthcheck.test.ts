/** `compozy healthcheck`, as a container runtime calls it. */
import { describe, expect, test } from 'bun:test'
import { startGatewayProcess } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { runCommand } from './run-command.ts'

const via = 'executable'

describe('healthcheck', () => {
  test('exits with 0 while the gateway serves and with 1 once it has stopped', async () => {
    await using gateway = await startGatewayProcess({ via })
    const cwd = gateway.directory
    const port = new URL(gateway.url).port
    const ways: readonly [readonly string[], Readonly<Record<string, string>>][] = [
      [['--url', gateway.url], {}],
      [['--url', `${gateway.url}/healthz`], {}],
      [['--mcp-port', port], {}],
      [[], { MCP_PROXY_PORT: port }],
      [[], { MCP_PROXY_PORT: port, MCP_PROXY_HOST: '0.0.0.0' }],
    ]
    for (const [args, env] of ways) {
      expect(await runCommand(['healthcheck', ...args], { via, cwd, env })).toEqual({
        exitCode: 0,
        stdout: '',
        stderr: '',
      })
    }
    await gateway.process.stop()
    expect(await runCommand(['healthcheck', '--url', gateway.url], { via, cwd: '/' })).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `compozy: ${gateway.url}/healthz does not answer: connection refused\n`,
    })
  })

  test.each([
    {
      why: 'another status',
      answer: () => Response.json({ status: 'draining' }, { status: 503 }),
      reason: 'answered 503 {"status":"draining"}',
    },
    {
      why: 'a redirect, because the gateway sends none',
      answer: () => Response.redirect('/elsewhere', 302),
      reason: 'answered 302',
    },
    {
      why: 'silence',
      answer: () => new Promise<Response>(() => {}),
      reason: 'does not answer: no answer in time',
    },
  ])('exits with 1 for $why', async ({ answer, reason }) => {
    const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: answer })
    try {
      using directory = temporaryDirectory()
      const args = ['healthcheck', '--url', server.url.origin, '--timeout', '500ms']
      expect(await runCommand(args, { via, cwd: directory.path })).toEqual({
        exitCode: 1,
        stdout: '',
        stderr: `compozy: ${server.url.origin}/healthz ${reason}\n`,
      })
    } finally {
      await server.stop(true)
    }
  })
})
