/**
 * The console under load, in a real Chromium: a hundred servers, five thousand tools, two hundred calls a second.
 * `bun run test:long:console` runs it; it takes the machine for itself.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { chromiumPath, type Page, startChromium } from '../support/chromium.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { ListingServer } from '../support/listing-server.ts'

const wanted = process.env['CONSOLE_FLOWS'] === 'all' && existsSync(chromiumPath)
const serversCount = 100
const toolsOfEach = 50
const callsPerSecond = 200
const lookMs = 10_000

const tools = Array.from({ length: toolsOfEach }, (_, at) => ({
  name: at === 0 ? 'echo' : `tool_${at}`,
  description: `Does the thing number ${at}, with a description as long as such descriptions are in life.`,
  inputSchema: { type: 'object', properties: { text: { type: 'string', description: 'A text.' } } },
}))

/** Calls at a steady pace until it is stopped; resolves with how many there were. */
function callSteadily(gateway: RunningGateway): { stop(): Promise<number> } {
  let stopped = false
  let calls = 0
  const call = async () => {
    const answer = await fetch(`${gateway.url}/admin/tools/call`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ mcpName: `server-${calls++ % serversCount}`, toolName: 'echo', arguments: {} }),
    })
    await answer.body?.cancel()
  }
  const begunMs = performance.now()
  const run = async () => {
    while (!stopped) {
      const due = ((performance.now() - begunMs) / 1_000) * callsPerSecond
      while (calls < due) void call().catch(() => {})
      await Bun.sleep(5)
    }
    return calls
  }
  const running = run()
  return {
    stop() {
      stopped = true
      return running
    },
  }
}

/** Processor time of the gateway so far. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

interface Seen {
  readonly longTasks: number[]
  readonly frameMs: number
}

/** Long tasks, and the median time of a frame, in the next seconds. */
function watch(page: Page): Promise<Seen> {
  return page.evaluate<Seen>(`new Promise((resolve) => {
    const longTasks = [], frames = []
    const observer = new PerformanceObserver((list) => longTasks.push(...list.getEntries().map(({ duration }) => Math.round(duration))))
    observer.observe({ type: 'longtask' })
    let last = performance.now()
    const frame = (now) => { frames.push(now - last); last = now; requestAnimationFrame(frame) }
    requestAnimationFrame(frame)
    setTimeout(() => {
      observer.disconnect()
      frames.sort((a, b) => a - b)
      resolve({ longTasks, frameMs: frames[Math.floor(frames.length / 2)] })
    }, ${lookMs})
  })`)
}

describe.skipIf(!wanted)('the console under load', () => {
  test('is ready at once, draws every frame, and costs the gateway little', async () => {
    using server = new ListingServer('server', { era: 'modern', tools })
    const { url } = server.definition
    const mcps = Array.from({ length: serversCount }, (_, at) => ({
      name: `server-${at}`,
      description: `Server number ${at}`,
      transport: 'streamable-http',
      url,
    }))
    await using gateway = await startGatewayProcess({ via: 'executable', config: { mcps } })
    const load = callSteadily(gateway)
    await Bun.sleep(3_000)
    const closedFrom = cpuMs(gateway.pid)
    await Bun.sleep(lookMs)
    const closedMs = cpuMs(gateway.pid) - closedFrom

    await using chromium = await startChromium()
    const { page } = chromium
    await page.open(`${gateway.url}/console`)
    await page.until(`document.querySelectorAll('tbody tr').length === ${serversCount}`)
    await page.open(`${gateway.url}/console#/servers`)
    const opening = await page.evaluate<number>(`new Promise((resolve) => new PerformanceObserver((list) =>
      resolve(Math.max(...list.getEntries().map(({ startTime }) => startTime)))).observe({ type: 'paint', buffered: true }))`)
    // Tools of all servers are asked for by now.
    await page.until(`!document.querySelector('main').innerText.includes('–\\n–\\n–')`)
    await Bun.sleep(3_000)
    const openFrom = cpuMs(gateway.pid)
    const seen = await watch(page)
    const openMs = cpuMs(gateway.pid) - openFrom
    const calls = await load.stop()
    const found = {
      opening: Math.round(opening),
      longTasks: seen.longTasks,
      frameMs: seen.frameMs,
      gatewayPercent: ((openMs - closedMs) / lookMs) * 100,
      closedPercent: (closedMs / lookMs) * 100,
      calls,
    }
    console.log(JSON.stringify(found))
    expect(found.opening).toBeLessThan(300)
    expect(Math.max(0, ...seen.longTasks)).toBeLessThanOrEqual(50)
    expect(1_000 / seen.frameMs).toBeGreaterThanOrEqual(55)
    expect(found.gatewayPercent).toBeLessThan(3)
  }, 120_000)
})
