/**
 * `bun run bench:pair A B`: is a small call of executable B dearer than one of A, does B start slower, does it hold
 * more memory? `--help` names the options.
 *
 * Two runs of the whole benchmark cannot tell a few percent: the machine changes its speed between them. Here both
 * gateways run at once and are driven in turn, a fifth of a second each, A first in one turn and B first in the
 * next, so that what the machine does falls on both; only ratios within a round count. Both are pinned to one
 * processor, the MCP servers and the load to another, so that the scheduler decides nothing. Every round has new
 * processes: of one executable, one may be a few percent quicker than the next for as long as it lives, and an
 * interval is only worth its name over rounds that have nothing in common.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { rssMib } from './child-process.ts'
import { type MeasureOptions, measure } from './measure.ts'
import { type PairOptions, pairUsage, readPairOptions } from './pair/options.ts'
import type { Pair } from './pair/statistics.ts'
import { type Finding, pairTable, ratioFinding, rssFinding } from './pair/table.ts'
import { startOnce } from './probes/start-time.ts'
import { EchoServers } from './subjects/echo-servers.ts'
import {
  allServers,
  gatewayCommand,
  type RunningGateway,
  startGateway,
  stdioServer,
} from './subjects/gateway.ts'
import type { Workload } from './workloads.ts'

type Side = 'a' | 'b'
type Executables = Readonly<Record<Side, string>>

const gatewayPin = ['taskset', '-c', '0']
const serverPin = ['taskset', '-c', '1']

/** The load of a round is cut into so many turns of each side: what disturbs the machine for a second or two falls on both. */
const turnsPerRound = 4
/** The other side has had the caches of the processor meanwhile. */
const warmUpSeconds = 0.05
const rssStarts = 5
/** The gateway looks every 3 s whether it is quiet, and gives memory back when it has been since the last look. */
const quietMs = 8_000
const laterMs = 60_000

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    console.log(pairUsage)
    return 0
  }
  const options = readPairOptions(args)
  pinMyself()
  const executables = { a: resolve(options.executableA), b: resolve(options.executableB) }
  const directory = mkdtempSync(join(tmpdir(), 'compozy-pair-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const findings = [
    ...(await compareCalls(options, executables, directory)),
    ratioFinding('start', 'ms', await pairStarts(options, executables, directory), options.limit),
    ...(await compareIdleMemory(executables, directory)),
  ]
  console.log(`\n${pairTable(findings, options.limit)}`)
  return findings.every(({ verdict }) => verdict === 'within') ? 0 : 1
}

/** The load and the MCP servers, which are children of this process, keep to themselves. */
function pinMyself(): void {
  const { exitCode, stderr } = Bun.spawnSync(['taskset', '-a', '-c', '-p', '1', String(process.pid)])
  if (exitCode !== 0) throw new Error(`taskset could not pin to processor 1: ${stderr}`)
}

/** Who goes first: neither side always has what the other left behind. */
function sidesOf(round: number): readonly [Side, Side] {
  return round % 2 === 0 ? ['a', 'b'] : ['b', 'a']
}

/** The same figure of both sides, one right after the other. */
async function pairOf(round: number, figure: (side: Side) => Promise<number>): Promise<Pair> {
  const pair = { a: Number.NaN, b: Number.NaN }
  for (const side of sidesOf(round)) pair[side] = await figure(side)
  return pair
}

async function compareCalls(
  { workloads, rounds, seconds, firstSeconds, limit }: PairOptions,
  executables: Executables,
  directory: string,
): Promise<Finding[]> {
  const echo = new EchoServers(directory)
  // Threads of a new process compile what is hot, for seconds, on the processor whose time is measured: no call costs that again.
  const firstLoad: MeasureOptions = { seconds: firstSeconds, warmUpSeconds: 0 }
  const pairs = new Map<Workload, Pair[]>(workloads.map((workload) => [workload, []]))
  try {
    for (let round = 0; round < rounds; round++) {
      const gateways = await startBoth(executables, directory, round, echo)
      try {
        for (const workload of workloads) {
          for (const side of sidesOf(round)) await drive(gateways[side], workload, firstLoad)
        }
        for (const [workload, kept] of pairs) {
          const pair = await pairCalls(round, gateways, workload, seconds)
          kept.push(pair)
          note(`round ${round + 1}  ${workload.id}`, 'µs', pair)
        }
      } finally {
        await stopBoth(gateways)
      }
    }
  } finally {
    await echo.stop()
  }
  return [...pairs].map(([{ title }, kept]) => ratioFinding(title, 'µs', kept, limit))
}

async function startBoth(
  executables: Executables,
  directory: string,
  round: number,
  echo: EchoServers | null,
): Promise<Record<Side, RunningGateway>> {
  const servers = echo ? await allServers(echo, serverPin) : [stdioServer('stdio', 'both', serverPin)]
  const started: Partial<Record<Side, RunningGateway>> = {}
  for (const side of sidesOf(round)) {
    started[side] = await startGateway({
      executable: executables[side],
      launcher: gatewayPin,
      directory: join(directory, side),
      servers,
    })
  }
  const { a, b } = started
  if (a === undefined || b === undefined) throw new Error('both gateways must run')
  return { a, b }
}

async function stopBoth({ a, b }: Readonly<Record<Side, RunningGateway>>): Promise<void> {
  await Promise.all([a.process.stop(), b.process.stop()])
}

/** CPU time per call in microseconds, over all turns of one round. */
async function pairCalls(
  round: number,
  gateways: Readonly<Record<Side, RunningGateway>>,
  workload: Workload,
  seconds: number,
): Promise<Pair> {
  const cpuUs = { a: 0, b: 0 }
  const calls = { a: 0, b: 0 }
  for (let turn = 0; turn < turnsPerRound; turn++) {
    for (const side of sidesOf(round + turn)) {
      const driven = await drive(gateways[side], workload, {
        seconds: seconds / turnsPerRound,
        warmUpSeconds,
      })
      cpuUs[side] += driven.cpuUs
      calls[side] += driven.calls
    }
  }
  return { a: cpuUs.a / calls.a, b: cpuUs.b / calls.b }
}

/** Rejects when an answer was wrong: what fails may be cheap. */
async function drive(
  gateway: RunningGateway,
  workload: Workload,
  options: MeasureOptions,
): Promise<{ readonly cpuUs: number; readonly calls: number }> {
  const sample = await measure(gateway.place(workload.upstream, workload.face), workload, options)
  if (sample.errors > 0 || sample.requests === 0 || sample.cpuUsPerRequest === null)
    throw new Error(`${workload.id}: ${sample.errors} of ${sample.requests} calls went wrong`)
  return { cpuUs: sample.cpuUsPerRequest * sample.requests, calls: sample.requests }
}

async function pairStarts(
  { rounds }: PairOptions,
  executables: Executables,
  directory: string,
): Promise<readonly Pair[]> {
  const startOf = (side: Side): Promise<number> => {
    const place = join(directory, `start-${side}`)
    const servers = [stdioServer('stdio', 'both', serverPin)]
    const executable = executables[side]
    return startOnce(gatewayCommand({ executable, launcher: gatewayPin, directory: place, servers }), place)
  }
  // The first start reads the executable from the disk.
  await pairOf(0, startOf)
  const pairs: Pair[] = []
  for (let n = 0; n < rounds; n++) pairs.push(await pairOf(n, startOf))
  return pairs
}

/** What both hold while nobody calls: soon after the start, and when the compilers have long come to rest as well. */
async function compareIdleMemory(executables: Executables, directory: string): Promise<Finding[]> {
  const soon: Pair[] = []
  const later: Pair[] = []
  for (let n = 0; n < rssStarts; n++) {
    const gateways = await startBoth(executables, directory, n, null)
    try {
      await Bun.sleep(quietMs)
      soon.push(rssOfBoth(gateways, `idle ${n + 1}`))
      await Bun.sleep(laterMs - quietMs)
      later.push(rssOfBoth(gateways, `idle ${n + 1}, a minute`))
    } finally {
      await stopBoth(gateways)
    }
  }
  return [rssFinding('idle memory', soon), rssFinding('idle memory, a minute after the start', later)]
}

function rssOfBoth(gateways: Record<Side, RunningGateway>, what: string): Pair {
  const [a, b] = [rssMib(gateways.a.process.pid), rssMib(gateways.b.process.pid)]
  if (a === null || b === null) throw new Error('a gateway ended while it was idle')
  note(what, 'MiB', { a, b })
  return { a, b }
}

function note(what: string, unit: string, { a, b }: Pair): void {
  console.log(`${what.padEnd(28)} ${a.toFixed(1)} ${unit}  ${b.toFixed(1)} ${unit}  ${(b / a).toFixed(3)}`)
}

process.exit(
  await main(process.argv.slice(2)).catch((thrown: unknown) => {
    console.error(thrown instanceof Error ? thrown.message : String(thrown))
    return 2
  }),
)
