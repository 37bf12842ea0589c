/** The gateway in a real terminal: closed, kept, asked to stop. */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCaller } from '../support/callers.ts'
import { poll } from '../support/gateway.ts'
import { alive, descendants } from '../support/process-facts.ts'
import { rawStdio } from '../support/supervised.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'
import { compozy, startInTerminal } from '../support/terminal.ts'

const place = (settings: object = {}): TemporaryDirectory =>
  temporaryDirectory({
    'compozy.yaml': JSON.stringify({ mcp_proxy: { port: 0, ...settings }, mcps: [rawStdio('raw')] }),
  })

async function untilServing(pid: number): Promise<number[]> {
  await poll('the process of the server', async () => descendants(pid).length > 1)
  return descendants(pid)
}

const gone = (pids: readonly number[]) => poll('the last process', async () => !pids.some(alive), 15_000)

describe('a terminal that is closed', () => {
  test.each([
    { why: 'in the foreground', line: `exec ${compozy} mcp-proxy` },
    { why: 'whose output goes through a pipe', line: `${compozy} mcp-proxy | cat > out` },
    {
      why: 'in the background, with all its streams led elsewhere',
      line: `exec bash --norc -ic '${compozy} mcp-proxy < /dev/null > out 2>&1 & sleep 100'`,
    },
    {
      why: 'as a child of a script that passes nothing on',
      line: `sh -c '${compozy} mcp-proxy < /dev/null > out 2>&1; true'`,
    },
  ])('ends a gateway $why, and its processes', async ({ line }) => {
    using directory = place()
    await using session = await startInTerminal(line, directory.path)
    const pids = [session.pid, ...(await untilServing(session.pid))]
    await session.close()
    await gone(pids)
    // In good order: a gateway that was cut off leaves this behind.
    expect(existsSync(join(directory.path, '.local/state/compozy/gateway.json'))).toBe(false)
  })

  test.each([
    { why: 'nohup', line: `nohup ${compozy} mcp-proxy > out 2>&1 & sleep 100` },
    { why: 'setsid', line: `setsid ${compozy} mcp-proxy < /dev/null > out 2>&1` },
  ])('is survived under $why, and HUP is a reload', async ({ line }) => {
    using directory = place()
    await using session = await startInTerminal(line, directory.path)
    await untilServing(session.pid)
    await session.close()
    const readAgain = () => readFileSync(join(directory.path, 'out'), 'utf8').split('read again').length - 1
    const before = readAgain()
    process.kill(session.pid, 'SIGHUP')
    await poll('a reload', async () => readAgain() > before)
    const answer = await fetch(`${session.url}/healthz`)
    expect(answer.status).toBe(200)
  })
})

test('HUP in a terminal that is still there is a reload', async () => {
  using directory = place()
  await using session = await startInTerminal(`exec ${compozy} mcp-proxy`, directory.path)
  process.kill(session.pid, 'SIGHUP')
  await session.terminal.line((line) => line.includes('configuration read again'))
  // The last look for the terminal is two seconds after the signal.
  expect((await fetch(`${session.url}/livez`)).status).toBe(200)
})

test('Ctrl+C says at once what is waited for, and a second one ends it at once', async () => {
  using directory = place({ logging: { level: 'error' } })
  await using session = await startInTerminal(`exec ${compozy} mcp-proxy`, directory.path)
  await untilServing(session.pid)
  const face = (name: string, way: 'stream' | 'sse') => new URL(`${session.url}/mcp-proxy/${name}/${way}`)
  await using caller = await openCaller({ face }, 'raw', 'modern')
  const call = caller.call(1, 'slow', { ms: 60_000 }).catch(() => null)
  await poll('the call to arrive', async () => {
    const metrics = (await (await fetch(`${session.url}/admin/metrics`)).json()) as {
      totals: { inFlight: number }
    }
    return metrics.totals.inFlight === 1
  })
  const pressedAtMs = performance.now()
  session.terminal.write('\u0003')
  const line = await session.terminal.line((text) => text.includes('in flight'))
  expect(performance.now() - pressedAtMs).toBeLessThan(1_000)
  expect(line).toContain(
    'compozy: stopping; 1 call in flight (raw: 1) may take 10s more. Ctrl+C again ends at once.',
  )
  // Said again as long as it lasts.
  await session.terminal.line((text) => /in flight \(raw: 1\) may take [5-8]s more/.test(text))
  session.terminal.write('\u0003')
  expect(await session.terminal.exited).toBe(130)
  await call
})

test('Ctrl+C without a call in flight ends it within a second, and says no more than that', async () => {
  using directory = place({ logging: { level: 'error' } })
  await using session = await startInTerminal(`exec ${compozy} mcp-proxy`, directory.path)
  await untilServing(session.pid)
  const pressedAtMs = performance.now()
  session.terminal.write('\u0003')
  expect(await session.terminal.exited).toBe(0)
  expect(performance.now() - pressedAtMs).toBeLessThan(1_500)
  expect(session.terminal.lines().filter((line) => line.includes('stopping'))).toHaveLength(1)
})
