/** Servers that start slowly, never, or not at all: who waits, what is said, what is left behind. */
import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { documentedFetch } from '../support/api-document.ts'
import { callerWays, openCaller } from '../support/callers.ts'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { alive, descendants } from '../support/process-facts.ts'
import { RawClient } from '../support/raw-client.ts'
import { faultStdio, rawStdio, statusOf, untilStatus } from '../support/supervised.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

describe('a server that takes its time to start', () => {
  /** Starts once the file is there. */
  function slowStart(name: string, flag: string, extra: Record<string, unknown> = {}) {
    const { args } = rawStdio(name)
    const script = `while [ ! -e ${flag} ]; do sleep 0.05; done; exec ${process.execPath} ${args.join(' ')}`
    return { name, transport: 'stdio', command: 'sh', args: ['-c', script], ...extra }
  }

  test.concurrent('is waited for by initialize and by a modern call, which then succeed', async () => {
    using directory = temporaryDirectory()
    const flag = join(directory.path, 'go')
    await using gateway = await startGatewayProcess({
      via: 'executable',
      untilReady: false,
      config: { mcps: [slowStart('slow', flag)] },
    })
    // The listener answers at once.
    expect((await documentedFetch(`${gateway.url}/healthz`)).status).toBe(200)
    expect((await documentedFetch(`${gateway.url}/readyz`)).status).toBe(503)
    const callers = callerWays.map((way) => openCaller(gateway, 'slow', way))
    const calls = callers.map(async (caller, n) => (await caller).call(n, 'echo', { secret: `${n}` }))
    await untilStatus(gateway, 'slow', 'connecting')
    await Bun.write(flag, '')
    const outcomes = await Promise.all(calls)
    expect(outcomes.map(({ answer }) => answer.result?.structuredContent)).toEqual(
      callerWays.map((_, n) => ({ secret: `${n}` })),
    )
    for (const caller of callers) await (await caller).close()
  })

  test.concurrent('is not waited for longer than the bound: callers hear that it is starting', async () => {
    using directory = temporaryDirectory()
    const flag = join(directory.path, 'go')
    await using gateway = await startGatewayProcess({
      via: 'executable',
      untilReady: false,
      config: { mcp_proxy: { timeouts: { start_wait: '300ms' } }, mcps: [slowStart('slow', flag)] },
    })
    await untilStatus(gateway, 'slow', 'connecting')
    const refusal = await RawClient.open(gateway.face('slow', 'stream')).then(
      () => 'opened',
      (thrown: Error) => thrown.message,
    )
    expect(refusal).toStartWith('503 ')
    expect(refusal).toContain('SERVER_STARTING')
    await using modern = await openCaller(gateway, 'slow', 'modern')
    const outcome = await modern.call(1, 'echo', { secret: 'x' })
    expect(outcome).toMatchObject({ status: 200, answer: { id: 1 } })
    expect(outcome.answer.error?.data).toEqual({ code: 'SERVER_STARTING', retryAfterMs: 5000 })
    // What was being prepared goes on, and serves whoever comes back.
    expect((await statusOf(gateway, 'slow')).status).toBe('connecting')
    await Bun.write(flag, '')
    await untilStatus(gateway, 'slow', 'connected')
    expect((await modern.call(2, 'echo', { secret: 'y' })).answer.result).toMatchObject({
      structuredContent: { secret: 'y' },
    })
  })

  test.concurrent('is given up after its own startTimeout, not after the timeout of calls', async () => {
    await using gateway = await startGatewayProcess({
      via: 'executable',
      untilReady: false,
      config: {
        mcp_proxy: { timeouts: { stop_grace: '200ms' } },
        mcps: [
          faultStdio('short', 'deaf', { startTimeout: '400ms', timeout: '60s', autoReconnect: false }),
          faultStdio('long', 'deaf', { startTimeout: '60s', timeout: '400ms' }),
        ],
      },
    })
    const failed = await untilStatus(gateway, 'short', 'error')
    expect(failed.lastError).toContain('no answer to initialize within')
    expect((await statusOf(gateway, 'long')).status).toBe('connecting')
  })
})

describe('nothing is left of a start', () => {
  test.concurrent.each([
    { mode: 'deaf', extra: { startTimeout: '300ms' }, says: 'no answer to initialize' },
    { mode: 'exit-at-once', extra: {}, says: 'set FILES_ROOT' },
    { mode: 'close-stdout', extra: {}, says: 'closed its output' },
    { mode: 'refuse', extra: {}, says: 'no handshake here' },
  ])('that fails because the server is $mode', async ({ mode, extra, says }) => {
    await using gateway = await startGatewayProcess({
      via: 'executable',
      untilReady: false,
      config: {
        mcp_proxy: { timeouts: { stop_grace: '200ms' } },
        mcps: [faultStdio('bad', mode, { ...extra, autoReconnect: false })],
      },
    })
    const { lastError } = await untilStatus(gateway, 'bad', 'error')
    expect(lastError).toContain(says)
    // One process stays: the watchdog.
    await poll('the process to be gone', async () => descendants(gateway.pid).length <= 1, 3000)
    expect((await statusOf(gateway, 'bad')).processes).toBe(0)
  })

  test.concurrent('that is cut short by DELETE, which does not wait for it', async () => {
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: { mcp_proxy: { timeouts: { stop_grace: '200ms' } } },
    })
    const added = await gateway.admin('/mcps', { method: 'POST', body: faultStdio('deaf', 'deaf') })
    expect(added.status).toBe(201)
    await poll('its process', async () => descendants(gateway.pid).length === 2)
    const processes = descendants(gateway.pid)
    const startedAtMs = performance.now()
    const removed = await gateway.admin('/mcps/deaf', { method: 'DELETE' })
    expect(removed.status).toBe(204)
    expect(performance.now() - startedAtMs).toBeLessThan(3000)
    await poll('its end', async () => processes.filter(alive).length <= 1, 1000)
  })

  test.concurrent('that is cut short by SIGTERM', async () => {
    await using gateway = await startGatewayProcess({
      via: 'executable',
      untilReady: false,
      config: { mcp_proxy: { timeouts: { stop_grace: '200ms' } }, mcps: [faultStdio('deaf', 'deaf')] },
    })
    await poll('its process', async () => descendants(gateway.pid).length === 2)
    const processes = descendants(gateway.pid)
    const startedAtMs = performance.now()
    expect(await gateway.stop()).toBe(0)
    expect(performance.now() - startedAtMs).toBeLessThan(3000)
    await poll('their end', async () => !processes.some(alive), 1000)
  })

  test.concurrent('of a session whose client has gone away meanwhile', async () => {
    using directory = temporaryDirectory()
    const flag = join(directory.path, 'started')
    // The first process serves the gateway itself; every later one never answers.
    const { args } = rawStdio('twice')
    const script = `if [ -e ${flag} ]; then cat >/dev/null; else touch ${flag}; exec ${process.execPath} ${args.join(' ')}; fi`
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: {
        mcp_proxy: { timeouts: { session_idle: '300ms', stop_grace: '200ms' } },
        mcps: [
          { name: 'twice', transport: 'stdio', command: 'sh', args: ['-c', script], startTimeout: '60s' },
        ],
      },
    })
    expect(existsSync(flag)).toBe(true)
    const before = descendants(gateway.pid).length
    const aborted = new AbortController()
    const hello = {
      protocolVersion: '2025-11-25',
      capabilities: { roots: {} },
      clientInfo: { name: 'x', version: '1' },
    }
    const opening = fetch(gateway.face('twice', 'stream'), {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: hello }),
      signal: aborted.signal,
    }).catch(() => null)
    await poll('the process of its own', async () => descendants(gateway.pid).length > before)
    aborted.abort()
    await opening
    await poll('its end', async () => descendants(gateway.pid).length === before, 5000)
    await poll('the books', async () => (await statusOf(gateway, 'twice')).processes === 1, 1000)
    expect(await statusOf(gateway, 'twice')).toMatchObject({ status: 'connected', sessions: 0 })
  })
})
