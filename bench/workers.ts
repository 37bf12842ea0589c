/**
 * `bun run bench:workers [--executable PATH] [--workers 2] [--seconds 5] [--rounds 7]`: what several workers bring. In
 * each round a gateway of one process and one of several are driven, one after the other, by 64 clients that have
 * nothing in common; printed are calls a second, the processor time of a call in all processes of the gateway, how the
 * 64 connections are spread, and x, the part of all processor time that the gateway has with one worker. What more
 * processors would bring is computed from that, and marked as computed.
 */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from '../scripts/build.ts'
import { cpuTimes, cpuUsBetween, rssMib, treeOf } from './child-process.ts'
import type { Era } from './load/mcp-request.ts'
import { driveApart } from './load/socket-load.ts'
import { median } from './report/results.ts'
import { type RunningGateway, startGateway, stdioServer, tokens } from './subjects/gateway.ts'
import type { Upstream } from './subjects/subject.ts'

interface Case {
  readonly title: string
  readonly upstream: Upstream
  readonly era: Era
}

const cases: readonly Case[] = [
  { title: 'sessions, stdio server', upstream: 'stdio', era: 'legacy' },
  { title: 'bridged: legacy sessions, 2026-07-28 server', upstream: 'stdio-modern', era: 'legacy' },
  { title: 'bridged: 2026-07-28 clients, legacy server', upstream: 'stdio-legacy', era: 'modern' },
]

interface Measured {
  readonly callsPerSecond: number
  readonly cpuUsPerCall: number
  /** The gateway's part of all processor time of the machine that was used. */
  readonly share: number
  /** Connections of each worker, as a part of all. */
  readonly spread: readonly number[]
  readonly rssMib: number
  readonly errors: number
}

const connections = 64
const warmUpSeconds = 2

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      executable: { type: 'string' },
      workers: { type: 'string', default: '2' },
      seconds: { type: 'string', default: '5' },
      rounds: { type: 'string', default: '7' },
    },
  })
  const [workers, seconds, rounds] = [values.workers, values.seconds, values.rounds].map(Number)
  if (workers === undefined || seconds === undefined || rounds === undefined) return
  const directory = mkdtempSync(join(tmpdir(), 'compozy-workers-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const executable = resolve(values.executable ?? join(directory, 'bin/compozy'))
  if (values.executable === undefined) await build({ outfile: executable })
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} processors, ${rounds} rounds of ${seconds} s\n`)
  for (const each of cases) {
    const [one, several]: [Measured[], Measured[]] = [[], []]
    for (let round = 0; round < rounds; round++)
      for (const [count, into] of round % 2 === 0
        ? ([
            [1, one],
            [workers, several],
          ] as const)
        : ([
            [workers, several],
            [1, one],
          ] as const))
        into.push(
          await measureOnce(
            each,
            count,
            seconds,
            executable,
            join(directory, `${into === one ? 1 : 2}-${round}-${each.upstream}-${each.era}`),
          ),
        )
    report(each, workers, one, several)
  }
}

async function measureOnce(
  { upstream, era }: Case,
  workers: number,
  seconds: number,
  executable: string,
  directory: string,
): Promise<Measured> {
  const eras = upstream === 'stdio' ? 'both' : upstream === 'stdio-legacy' ? 'legacy' : 'modern'
  const gateway = await startGateway({
    executable,
    directory,
    servers: [stdioServer(upstream, eras)],
    settings: {
      ...(workers > 1 && { workers }),
      limits: { processes_max: 512, processes_per_client_max: 256 },
    },
  })
  try {
    const endpoint = gateway.place(upstream, 'stream')
    const load = { endpoint, era, argumentsText: '{"text":"hello"}', connections, ratePerSecond: null }
    await driveApart({ ...load, seconds: warmUpSeconds }, tokens, async () => {})
    const own = processesOf(gateway)
    let before = own.map(cpuTimes)
    let machine = machineUs()
    let spread: number[] = []
    const result = await driveApart({ ...load, seconds }, tokens, async () => {
      spread = spreadOver(own, Number(new URL(gateway.url).port))
      before = own.map(cpuTimes)
      machine = machineUs()
    })
    const us = own.reduce((sum, pid, at) => {
      const [from, to] = [before[at], cpuTimes(pid)]
      return from && to ? sum + cpuUsBetween(from, to) : sum
    }, 0)
    return {
      callsPerSecond: result.requestsPerSecond,
      cpuUsPerCall: us / result.requests,
      share: us / (machineUs() - machine),
      spread,
      rssMib: own.reduce((sum, pid) => sum + (rssMib(pid) ?? 0), 0),
      errors: result.errors,
    }
  } finally {
    await gateway.process.stop()
  }
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

/** Which part of the connections at this port each of the processes has; those without any are left out. */
function spreadOver(pids: readonly number[], port: number): number[] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  const rows = readFileSync('/proc/net/tcp', 'utf8').matchAll(
    new RegExp(`^\\s*\\d+: [0-9A-F]+:${hexPort} [0-9A-F]+:[0-9A-F]+ 01 (?:\\S+\\s+){5}(\\d+)`, 'gm'),
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
): void {
  const of = (some: readonly Measured[], figure: (measured: Measured) => number): number =>
    median(some.map(figure))
  const x = of(one, ({ share }) => share)
  const cpuRatio = median(
    several.map(({ cpuUsPerCall }, at) => cpuUsPerCall / (one[at]?.cpuUsPerCall ?? Number.NaN)),
  )
  const rateRatio = median(
    several.map(({ callsPerSecond }, at) => callsPerSecond / (one[at]?.callsPerSecond ?? Number.NaN)),
  )
  const target = 0.9 * Math.min(2, 2 * x)
  console.log(`${title}
  calls/s        ${of(one, ({ callsPerSecond }) => callsPerSecond).toFixed(0)} with one, ${of(several, ({ callsPerSecond }) => callsPerSecond).toFixed(0)} with ${workers}: ${rateRatio.toFixed(2)} times (at least ${target.toFixed(2)}: ${rateRatio >= target ? 'met' : 'not met'})
  CPU of a call  ${of(one, ({ cpuUsPerCall }) => cpuUsPerCall).toFixed(1)} µs with one, ${of(several, ({ cpuUsPerCall }) => cpuUsPerCall).toFixed(1)} µs with ${workers}: ${cpuRatio.toFixed(2)} times (at most 1.10: ${cpuRatio <= 1.1 ? 'met' : 'not met'})
  x              ${x.toFixed(2)}
  connections    ${several.map(({ spread }) => spread.map((part) => Math.round(part * 100)).join('/')).join('  ')} (at most 65 in ${several.filter(({ spread }) => Math.max(...spread) <= 0.65).length} of ${several.length})
  memory         ${of(one, ({ rssMib: mib }) => mib).toFixed(0)} MiB with one, ${of(several, ({ rssMib: mib }) => mib).toFixed(0)} MiB with ${workers}
  errors         ${[...one, ...several].reduce((sum, { errors }) => sum + errors, 0)}
  computed       ${computed(one, several)}
`)
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
