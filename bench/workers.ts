/**
 * `bun run bench:workers [--executable PATH] [--workers 2] [--seconds 3] [--rounds 9] [--case 1] [--part processors]`:
 * what several workers bring, in two parts.
 *
 * `clients`: the same clients at one worker and at several. A gateway of one process, one of several, and as many gateways of one process that know nothing of each other
 * are driven in turn, by 64 clients that have nothing in common. Printed are calls a second, the processor time of a
 * call in all processes of the gateways, how many calls were passed on, how the 64 connections are spread, and x, the
 * part of all processor time that the gateway has with one worker. What the gateways apart cost more than one is the
 * machine's: each has half of the clients, and handles fewer of their calls in one go. What workers cost more than
 * those is theirs. What more processors would bring is computed from that, and marked as computed.
 *
 * `processors`: what each processor has is the same. One worker has one processor and, on that, its MCP servers, 32
 * clients and the process that drives them. It is compared with several workers, each with 32 clients and a process
 * that drives them, on as many processors, free for the kernel to use; and, as a control, with as many gateways that
 * know nothing of each other, each with a processor as the one alone has it. So a worker has as many calls under way
 * and as much beside it in all three. What the gateways at once cost more than the one alone is the machine's; what
 * workers cost more than those is theirs, and that the kernel moves them and brings them clients from either processor.
 */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from '../scripts/build.ts'
import { cpuTimes, cpuUsBetween, sharedMib, treeOf } from './child-process.ts'
import type { LoadResult } from './load/load.ts'
import type { Era } from './load/mcp-request.ts'
import { driveInOwnProcess } from './load/own-process.ts'
import { driveApart } from './load/socket-load.ts'
import { ratiosOf } from './pair/statistics.ts'
import { median } from './report/results.ts'
import { type RunningGateway, startGateway, stdioServer, tokens } from './subjects/gateway.ts'
import type { Upstream } from './subjects/subject.ts'

interface Case {
  readonly title: string
  /** Of the definition of the server. */
  readonly definition?: Readonly<Record<string, unknown>>
  readonly upstream: Upstream
  readonly era: Era
}

const cases: readonly Case[] = [
  { title: 'sessions, stdio server', upstream: 'stdio', era: 'legacy' },
  { title: 'bridged: legacy sessions, 2026-07-28 server', upstream: 'stdio-modern', era: 'legacy' },
  { title: 'bridged: 2026-07-28 clients, legacy server', upstream: 'stdio-legacy', era: 'modern' },
  {
    title: 'bridged: 2026-07-28 clients, legacy server, affinity: none',
    definition: { affinity: 'none' },
    upstream: 'stdio-legacy',
    era: 'modern',
  },
]

/** One or more gateways, driven together. */
interface Driven {
  readonly gateways: readonly RunningGateway[]
  readonly pids: readonly number[]
  readonly loads: readonly Load[]
}

/** Some of the clients, in this process or in one of their own. */
interface Load {
  readonly gateway: RunningGateway
  readonly connections: number
  /** Of a process of its own, such as `taskset -c 0`, or nothing to be put before it; null in this process. */
  readonly launcher: readonly string[] | null
}

interface Measured {
  readonly callsPerSecond: number
  readonly cpuUsPerCall: number
  /** The gateway's part of all processor time of the machine that was used. */
  readonly share: number
  /** Connections of each process, as a part of all. */
  readonly spread: readonly number[]
  /** Of each call, how often it was passed on. */
  readonly passedOn: number
  /** What the processes share counts once. */
  readonly memoryMib: number
  readonly errors: number
}

const connections = 64
/** Of each processor, where each has as much as the others. */
const connectionsEach = 32
/** The runtime compiles what runs often; with several processes each sees fewer calls. */
const warmUpSeconds = 8

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      executable: { type: 'string' },
      workers: { type: 'string', default: '2' },
      seconds: { type: 'string', default: '3' },
      rounds: { type: 'string', default: '9' },
      case: { type: 'string' },
      part: { type: 'string' },
    },
  })
  const parts = (['clients', 'processors'] as const).filter((part) => (values.part ?? part) === part)
  if (parts.length === 0) throw new Error('--part is clients or processors')
  const [workers, seconds, rounds] = [values.workers, values.seconds, values.rounds].map(Number)
  if (workers === undefined || seconds === undefined || rounds === undefined) return
  const directory = mkdtempSync(join(tmpdir(), 'compozy-workers-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const executable = resolve(values.executable ?? join(directory, 'bin/compozy'))
  if (values.executable === undefined) await build({ outfile: executable })
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} processors, ${rounds} rounds of ${seconds} s\n`)
  for (const [at, each] of cases.entries()) {
    if (values.case !== undefined && Number(values.case) !== at + 1) continue
    const place = join(directory, String(at))
    const begin: Begin = (name, count, ofEach, launcherOf = () => []) =>
      startAll(each, count, ofEach, executable, join(place, name), launcherOf)
    for (const part of parts) {
      const all = part === 'clients' ? await clientsOf(workers, begin) : await processorsOf(workers, begin)
      const measured: Measured[][] = all.map(() => [])
      try {
        for (const driven of all) await measureOnce(each, driven, warmUpSeconds)
        for (let round = 0; round < rounds; round++)
          for (const which of round % 2 === 0 ? [0, 1, 2] : [2, 1, 0]) {
            const driven = all[which]
            if (driven) measured[which]?.push(await measureOnce(each, driven, seconds))
          }
      } finally {
        await Promise.all(all.flatMap(({ gateways }) => gateways.map((gateway) => gateway.process.stop())))
      }
      const [one = [], several = [], apart = []] = measured
      if (part === 'clients') report(each, workers, one, several, apart)
      else reportProcessors(each, workers, one, several, apart)
    }
  }
}

/** So many gateways of so many workers each; the launcher of each says where it runs, with its servers. */
type Begin = (
  name: string,
  count: number,
  workers: number,
  launcherOf?: (at: number) => readonly string[],
) => Promise<Omit<Driven, 'loads'>>

async function clientsOf(workers: number, begin: Begin): Promise<Driven[]> {
  const all = [await begin('one', 1, 1), await begin('workers', 1, workers), await begin('apart', workers, 1)]
  return all.map((driven) => ({
    ...driven,
    loads: driven.gateways.map((gateway, _, { length }) => ({
      gateway,
      connections: connections / length,
      launcher: null,
    })),
  }))
}

async function processorsOf(workers: number, begin: Begin): Promise<Driven[]> {
  const place = (at: number) => ['taskset', '-c', String(at)]
  const one = await begin('one-processor', 1, 1, place)
  const several = await begin('processors', 1, workers)
  const apart = await begin('processors-apart', workers, 1, place)
  const placed = ({ gateways }: Omit<Driven, 'loads'>): Load[] =>
    gateways.map((gateway, at) => ({ gateway, connections: connectionsEach, launcher: place(at) }))
  const free = several.gateways.flatMap((gateway) =>
    Array.from({ length: workers }, () => ({ gateway, connections: connectionsEach, launcher: [] })),
  )
  return [
    { ...one, loads: placed(one) },
    { ...several, loads: free },
    { ...apart, loads: placed(apart) },
  ]
}

async function startAll(
  { upstream, definition }: Case,
  count: number,
  workers: number,
  executable: string,
  directory: string,
  launcherOf: (at: number) => readonly string[],
): Promise<Omit<Driven, 'loads'>> {
  const eras = upstream === 'stdio' ? 'both' : upstream === 'stdio-legacy' ? 'legacy' : 'modern'
  const gateways: RunningGateway[] = []
  for (let at = 0; at < count; at++)
    gateways.push(
      await startGateway({
        executable,
        launcher: launcherOf(at),
        directory: join(directory, String(at)),
        servers: [{ ...stdioServer(upstream, eras), ...definition }],
        settings: {
          ...(workers > 1 && { workers }),
          limits: { processes_max: 512, processes_per_client_max: 256 },
        },
      }),
    )
  return { gateways, pids: gateways.flatMap(processesOf) }
}

async function measureOnce({ upstream, era }: Case, driven: Driven, seconds: number): Promise<Measured> {
  const { gateways, pids, loads } = driven
  const ports = gateways.map(({ url }) => Number(new URL(url).port))
  let before = pids.map(cpuTimes)
  let machine = machineUs()
  let passedOn = 0
  let spread: number[] = []
  let waiting = loads.length
  const allOpened = Promise.withResolvers<void>()
  const opened = async (): Promise<void> => {
    waiting--
    if (waiting > 0) return allOpened.promise
    passedOn = await passedOnBy(gateways)
    before = pids.map(cpuTimes)
    machine = machineUs()
    // Connections that were at the wrong worker have found the right one by then.
    setTimeout(() => {
      spread = spreadOver(pids, ports)
    }, seconds * 750)
    allOpened.resolve()
  }
  const results = await Promise.all(
    loads.map(({ gateway, connections: count, launcher }) => {
      const endpoint = gateway.place(upstream, 'stream')
      const load = { endpoint, era, argumentsText: '{"text":"hello"}', connections: count }
      const options = { ...load, ratePerSecond: null, seconds }
      return launcher === null
        ? driveApart(options, tokens, opened)
        : driveInOwnProcess({ options, tokens }, opened, launcher)
    }),
  )
  const us = pids.reduce((sum, pid, at) => {
    const [from, to] = [before[at], cpuTimes(pid)]
    return from && to ? sum + cpuUsBetween(from, to) : sum
  }, 0)
  machine = machineUs() - machine
  const sum = (figure: (result: LoadResult) => number): number =>
    results.reduce((all, result) => all + figure(result), 0)
  const calls = sum(({ requests }) => requests)
  return {
    callsPerSecond: sum(({ requestsPerSecond }) => requestsPerSecond),
    cpuUsPerCall: us / calls,
    share: us / machine,
    spread,
    passedOn: ((await passedOnBy(gateways)) - passedOn) / calls,
    memoryMib: sharedMib(pids) ?? Number.NaN,
    errors: sum(({ errors }) => errors),
  }
}

/** How many requests these have passed on from one of their processes to another. */
async function passedOnBy(gateways: readonly RunningGateway[]): Promise<number> {
  let count = 0
  for (const { url } of gateways) {
    const page = await (await fetch(`${url}/metrics`)).text()
    for (const [, value] of page.matchAll(/^compozy_cluster_forwards_total\{[^}]*\} (\d+)/gm))
      count += Number(value)
  }
  return count
}

/** The processes of the gateway itself: not those of MCP servers, nor what watches over them. */
function processesOf({ process: { pid } }: RunningGateway): number[] {
  return treeOf(pid).filter((each) => {
    const words = readFileSync(`/proc/${each}/cmdline`, 'utf8').split('\0')
    return each === pid || words.includes('__worker')
  })
}

/** What all processors of the machine have worked since it began. */
function machineUs(): number {
  return cpus().reduce((sum, { times }) => sum + (times.user + times.nice + times.sys + times.irq) * 1_000, 0)
}

/** Which part of the connections at these ports each of the processes has; those without any are left out. */
function spreadOver(pids: readonly number[], ports: readonly number[]): number[] {
  const hexPorts = ports.map((port) => port.toString(16).toUpperCase().padStart(4, '0'))
  const rows = readFileSync('/proc/net/tcp', 'utf8').matchAll(
    new RegExp(
      `^\\s*\\d+: [0-9A-F]+:(?:${hexPorts.join('|')}) [0-9A-F]+:[0-9A-F]+ 01 (?:\\S+\\s+){5}(\\d+)`,
      'gm',
    ),
  )
  const sockets = new Set([...rows].map(([, inode]) => `socket:[${inode}]`))
  const counts = pids.map(
    (pid) => readdirSync(`/proc/${pid}/fd`).filter((fd) => isOneOf(sockets, pid, fd)).length,
  )
  const all = counts.reduce((sum, count) => sum + count, 0)
  return counts.filter((count) => count > 0).map((count) => count / all)
}

function isOneOf(sockets: ReadonlySet<string>, pid: number, fd: string): boolean {
  try {
    return sockets.has(readlinkSync(`/proc/${pid}/fd/${fd}`))
  } catch {
    return false
  }
}

function report(
  { title }: Case,
  workers: number,
  one: readonly Measured[],
  several: readonly Measured[],
  apart: readonly Measured[],
): void {
  const of = (some: readonly Measured[], figure: (measured: Measured) => number): number =>
    median(some.map(figure))
  const us = ({ cpuUsPerCall }: Measured): number => cpuUsPerCall
  const calls = ({ callsPerSecond }: Measured): number => callsPerSecond
  const x = of(one, ({ share }) => share)
  const target = 0.9 * Math.min(2, 2 * x)
  const [rateRatio, cpuRatio] = [ratioOf(several, one, calls), ratioOf(several, one, us)]
  const [apartRatio, ownRatio] = [ratioOf(apart, one, us), ratioOf(several, apart, us)]
  const shown = (value: number): string => value.toFixed(2)
  console.log(`${title}
  calls/s        ${of(one, calls).toFixed(0)} with one, ${of(several, calls).toFixed(0)} with ${workers}: ${shown(rateRatio.median)} times ${rateRatio.range} (at least ${shown(target)}: ${rateRatio.median >= target ? 'met' : 'not met'}); ${of(apart, calls).toFixed(0)} with ${workers} apart
  CPU of a call  ${of(one, us).toFixed(1)} µs with one, ${of(several, us).toFixed(1)} µs with ${workers}: ${shown(cpuRatio.median)} times ${cpuRatio.range} (at most 1.10: ${cpuRatio.median <= 1.1 ? 'met' : 'not met'})
                 ${of(apart, us).toFixed(1)} µs with ${workers} apart: ${shown(apartRatio.median)} times ${apartRatio.range}, which is the machine's part; workers cost ${shown(ownRatio.median)} times ${ownRatio.range} that
  passed on      ${shown(of(several, ({ passedOn }) => passedOn))} of each call
  x              ${shown(x)}
  connections    ${several.map(({ spread }) => spread.map((part) => Math.round(part * 100)).join('/')).join('  ')} (at most 65 in ${several.filter(({ spread }) => Math.max(...spread) <= 0.65).length} of ${several.length})
  memory         ${of(one, ({ memoryMib }) => memoryMib).toFixed(0)} MiB with one, ${of(several, ({ memoryMib }) => memoryMib).toFixed(0)} MiB with ${workers}
  errors         ${[...one, ...several, ...apart].reduce((sum, { errors }) => sum + errors, 0)}
  computed       ${computed(one, several)}
`)
}

/** Of the second part. */
function reportProcessors(
  { title }: Case,
  workers: number,
  one: readonly Measured[],
  several: readonly Measured[],
  apart: readonly Measured[],
): void {
  const us = ({ cpuUsPerCall }: Measured): number => cpuUsPerCall
  const calls = ({ callsPerSecond }: Measured): number => callsPerSecond
  const [cpuRatio, apartRatio] = [ratioOf(several, one, us), ratioOf(apart, one, us)]
  const [ownRatio, rateRatio, apartRate] = [
    ratioOf(several, apart, us),
    ratioOf(several, one, calls),
    ratioOf(apart, one, calls),
  ]
  const shown = (some: readonly Measured[], figure: (measured: Measured) => number, digits = 1): string =>
    median(some.map(figure)).toFixed(digits)
  const ratio = ({ median: middle, range }: { median: number; range: string }): string =>
    `${middle.toFixed(2)} times ${range}`
  console.log(`${title}, each processor with as much
  CPU of a call  ${shown(one, us)} µs with one worker on one processor, ${shown(several, us)} µs with ${workers} on ${workers}: ${ratio(cpuRatio)} (at most 1.10: ${cpuRatio.median <= 1.1 ? 'met' : 'not met'})
                 ${shown(apart, us)} µs with ${workers} gateways, each on one: ${ratio(apartRatio)}, which is the machine's part; workers cost ${ratio(ownRatio)} that
  calls/s        ${shown(one, calls, 0)} with one worker on one processor, ${shown(several, calls, 0)} with ${workers} on ${workers}: ${ratio(rateRatio)}; ${shown(apart, calls, 0)} with ${workers} gateways: ${ratio(apartRate)}
  passed on      ${shown(several, ({ passedOn }) => passedOn, 2)} of each call
  x              ${shown(one, ({ share }) => share, 2)} with one, ${shown(several, ({ share }) => share, 2)} with ${workers}, ${shown(apart, ({ share }) => share, 2)} apart
  connections    ${several.map(({ spread }) => spread.map((part) => Math.round(part * 100)).join('/')).join('  ')}
  memory         ${shown(one, ({ memoryMib }) => memoryMib, 0)} MiB with one, ${shown(several, ({ memoryMib }) => memoryMib, 0)} MiB with ${workers}
  errors         ${[...one, ...several, ...apart].reduce((sum, { errors }) => sum + errors, 0)}
`)
}

/** Of the rounds of two that were driven in turn: the median of the ratios, and the lowest and highest. */
function ratioOf(
  some: readonly Measured[],
  base: readonly Measured[],
  figure: (measured: Measured) => number,
): { median: number; range: string } {
  const ratios = ratiosOf(some, base, figure)
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)]
  return { median: median(ratios), range: `(${low.toFixed(2)} to ${high.toFixed(2)})` }
}

/** One worker fills one processor: so many calls a second when the MCP servers and clients have processors of their own. */
function computed(one: readonly Measured[], several: readonly Measured[]): string {
  const us = median(several.map(({ cpuUsPerCall }) => cpuUsPerCall))
  const alone = median(one.map(({ cpuUsPerCall }) => cpuUsPerCall))
  const rate = (workers: number): string =>
    `${workers} processors for the gateway ${((workers * 1e6) / (workers === 1 ? alone : us) / 1_000).toFixed(0)}k/s`
  return [4, 8, 16].map(rate).join(', ')
}

await main(process.argv.slice(2))
