/**
 * `bun run soak`: a quarter of an hour of mixed traffic with a fault every ten seconds.
 *
 *   --minutes N          how long (15)
 *   --replicas 3         several gateways with a Redis, and faults of theirs (replicas.ts)
 *   --rolling            a rolling restart or upgrade under full load (rolling.ts)
 *   --executable FILE    measures this executable instead of building one
 *
 * Held to: no wrong answer, and resident memory that grows by less than 1 MiB a minute once it is warm. Writes
 * a plot and a summary; a whole run replaces those in `bench/results`. Exits 1 when a bound is missed.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from '../../scripts/build.ts'
import { rawStdio } from '../../test/support/supervised.ts'
import { printed, rssMib, start } from '../child-process.ts'
import { stdioServer } from '../subjects/gateway.ts'
import { type FaultTargets, faults, HttpUpstream } from './faults.ts'
import { type SoakPoint, soakPlot } from './plot.ts'
import { Traffic } from './traffic.ts'

const FAULT_EVERY_MS = 10_000
const LOOK_EVERY_MS = 5_000
/** The share of a run in which code is still compiled and pools still grow. */
const WARM_UP_SHARE = 0.2
const SLOPE_MAX_MIB_PER_MINUTE = 1

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    executable: { type: 'string' },
    replicas: { type: 'string' },
    rolling: { type: 'boolean' },
    sessions: { type: 'string', default: '200' },
    streams: { type: 'string', default: '100' },
    rate: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '3' },
    'upgrade-from': { type: 'string' },
  },
})
const minutes = Number(values.minutes)
const directory = mkdtempSync(join(tmpdir(), 'compozy-soak-'))
const executable = resolve(values.executable ?? join(directory, 'bin/compozy'))
if (values.executable === undefined) await build({ outfile: executable })
const ok = await chosen()
rmSync(directory, { recursive: true, force: true })
process.exit(ok ? 0 : 1)

async function chosen(): Promise<boolean> {
  if (values.rolling === true) return await rolling()
  if (values.replicas === undefined) return await soak()
  const { soakReplicas } = await import('./replicas.ts')
  return await soakReplicas({ replicas: Number(values.replicas), minutes, executable })
}

async function rolling(): Promise<boolean> {
  const { rollingRestart } = await import('./rolling.ts')
  const from = values['upgrade-from']
  return await rollingRestart({
    sessions: Number(values.sessions),
    streams: Number(values.streams),
    callsPerSecond: Number(values.rate),
    rounds: Number(values.rounds),
    executable,
    upgradeFrom: from === undefined ? null : resolve(from),
  })
}

async function soak(): Promise<boolean> {
  const http = new HttpUpstream(directory)
  await http.start()
  const servers = [
    stdioServer('stdio', 'both'),
    stdioServer('stdio-legacy', 'legacy'),
    stdioServer('stdio-modern', 'modern'),
    rawStdio('raw'),
    { name: 'http', transport: 'streamable-http', url: `http://127.0.0.1:${http.port}/mcp` },
  ].map((server) => ({ ...server, reconnectDelay: '500ms', healthCheckInterval: '5s' }))
  const config = {
    mcp_proxy: {
      port: 0,
      storage: { type: 'memory' },
      timeouts: { session_idle: '30s', lane_idle: '30s' },
      logging: { level: 'warn' },
    },
    mcps: servers,
  }
  writeFileSync(join(directory, 'compozy.yaml'), JSON.stringify(config))
  const gateway = start({
    command: [executable, 'mcp-proxy', '--mcp-log-level', 'info'],
    directory,
    name: 'gateway',
  })
  const url = await printed(gateway, /"url":"(http[^"]+)"/)
  const traffic = new Traffic(url)
  const points: SoakPoint[] = []
  const told = new Map<string, number>()
  const startedMs = performance.now()
  const untilMs = startedMs + minutes * 60_000
  const injecting = injectFaults({ url, pid: gateway.pid, http }, untilMs, told)
  while (performance.now() < untilMs) {
    await Bun.sleep(LOOK_EVERY_MS)
    points.push(await look(url, gateway.pid, traffic, (performance.now() - startedMs) / 60_000))
  }
  await injecting
  await traffic.stop()
  const died = await Promise.race([gateway.exited, Bun.sleep(0).then(() => null)])
  await gateway.stop()
  await http.stop()
  return report(points, traffic, told, died)
}

async function injectFaults(
  targets: FaultTargets,
  untilMs: number,
  told: Map<string, number>,
): Promise<void> {
  const names = Object.keys(faults)
  for (let n = 0; performance.now() + FAULT_EVERY_MS < untilMs; n++) {
    const begunMs = performance.now()
    const name = names[n % names.length] ?? ''
    await faults[name]?.(targets).catch((thrown: unknown) => console.log(`${name}: ${thrown}`))
    told.set(name, (told.get(name) ?? 0) + 1)
    await Bun.sleep(Math.max(0, FAULT_EVERY_MS - (performance.now() - begunMs)))
  }
}

async function look(url: string, pid: number, traffic: Traffic, at: number): Promise<SoakPoint> {
  const { latenciesMs, failed } = traffic.takeWindow()
  latenciesMs.sort((a, b) => a - b)
  const p99Ms = latenciesMs[Math.floor(latenciesMs.length * 0.99)] ?? 0
  const answer = await fetch(`${url}/admin/mcps`)
  const { mcps } = (await answer.json()) as { mcps: { status: { sessions: number } }[] }
  const sessions = mcps.reduce((sum, { status }) => sum + status.sessions, 0)
  const point = { minutes: at, rssMib: rssMib(pid) ?? 0, sessions, p99Ms }
  console.log(
    `${at.toFixed(1)} min  ${latenciesMs.length} calls  ${failed} failed  ${traffic.wrong.length} wrong  RSS ${point.rssMib.toFixed(0)} MiB  ${sessions} sessions  p99 ${p99Ms.toFixed(0)} ms`,
  )
  return point
}

/** Least squares over what comes after the warm-up, in MiB a minute. */
function slopeOf(points: readonly SoakPoint[]): number {
  const warm = points.slice(Math.floor(points.length * WARM_UP_SHARE))
  const mean = (pick: (point: SoakPoint) => number) =>
    warm.reduce((sum, point) => sum + pick(point), 0) / Math.max(1, warm.length)
  const meanMinutes = mean((point) => point.minutes)
  const meanMib = mean((point) => point.rssMib)
  const over = warm.reduce((sum, point) => sum + (point.minutes - meanMinutes) * (point.rssMib - meanMib), 0)
  const under = warm.reduce((sum, point) => sum + (point.minutes - meanMinutes) ** 2, 0)
  return under === 0 ? 0 : over / under
}

function report(
  points: readonly SoakPoint[],
  traffic: Traffic,
  told: ReadonlyMap<string, number>,
  died: number | null,
): boolean {
  const slope = slopeOf(points)
  const summary = {
    date: new Date().toISOString(),
    minutes,
    calls: traffic.calls,
    resumedOrCancelled: traffic.detours,
    wrongAnswers: traffic.wrong.length,
    faults: Object.fromEntries(told),
    rssMibPerMinute: Math.round(slope * 1000) / 1000,
    rssMibMost: Math.round(Math.max(...points.map(({ rssMib: mib }) => mib))),
    gatewayDied: died !== null,
  }
  const folder = resolve(import.meta.dir, minutes >= 15 ? '../results' : '../../dist/bench')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'soak.json'), `${JSON.stringify({ ...summary, points }, null, 2)}\n`)
  const caption = `${traffic.calls.toLocaleString('en')} calls, ${traffic.wrong.length} wrong answers, a fault every 10 s`
  writeFileSync(join(folder, 'soak.svg'), soakPlot(points, caption))
  console.log(JSON.stringify(summary, null, 2))
  for (const wrong of traffic.wrong.slice(0, 10)) console.log(`wrong: ${wrong}`)
  return traffic.wrong.length === 0 && died === null && slope < SLOPE_MAX_MIB_PER_MINUTE
}
