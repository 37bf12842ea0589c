/** Commands that talk to a gateway need neither the servers of the file nor the variables that they refer to. */
import { describe, expect, test } from 'bun:test'
import { startGatewayProcess } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { runCommand } from './run-command.ts'

const via = 'executable'
const unset = (name: string) => `$\{${name}}`

describe('with a file whose variables only the gateway has', () => {
  const fileFor = (port: string) => ({
    'compozy.yaml': JSON.stringify({
      mcp_proxy: { port, auth: { admin_tokens: ['an-admin'], global_tokens: [unset('CLIENT_TOKEN')] } },
      mcps: [{ name: 'docs', transport: 'sse', url: unset('DOCS_URL') }],
    }),
  })

  test('healthcheck and servers list find the gateway and use its admin token', async () => {
    await using gateway = await startGatewayProcess({
      via,
      untilReady: false,
      env: { MCP_PROXY_ADMIN_TOKENS: 'an-admin' },
    })
    using directory = temporaryDirectory(fileFor(new URL(gateway.url).port))
    const run = (...args: string[]) => runCommand(args, { via, cwd: directory.path })
    expect(await run('healthcheck')).toEqual({ exitCode: 0, stdout: '', stderr: '' })
    expect(await run('servers', 'list')).toMatchObject({ exitCode: 0, stderr: '' })
  })

  test('a command names the variable that it needs itself, and the gateway names all of them', async () => {
    using directory = temporaryDirectory(fileFor('6001'))
    const run = (...args: string[]) => runCommand(args, { via, cwd: directory.path })
    const missing = (place: string, name: string) =>
      `compozy: compozy.yaml: ${place}: the environment variable ${name} is not set; set it or write $\{${name}:-default}\n`
    const token = missing('mcp_proxy.auth.global_tokens[0]', 'CLIENT_TOKEN')
    expect(await run('servers', 'try', 'docs')).toEqual({ exitCode: 1, stdout: '', stderr: token })
    expect(await run('mcp-proxy')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: token + missing('mcps[0].url', 'DOCS_URL'),
    })
  })
})
