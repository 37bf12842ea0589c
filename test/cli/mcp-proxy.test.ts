/** `compozy mcp-proxy` as a process: what it says, how signals end it, how it reads its file again. */
import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  gatewayForms,
  poll,
  type RunningGateway,
  repository,
  startGatewayProcess,
} from '../support/gateway.ts'

const everything = `${repository}/node_modules/@modelcontextprotocol/server-everything/dist/index.js`

const withServer = {
  mcp_proxy: { shutdown_timeout: '20s' },
  mcps: [{ name: 'everything', transport: 'stdio', command: process.execPath, args: [everything] }],
}

/** Resolves once the server is at work on a call of fifteen seconds; what becomes of it is nobody's matter. */
async function slowCall(gateway: RunningGateway): Promise<void> {
  const client = new Client({ name: 'cli', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(gateway.face('everything', 'stream')) as Transport)
  const call = { name: 'trigger-long-running-operation', arguments: { duration: 15, steps: 150 } }
  const { promise, resolve } = Promise.withResolvers<void>()
  client.callTool(call, undefined, { onprogress: () => resolve() }).catch(() => {})
  await promise
}

/** The servers' processes; the gateway's watchdog is a child too, and ends by itself a moment later. */
function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  const isWatchdog = (child: string) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('__watchdog')
  return children.filter((child) => child !== '' && !isWatchdog(child)).map(Number)
}

describe.each([...gatewayForms])('as %s', (via) => {
  test.concurrent('says on one line where it listens and which servers it has', async () => {
    await using gateway = await startGatewayProcess({ via, config: withServer })
    const line = gateway.lines().find((candidate) => candidate.includes('"listening"')) ?? '{}'
    expect(JSON.parse(line)).toMatchObject({
      level: 'info',
      msg: 'listening',
      url: gateway.url,
      servers: ['everything'],
      config: 'compozy.yaml',
    })
  })

  test.concurrent('raises the cap on requests in flight by replacing itself, once, under the same pid', async () => {
    await using gateway = await startGatewayProcess({ via })
    const environment = readFileSync(`/proc/${gateway.pid}/environ`, 'utf8').split('\0')
    expect(environment).toContain('BUN_CONFIG_MAX_HTTP_REQUESTS=20000')
    await using other = await startGatewayProcess({ via, env: { BUN_CONFIG_MAX_HTTP_REQUESTS: '300' } })
    const kept = readFileSync(`/proc/${other.pid}/environ`, 'utf8').split('\0')
    expect(kept).toContain('BUN_CONFIG_MAX_HTTP_REQUESTS=300')
  })

  test.concurrent.each(['SIGTERM', 'SIGINT'] as const)(
    '%s ends it with 0 and leaves no process',
    async (signal) => {
      await using gateway = await startGatewayProcess({ via, config: withServer })
      const children = childrenOf(gateway.pid)
      expect(children).toHaveLength(1)
      gateway.process.signal(signal)
      expect(await gateway.process.exited).toBe(0)
      expect(() => process.kill(Number(children[0]), 0)).toThrow('ESRCH')
    },
  )
})

describe('while a call runs', () => {
  test.concurrent('an echo of the signal, as a terminal and bun run make it, does not cut the call short', async () => {
    await using gateway = await startGatewayProcess({ via: 'executable', config: withServer })
    await slowCall(gateway)
    gateway.process.signal('SIGINT')
    gateway.process.signal('SIGINT')
    await gateway.process.line((line) => line.includes('stopping'))
    expect(await Promise.race([gateway.process.exited, Bun.sleep(700).then(() => 'alive')])).toBe('alive')
    await gateway.kill()
  })

  test.concurrent('a second signal ends it at once, with the code of that signal', async () => {
    await using gateway = await startGatewayProcess({ via: 'executable', config: withServer })
    await slowCall(gateway)
    const [child] = childrenOf(gateway.pid)
    gateway.process.signal('SIGTERM')
    await gateway.process.line((line) => line.includes('stopping'))
    // Right behind the first it would count as its echo.
    await Bun.sleep(400)
    const begunMs = performance.now()
    gateway.process.signal('SIGINT')
    expect(await gateway.process.exited).toBe(130)
    expect(performance.now() - begunMs).toBeLessThan(5000)
    await poll('the child to be gone', async () => {
      try {
        return !process.kill(Number(child), 0)
      } catch {
        return true
      }
    })
  })
})

describe('SIGHUP', () => {
  const tokens = (...values: readonly string[]) => ({ mcp_proxy: { auth: { admin_tokens: values } } })

  async function statusWith(gateway: RunningGateway, token: string): Promise<number> {
    const answer = await gateway.admin('/mcps', { headers: { authorization: `Bearer ${token}` } })
    await answer.arrayBuffer()
    return answer.status
  }

  test.concurrent('takes new tokens from the file, and keeps the old ones when the file is broken', async () => {
    await using gateway = await startGatewayProcess({ via: 'executable', config: tokens('old') })
    const file = join(gateway.directory, 'compozy.yaml')
    expect([await statusWith(gateway, 'old'), await statusWith(gateway, 'new')]).toEqual([200, 401])

    writeFileSync(file, JSON.stringify(tokens('new')))
    gateway.process.signal('SIGHUP')
    await gateway.process.line((line) => line.includes('configuration read again'))
    expect([await statusWith(gateway, 'old'), await statusWith(gateway, 'new')]).toEqual([401, 200])

    writeFileSync(file, 'mcp_proxy: [')
    gateway.process.signal('SIGHUP')
    const line = await gateway.process.line((candidate) => candidate.includes('not taken'))
    expect(JSON.parse(line)).toMatchObject({
      level: 'error',
      reason: expect.stringMatching(/^compozy\.yaml:\d+:\d+: /),
    })
    expect([await statusWith(gateway, 'old'), await statusWith(gateway, 'new')]).toEqual([401, 200])
  })
})
