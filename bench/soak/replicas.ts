/**
 * `bun run soak --replicas 3`: replicas under traffic, with a fault every twenty seconds.
 *
 * Held to: no call fails that docs/SCALING.md does not allow to fail by the fault that was there, none is answered with
 * another's answer, and none runs twice. Writes how memory, descriptors and processes of each replica went.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import {
  percentiles,
  ReplicaTraffic,
  ranTwice,
  type TrafficFailure,
} from '../../test/support/replica-traffic.ts'
import { type RunningReplicas, startReplicas } from '../../test/support/replicas.ts'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { rssMib, treeOf } from '../child-process.ts'
import { type Curve, curvesPlot } from './plot.ts'
import { descriptorsOf, ReplicaField, replicaFaults } from './replica-faults.ts'
import { startTalliedServers } from './tallied-servers.ts'

export interface ReplicaSoakOptions {
  readonly replicas: number
  readonly minutes: number
  readonly executable: string
}

const faultEveryMs = 20_000
const lookEveryMs = 5_000
/** What a fault has begun may end so much later. */
const aftermathMs = 5_000
const load = { sessions: 40, listening: 10, asked: 3, callsPerSecond: 80 }

interface InjectedFault {
  readonly name: string
  readonly fromMs: number
  toMs: number
}

interface ReplicaPoint {
  readonly minutes: number
  readonly p99Ms: number
  /** By place; another replica may stand there later. */
  readonly replicas: readonly { rssMib: number; descriptors: number; processes: number }[]
}

/** Whether all of it held. */
export async function soakReplicas(options: ReplicaSoakOptions): Promise<boolean> {
  const { replicas, minutes, executable } = options
  using directory = temporaryDirectory()
  const servers = await startTalliedServers(directory.path)
  await using cluster = await startReplicas({
    count: replicas,
    program: executable,
    settings: { shutdown_timeout: '15s' },
    mcps: servers.mcps,
  })
  const endpoints = [cluster.face('stdio', 'stream'), cluster.face('http', 'stream')]
  const traffic = new ReplicaTraffic({ endpoints, ...load })
  await traffic.start()
  const { injected, points } = await run(cluster, traffic, minutes)
  await traffic.stop()
  await servers.stop()
  return report(options, traffic, injected, points, ranTwice(servers.tally))
}

async function run(cluster: RunningReplicas, traffic: ReplicaTraffic, minutes: number) {
  const field = new ReplicaField(cluster)
  const injected: InjectedFault[] = []
  const points: ReplicaPoint[] = []
  const startedMs = performance.now()
  const untilMs = startedMs + minutes * 60_000
  const injecting = injectFaults(field, untilMs, injected)
  while (performance.now() < untilMs) {
    await Bun.sleep(lookEveryMs)
    points.push(look(field, traffic, (performance.now() - startedMs) / 60_000))
  }
  await injecting
  return { injected, points }
}

async function injectFaults(field: ReplicaField, untilMs: number, injected: InjectedFault[]): Promise<void> {
  const names = Object.keys(replicaFaults)
  for (let at = 0; ; at++) {
    // The first one when all is warm, and none that the end would cut.
    await Bun.sleep(faultEveryMs / 2)
    if (performance.now() + faultEveryMs > untilMs) return
    const name = names[at % names.length] ?? ''
    const fault: InjectedFault = { name, fromMs: performance.now(), toMs: Number.POSITIVE_INFINITY }
    injected.push(fault)
    console.log(name)
    await replicaFaults[name]?.run(field)
    fault.toMs = performance.now() + aftermathMs
    await Bun.sleep(Math.max(0, faultEveryMs / 2 - (performance.now() - fault.fromMs)))
  }
}

function look(field: ReplicaField, traffic: ReplicaTraffic, minutes: number): ReplicaPoint {
  const taken = [...traffic.warmMs, ...traffic.coldMs]
  traffic.warmMs = []
  traffic.coldMs = []
  const { p99 } = percentiles(taken)
  const replicas = field.gateways.map(({ pid }) => ({
    rssMib: Math.round(rssMib(pid) ?? 0),
    descriptors: descriptorsOf(pid),
    processes: treeOf(pid).length,
  }))
  console.log(
    `${minutes.toFixed(1)} min  ${traffic.calls} calls  ${traffic.failed} failed  ${traffic.wrong.length} wrong  p99 ${p99} ms  ${replicas.map((one) => `${one.rssMib} MiB ${one.descriptors} descriptors ${one.processes} processes`).join(' | ')}`,
  )
  return { minutes, p99Ms: p99, replicas }
}

/** Those that no fault allows which was there meanwhile. */
function unallowed(
  failures: readonly TrafficFailure[],
  injected: readonly InjectedFault[],
): TrafficFailure[] {
  return failures.filter(({ startedMs, endedMs, text }) => {
    const there = injected.filter(({ fromMs, toMs }) => startedMs <= toMs && endedMs >= fromMs)
    return !there.some(({ name }) => replicaFaults[name]?.allowed?.test(text) === true)
  })
}

function report(
  { replicas, minutes }: ReplicaSoakOptions,
  traffic: ReplicaTraffic,
  injected: readonly InjectedFault[],
  points: readonly ReplicaPoint[],
  twice: readonly string[],
): boolean {
  const bad = unallowed(traffic.failures, injected)
  const counts = Map.groupBy(injected, ({ name }) => name)
  const most = (pick: (one: ReplicaPoint['replicas'][number]) => number): number =>
    Math.max(0, ...points.flatMap((point) => point.replicas.map(pick)))
  const summary = {
    date: new Date().toISOString(),
    minutes,
    replicas,
    calls: traffic.calls,
    failedAsAllowed: traffic.failed - bad.length,
    failedOtherwise: bad.length,
    wrongAnswers: traffic.wrong.length,
    ranTwice: twice.length,
    events: traffic.told,
    /** Of those that were told to a replica which was killed before it told them. */
    eventsLost: traffic.missed().length,
    /** Twice, or behind a later one. */
    eventsAstray: traffic.astray().length,
    faults: Object.fromEntries([...counts].map(([name, { length }]) => [name, length])),
    rssMibMost: most(({ rssMib: mib }) => mib),
    descriptorsMost: most(({ descriptors }) => descriptors),
    processesMost: most(({ processes }) => processes),
  }
  const folder = resolve(import.meta.dir, minutes >= 15 ? '../results' : '../../dist/bench')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'soak-replicas.json'), `${JSON.stringify({ ...summary, points }, null, 2)}\n`)
  const caption = `${replicas} replicas, ${traffic.calls.toLocaleString('en')} calls, ${bad.length} failed beyond what is allowed, ${twice.length} ran twice; a fault every 20 s`
  writeFileSync(join(folder, 'soak-replicas.svg'), curvesPlot(curvesOf(points), caption))
  console.log(JSON.stringify(summary, null, 2))
  for (const { nonce, text } of bad.slice(0, 20)) console.log(`failed: ${nonce}: ${text}`)
  for (const wrong of traffic.wrong.slice(0, 10)) console.log(`wrong: ${wrong}`)
  for (const tale of traffic.missed().slice(0, 20)) console.log(`lost: ${tale}`)
  for (const tale of traffic.astray().slice(0, 20)) console.log(`astray: ${tale}`)
  for (const nonce of twice.slice(0, 10)) console.log(`ran twice: ${nonce}`)
  return bad.length + traffic.wrong.length + twice.length === 0
}

function curvesOf(points: readonly ReplicaPoint[]): Curve[] {
  const places = points[0]?.replicas.map((_, place) => place) ?? []
  const ofEach = (pick: (one: ReplicaPoint['replicas'][number]) => number) =>
    places.map((place) =>
      points.map(({ minutes, replicas }) => {
        const one = replicas[place]
        return { minutes, amount: one === undefined ? 0 : pick(one) }
      }),
    )
  return [
    { title: 'RSS of each, MiB', lines: ofEach(({ rssMib: mib }) => mib) },
    { title: 'descriptors of each', lines: ofEach(({ descriptors }) => descriptors) },
    { title: 'processes of each, with its servers', lines: ofEach(({ processes }) => processes) },
    { title: 'p99 of calls, ms', lines: [points.map(({ minutes, p99Ms }) => ({ minutes, amount: p99Ms }))] },
  ]
}
