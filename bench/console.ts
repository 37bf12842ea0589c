/**
 * What the console costs: bytes and time of its first load, and with a hundred servers, 5,000 tools and 200 calls a
 * second while somebody looks: long tasks and frames of the page, processor time and memory of the gateway.
 *
 *   bun run bench:console [--seconds 5] [--rounds 10] [--loads 10]
 *
 * In each round the gateway is measured unseen and with each view, one right after the other, and the median of the
 * differences counts: processor time, which is not the machine's own but for the caches that the browser takes from the
 * gateway. Loads, long tasks and frames count on a quiet machine only; what the main thread takes says which they are.
 *
 * Prints JSON, and what is out of bounds; exit code 1 for that.
 */
import { parseArgs } from 'node:util'
import type { Page } from 'playwright-core'
import {
  adminToken,
  closeBrowser,
  screens,
  signIn,
  startShownGateway,
  visit,
} from '../test/console/browser.ts'
import type { RunningGateway } from '../test/support/gateway.ts'
import { cpuTimes, cpuUsBetween, rssMib } from './child-process.ts'
import { type Interval, medianInterval } from './pair/statistics.ts'
import { median } from './report/results.ts'

const serverCount = 100
const toolsEach = 50
const callsPerSecond = 200
/** What it may cost. */
const bounds = {
  totalBytes: 150 * 1024,
  readyMs: 300,
  longestTaskMs: 50,
  framesPerSecondMin: 55,
  coreShareMore: 0.03,
} as const
const viewNames = ['servers', 'tools', 'calls'] as const
/** Until a view that was opened has all that it asks for. */
const settleMs = 3_000
const { values } = parseArgs({
  options: { seconds: { type: 'string' }, rounds: { type: 'string' }, loads: { type: 'string' } },
})
const seconds = Number(values.seconds ?? 5)
const rounds = Number(values.rounds ?? 10)
const loads = Number(values.loads ?? 10)

/** All servers in one process, each at a path of its own: what is measured is the gateway and the page. */
function startServers(): { readonly url: string; stop(): Promise<void> } {
  const tools = Array.from({ length: toolsEach }, (_, at) => ({
    name: `tool_${at}`,
    description: `The tool number ${at}, with a sentence that says what it is for.`,
    inputSchema: { type: 'object', properties: { text: { type: 'string' } } },
  }))
  const results: Readonly<Record<string, unknown>> = {
    initialize: {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'bench', version: '1' },
    },
    'tools/list': { tools },
    'tools/call': { content: [{ type: 'text', text: 'done' }] },
    ping: {},
  }
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      if (request.method !== 'POST') return new Response(null, { status: 405 })
      const { id, method } = (await request.json()) as { readonly id?: unknown; readonly method: string }
      if (id === undefined) return new Response(null, { status: 202 })
      const result = results[method]
      return Response.json(
        result === undefined
          ? { jsonrpc: '2.0', id, error: { code: -32601, message: 'no such method' } }
          : { jsonrpc: '2.0', id, result },
      )
    },
  })
  return { url: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) }
}

/** Bytes as a browser gets them, by path. */
async function firstLoadBytes(gateway: RunningGateway): Promise<Readonly<Record<string, number>>> {
  const bytes: Record<string, number> = {}
  const fetched = async (path: string): Promise<string> => {
    const response = await fetch(gateway.url + path, {
      headers: { 'accept-encoding': 'br' },
      decompress: false,
    })
    const body = await response.bytes()
    bytes[path] = body.length
    return new TextDecoder().decode(body)
  }
  const shell = await fetched('/console')
  for (const [, path = ''] of shell.matchAll(/(?:src|href)="(\/console\/[^"]+)"/g)) await fetched(path)
  return bytes
}

/** Milliseconds from the beginning of the navigation until the first server can be read, in a browser that has nothing kept. */
async function readyMs(gateway: RunningGateway): Promise<number> {
  const [desk] = screens
  if (desk === undefined) throw new Error('there is no screen')
  await using visitor = await visit(gateway, desk)
  await signIn(visitor)
  await visitor.page.getByRole('link', { name: 'server-0', exact: true }).waitFor()
  // The cookie is kept, the files are not.
  const session = await visitor.context.newCDPSession(visitor.page)
  await session.send('Network.setCacheDisabled', { cacheDisabled: true })
  await visitor.page.addInitScript(`
    const seen = () => {
      if (document.querySelector('tbody a') === null) requestAnimationFrame(seen)
      else document.documentElement.dataset.readyMs = String(performance.now())
    }
    requestAnimationFrame(seen)`)
  await visitor.page.reload()
  return Number(await visitor.page.locator('html[data-ready-ms]').getAttribute('data-ready-ms'))
}

/** Of so many loads one after the other. */
async function readyTimes(gateway: RunningGateway): Promise<number[]> {
  const times: number[] = []
  for (let at = 0; at < loads; at++) times.push(await readyMs(gateway))
  return times
}

/** One view, over all rounds. */
interface ViewFigures {
  readonly longestTaskMs: number
  /** How many were over 50 ms. */
  readonly longTasks: number
  /** What the main thread of the page takes of a core. */
  readonly mainThreadShare: Spread
  /** The median of those of the rounds. */
  readonly framesPerSecond: number
  /** What the gateway takes more of a core than unseen. */
  readonly coreShareMore: Spread
  /** What it takes once until everything is shown, in milliseconds of a core. */
  readonly openingMs: Spread
}

/** A median and its 95 % confidence interval. */
interface Spread extends Interval {
  readonly median: number
}

function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), ...medianInterval(values) }
}

function faultsOf({ longestTaskMs, framesPerSecond, coreShareMore }: ViewFigures): string[] {
  return [
    ...(longestTaskMs <= bounds.longestTaskMs ? [] : [`a task of ${longestTaskMs} ms`]),
    ...(framesPerSecond >= bounds.framesPerSecondMin ? [] : [`${framesPerSecond} frames a second`]),
    ...(coreShareMore.median < bounds.coreShareMore
      ? []
      : [`${coreShareMore.median} of a core more, at most ${coreShareMore.upper}`]),
  ]
}

interface PageFigures {
  readonly longTasksMs: readonly number[]
  readonly framesPerSecondMedian: number
}

function watchPage(page: Page, ms: number): Promise<PageFigures> {
  return page.evaluate<PageFigures>(`new Promise((resolve) => {
    const longTasksMs = []
    const observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) longTasksMs.push(duration)
    })
    observer.observe({ entryTypes: ['longtask'] })
    const gapsMs = []
    const endMs = performance.now() + ${ms}
    let lastMs = performance.now()
    const frame = (nowMs) => {
      gapsMs.push(nowMs - lastMs)
      lastMs = nowMs
      if (nowMs < endMs) return requestAnimationFrame(frame)
      observer.disconnect()
      const sorted = gapsMs.slice(1).sort((a, b) => a - b)
      resolve({ longTasksMs, framesPerSecondMedian: 1000 / sorted[Math.floor(sorted.length / 2)] })
    }
    requestAnimationFrame(frame)
  })`)
}

/** Calls at an even rate until it is stopped; says how many there were. */
async function startCalls(gateway: RunningGateway): Promise<{ stop(): Promise<number> }> {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const greeting = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1' } },
  }
  const sessions = await Promise.all(
    Array.from({ length: serverCount }, async (_, at) => {
      const url = `${gateway.url}/mcp-proxy/server-${at}/stream`
      const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(greeting) })
      await answer.text()
      return { url, id: answer.headers.get('mcp-session-id') ?? '' }
    }),
  )
  let running = true
  let calls = 0
  const work = (async () => {
    const everyMs = 1_000 / callsPerSecond
    const startedMs = performance.now()
    while (running) {
      const dueMs = startedMs + calls * everyMs
      const waitMs = dueMs - performance.now()
      if (waitMs > 0) await Bun.sleep(waitMs)
      const session = sessions[calls % sessions.length]
      const params = { name: `tool_${calls % toolsEach}`, arguments: { text: 'x' } }
      const body = JSON.stringify({ jsonrpc: '2.0', id: ++calls, method: 'tools/call', params })
      if (session !== undefined)
        void fetch(session.url, {
          method: 'POST',
          headers: { ...headers, 'mcp-session-id': session.id },
          body,
        }).then((answer) => answer.text())
    }
  })()
  return {
    async stop() {
      running = false
      await work
      return calls
    },
  }
}

/** The share of one core that the gateway takes while `work` goes on. */
async function coreShare<T>(
  gateway: RunningGateway,
  work: Promise<T>,
): Promise<{ readonly share: number; readonly got: T }> {
  const before = cpuTimes(gateway.pid)
  const startedMs = performance.now()
  const got = await work
  const after = cpuTimes(gateway.pid)
  if (before === null || after === null) throw new Error('the processor time of the gateway cannot be read')
  return { share: cpuUsBetween(before, after) / ((performance.now() - startedMs) * 1_000), got }
}

interface ViewOfRound extends PageFigures {
  readonly share: number
  readonly mainThreadShare: number
  readonly openingMs: number
}

interface Round {
  /** Shares of a core. */
  readonly unseen: number
  readonly views: Readonly<Record<string, ViewOfRound>>
}

/** Unseen, then each view; or the other way round, so that what changes with time is nobody's. */
async function measureRound(
  gateway: RunningGateway,
  page: Page,
  mainThreadS: MainThread,
  backwards: boolean,
): Promise<Round> {
  let unseen = Number.NaN
  const views: Record<string, Round['views'][string]> = {}
  const steps = ['unseen', ...viewNames] as const
  for (const step of backwards ? steps.toReversed() : steps) {
    await page.goto('about:blank')
    await Bun.sleep(500)
    if (step === 'unseen') unseen = (await coreShare(gateway, Bun.sleep(seconds * 1_000))).share
    else {
      const opening = await coreShare(gateway, openView(gateway, page, step))
      const beganS = await mainThreadS()
      const { share, got } = await coreShare(gateway, watchPage(page, seconds * 1_000))
      const mainThreadShare = ((await mainThreadS()) - beganS) / seconds
      views[step] = { ...got, mainThreadShare, share, openingMs: (opening.share - share) * opening.got }
    }
  }
  return { unseen, views }
}

/** Reads the processor time that the main thread of a page has taken for its tasks, whatever else the machine does. */
type MainThread = () => Promise<number>

async function mainThreadOf(page: Page): Promise<MainThread> {
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable', { timeDomain: 'threadTicks' })
  return async () => {
    const { metrics } = await session.send('Performance.getMetrics')
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN
  }
}

/** Resolves when everything is shown, with how long that took. */
async function openView(gateway: RunningGateway, page: Page, view: string): Promise<number> {
  const beganMs = performance.now()
  await page.goto(`${gateway.url}/console#/${view}`)
  await Bun.sleep(settleMs)
  return performance.now() - beganMs
}

function figuresOf(view: string, measured: readonly Round[]): ViewFigures {
  const of = measured.flatMap(({ views, unseen }) => {
    const found = views[view]
    return found === undefined ? [] : [{ ...found, more: found.share - unseen }]
  })
  return {
    longestTaskMs: Math.max(0, ...of.flatMap(({ longTasksMs }) => longTasksMs)),
    longTasks: of.flatMap(({ longTasksMs }) => longTasksMs).length,
    mainThreadShare: spreadOf(of.map(({ mainThreadShare }) => mainThreadShare)),
    framesPerSecond: median(of.map(({ framesPerSecondMedian }) => framesPerSecondMedian)),
    coreShareMore: spreadOf(of.map(({ more }) => more)),
    openingMs: spreadOf(of.map(({ openingMs }) => openingMs)),
  }
}

const servers = startServers()
const definitions = Array.from({ length: serverCount }, (_, at) => ({
  name: `server-${at}`,
  transport: 'streamable-http',
  url: `${servers.url}/${at}`,
}))
const gateway = await startShownGateway(definitions)
try {
  const bytes = await firstLoadBytes(gateway)
  const ready = await readyTimes(gateway)
  const calls = await startCalls(gateway)
  await Bun.sleep(2_000)
  const readyBesideCalls = await readyTimes(gateway)
  const [desk] = screens
  if (desk === undefined) throw new Error('there is no screen')
  await using visitor = await visit(gateway, desk)
  await signIn(visitor, adminToken)
  await visitor.page.getByRole('link', { name: 'server-0', exact: true }).waitFor()
  const measured: Round[] = []
  const mainThreadS = await mainThreadOf(visitor.page)
  for (let at = 0; at < rounds; at++)
    measured.push(await measureRound(gateway, visitor.page, mainThreadS, at % 2 === 1))
  const rssMibOpen = rssMib(gateway.pid)
  const coreShareUnseen = spreadOf(measured.map(({ unseen }) => unseen))
  const views = Object.fromEntries(viewNames.map((view) => [view, figuresOf(view, measured)]))
  const made = await calls.stop()
  const totalBytes = Object.values(bytes).reduce((sum, each) => sum + each, 0)
  const [readyMsMedian, besideCallsMedian] = [median(ready), median(readyBesideCalls)]
  const figures = { bytes, totalBytes, ready, readyMsMedian, readyBesideCalls, besideCallsMedian }
  console.log(JSON.stringify({ ...figures, calls: made, rssMibOpen, coreShareUnseen, views }, null, 2))
  const faults = [
    ...(totalBytes < bounds.totalBytes ? [] : [`first load: ${totalBytes} bytes`]),
    ...[readyMsMedian, besideCallsMedian].filter((ms) => ms >= bounds.readyMs).map((ms) => `ready: ${ms} ms`),
    ...Object.entries(views).flatMap(([view, of]) => faultsOf(of).map((fault) => `${view}: ${fault}`)),
  ]
  for (const fault of faults) console.error(`out of bounds: ${fault}`)
  if (faults.length > 0) process.exitCode = 1
} finally {
  await closeBrowser()
  await gateway.stop()
  await servers.stop()
}
