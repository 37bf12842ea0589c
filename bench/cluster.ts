/**
 * `bun run bench:cluster [--executable PATH] [--before PATH] [--rounds 7] [--seconds 0.5] [--cases NAME,…]`: what a
 * cluster costs. A gateway that is alone and two replicas with a real Redis run at once and are driven in turn: the one
 * that is alone, the owner of a session, and the other replica, which passes each call on to the owner. Printed are the
 * processor time of a call in each process, its median duration, and the memory of an idle replica. With `--before`
 * the same is measured of another executable in the same rounds, so that the two can be compared.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from '../scripts/build.ts'
import { type CpuTimes, cpuTimes, cpuUsBetween, freePort, printed, rssMib, start } from './child-process.ts'
import type { Era } from './load/mcp-request.ts'
import { openSession } from './load/open-session.ts'
import { driveWithSockets } from './load/socket-load.ts'
import { medianInterval, ratiosOf, roundsMin } from './pair/statistics.ts'
import { median } from './report/results.ts'
import { EchoServers } from './subjects/echo-servers.ts'
import { allServers, type RunningGateway, startGateway } from './subjects/gateway.ts'
import type { Place, Upstream } from './subjects/subject.ts'

interface Case {
  readonly name: string
  readonly title: string
  readonly upstream: Upstream
  readonly era: Era
  readonly connections: number
  /** Null for as many as get through: then processes that are driven together take the processors from each other. */
  readonly ratePerSecond: number | null
}

const flatOut = { connections: 16, ratePerSecond: null }

const cases: readonly Case[] = [
  { name: 'stdio', title: 'session, stdio server', upstream: 'stdio', era: 'legacy', ...flatOut },
  {
    name: 'paced',
    title: 'session, stdio server, 2,000 calls a second',
    upstream: 'stdio',
    era: 'legacy',
    connections: 16,
    ratePerSecond: 2_000,
  },
  {
    name: 'stdio-1',
    title: 'session, stdio server',
    upstream: 'stdio',
    era: 'legacy',
    connections: 1,
    ratePerSecond: null,
  },
  { name: 'http', title: 'session, HTTP server', upstream: 'http', era: 'legacy', ...flatOut },
  {
    name: 'modern',
    title: '2026-07-28 client, stdio server with sessions',
    upstream: 'stdio-legacy',
    era: 'modern',
    ...flatOut,
  },
]

/** Threads of a new process compile what is hot, for tens of thousands of calls: no call costs that again. */
const firstCalls = 40_000
const firstSecondsMax = 10
/** The others have had the caches of the processor meanwhile. */
const warmUpSeconds = 0.05
/** A quiet gateway gives memory back after some seconds. */
const quietMs = 10_000

/** The gateways of one executable. */
interface Fleet {
  readonly name: string
  readonly alone: RunningGateway
  readonly replicas: readonly [RunningGateway, RunningGateway]
}

/** What passing a call on may cost, beside the call itself, as a part of it. */
const hopMax = 1.5

type Way = 'alone' | 'local' | 'forwarded'
const ways: readonly Way[] = ['alone', 'local', 'forwarded']

interface Measured {
  readonly requests: number
  /** Of the event loops of both alone: without the threads that compile and collect. */
  readonly loopsUs: number
  /** Of the process that was asked. */
  readonly askedUs: number
  /** Of the other replica: of the owner, where the call was passed on. */
  readonly otherUs: number
  readonly p50Ms: number
}

/** Where a case is driven in one fleet, whichever replica has what it needs. */
interface Stage {
  readonly at: Readonly<Record<Way, Place>>
  readonly otherPid: Readonly<Record<Way, number | null>>
  readonly sessionIds: Readonly<Record<Way, string | null>>
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      executable: { type: 'string' },
      before: { type: 'string' },
      rounds: { type: 'string', default: '7' },
      seconds: { type: 'string', default: '0.5' },
      cases: { type: 'string' },
    },
  })
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)]
  const names = values.cases?.split(',')
  const chosen = cases.filter(({ name }) => names?.includes(name) ?? true)
  const directory = mkdtempSync(join(tmpdir(), 'compozy-cluster-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const executable = resolve(values.executable ?? join(directory, 'bin/compozy'))
  if (values.executable === undefined) await build({ outfile: executable })
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} processors, ${rounds} rounds of ${seconds} s\n`)
  const redisPort = freePort()
  const redis = start({
    command: ['redis-server', '--port', String(redisPort), '--bind', '127.0.0.1', '--save', ''],
    directory,
    name: 'redis',
  })
  await printed(redis, /Ready to accept connections/)
  const echo = new EchoServers(directory)
  const fleets: Fleet[] = []
  try {
    if (values.before !== undefined)
      fleets.push(await startFleet('before', resolve(values.before), directory, redisPort, echo))
    fleets.push(await startFleet('now', executable, directory, redisPort, echo))
    await Bun.sleep(quietMs)
    for (const fleet of fleets) reportMemory(fleet)
    for (const each of chosen) await measureCase(each, fleets, rounds, seconds)
  } finally {
    for (const { alone, replicas } of fleets)
      await Promise.all([alone, ...replicas].map((gateway) => gateway.process.stop()))
    await echo.stop()
    await redis.stop()
  }
}

async function startFleet(
  name: string,
  executable: string,
  directory: string,
  redisPort: number,
  echo: EchoServers,
): Promise<Fleet> {
  const servers = await allServers(echo)
  const one = (kind: string, settings: Readonly<Record<string, unknown>>): Promise<RunningGateway> =>
    startGateway({ executable, directory: join(directory, `${name}-${kind}`), servers, settings })
  const member = (): Readonly<Record<string, unknown>> => ({
    cluster: {
      redis: { url: `redis://127.0.0.1:${redisPort}` },
      secret: 'the-secret-of-this-benchmark-and-of-nothing-else',
      advertise: `127.0.0.1:${freePort()}`,
      name,
    },
  })
  const alone = await one('alone', {})
  return { name, alone, replicas: [await one('first', member()), await one('second', member())] }
}

function reportMemory({ name, alone, replicas }: Fleet): void {
  const own = rssMib(alone.process.pid) ?? Number.NaN
  const more = median(replicas.map(({ process: { pid } }) => (rssMib(pid) ?? Number.NaN) - own))
  console.log(`${name}: idle ${own.toFixed(1)} MiB alone, ${more.toFixed(1)} MiB more in a cluster\n`)
}

async function measureCase(
  each: Case,
  fleets: readonly Fleet[],
  rounds: number,
  seconds: number,
): Promise<void> {
  const stages: Stage[] = []
  for (const fleet of fleets) stages.push(await staged(each, fleet))
  for (const stage of stages) for (const way of ways) await warmUp(each, stage, way)
  const measured = fleets.map((): Record<Way, Measured[]> => ({ alone: [], local: [], forwarded: [] }))
  for (let round = 0; round < rounds; round++) {
    const turns = stages.flatMap((stage, at) => ways.map((way) => ({ stage, at, way })))
    for (const { stage, at, way } of round % 2 === 0 ? turns : turns.reverse()) {
      await drive(each, stage, way, warmUpSeconds)
      measured[at]?.[way].push(await drive(each, stage, way, seconds))
    }
  }
  console.log(`${each.name}: ${each.title}, ${each.connections} at a time`)
  for (const [at, { name }] of fleets.entries()) {
    const of = measured[at]
    if (of !== undefined) report(name, of)
  }
  const [before, now] = measured
  if (before !== undefined && now !== undefined)
    for (const way of ways)
      console.log(
        `  ${way.padEnd(9)}  now of before: ${ratio(now[way], before[way], wholeUs)}; event loops ${ratio(now[way], before[way], loopsOf)}`,
      )
  console.log()
}

/** A session of the owner where the era has any; else whichever replica turns out to serve this client. */
async function staged({ era, upstream, connections }: Case, { alone, replicas }: Fleet): Promise<Stage> {
  const places = replicas.map((gateway) => gateway.place(upstream, 'stream'))
  const [first, second] = places
  if (first === undefined || second === undefined) throw new Error('there are two replicas')
  const lonely = alone.place(upstream, 'stream')
  if (era === 'legacy') {
    const [own, shared] = [await openSession(lonely), await openSession(first)]
    return {
      at: { alone: lonely, local: first, forwarded: second },
      otherPid: { alone: null, local: second.pid, forwarded: first.pid },
      sessionIds: { alone: own, local: shared, forwarded: shared },
    }
  }
  const before = [cpuTimes(first.pid), cpuTimes(second.pid)]
  const load = { endpoint: first, era, argumentsText, connections, ratePerSecond: null }
  await driveWithSockets({ ...load, seconds: 1 }, null)
  const [ofFirst = 0, ofSecond = 0] = [first, second].map(({ pid }, at) =>
    usBetween(before[at], cpuTimes(pid)),
  )
  // The owner alone has worked, or both have.
  const [local, forwarded] = ofSecond < ofFirst / 10 ? [first, second] : [second, first]
  return {
    at: { alone: lonely, local, forwarded },
    otherPid: { alone: null, local: forwarded.pid, forwarded: local.pid },
    sessionIds: { alone: null, local: null, forwarded: null },
  }
}

async function warmUp(each: Case, stage: Stage, way: Way): Promise<void> {
  const untilMs = performance.now() + firstSecondsMax * 1_000
  for (let calls = 0; calls < firstCalls && performance.now() < untilMs; )
    calls += (await drive({ ...each, ratePerSecond: null }, stage, way, 1)).requests
}

const argumentsText = '{"text":"hello"}'

async function drive(
  { era, connections, ratePerSecond }: Case,
  { at, otherPid, sessionIds }: Stage,
  way: Way,
  seconds: number,
): Promise<Measured> {
  const [endpoint, other] = [at[way], otherPid[way]]
  const load = { endpoint, era, argumentsText, connections, seconds, ratePerSecond }
  const pids = way === 'forwarded' && other !== null ? [endpoint.pid, other] : [endpoint.pid]
  const before = pids.map(cpuTimes)
  const { requests, errors, p50Ms } = await driveWithSockets(load, sessionIds[way])
  const after = pids.map(cpuTimes)
  const spent = pids.map((_, n) => usBetween(before[n], after[n]))
  // What fails may be cheap.
  if (errors > 0 || requests === 0) throw new Error(`${way}: ${errors} of ${requests} calls went wrong`)
  // The first thread has the number of its process.
  const loopsUs = pids.reduce(
    (sum, pid, n) => sum + (after[n]?.get(pid) ?? 0) - (before[n]?.get(pid) ?? 0),
    0,
  )
  return {
    requests,
    loopsUs: loopsUs / requests,
    askedUs: (spent[0] ?? 0) / requests,
    otherUs: (spent[1] ?? 0) / requests,
    p50Ms,
  }
}

function usBetween(before: CpuTimes | null | undefined, after: CpuTimes | null | undefined): number {
  return before == null || after == null ? Number.NaN : cpuUsBetween(before, after)
}

function loopsOf({ loopsUs }: Measured): number {
  return loopsUs
}

function wholeUs({ askedUs, otherUs }: Measured): number {
  return askedUs + otherUs
}

function report(name: string, of: Readonly<Record<Way, readonly Measured[]>>): void {
  const mid = (way: Way, figure: (measured: Measured) => number): number => median(of[way].map(figure))
  const us = (way: Way, figure: (measured: Measured) => number): string => mid(way, figure).toFixed(1)
  const local = mid('local', wholeUs)
  const hop = mid('forwarded', wholeUs) - local
  const moreMs = mid('forwarded', ({ p50Ms }) => p50Ms) - mid('local', ({ p50Ms }) => p50Ms)
  const line = (way: Way, more: string): string =>
    `    ${way.padEnd(9)}  ${us(way, wholeUs)} µs, event loops ${us(way, loopsOf)} µs, p50 ${mid(way, ({ p50Ms }) => p50Ms).toFixed(3)} ms${more}`
  const [asked, other] = [
    us('forwarded', ({ askedUs }) => askedUs),
    us('forwarded', ({ otherUs }) => otherUs),
  ]
  console.log(
    [
      `  ${name}`,
      line('alone', ''),
      line(
        'local',
        `\n      of alone: ${ratio(of.local, of.alone, wholeUs)}; event loops ${ratio(of.local, of.alone, loopsOf)}`,
      ),
      line(
        'forwarded',
        ` (${moreMs < 0 ? '' : '+'}${moreMs.toFixed(3)})\n      front ${asked} µs, owner ${other} µs\n      of local: ${ratio(of.forwarded, of.local, wholeUs)}; event loops ${ratio(of.forwarded, of.local, loopsOf)}\n      the hop alone is ${(hop / local).toFixed(2)} times a local call (at most ${hopMax})`,
      ),
    ].join('\n'),
  )
}

/** The median of the ratios of all rounds, with its interval where there are rounds enough. */
function ratio(
  some: readonly Measured[],
  others: readonly Measured[],
  figure: (measured: Measured) => number,
): string {
  const ratios = ratiosOf(some, others, figure)
  const middle = `${median(ratios).toFixed(2)} times`
  if (ratios.length < roundsMin) return middle
  const { lower, upper } = medianInterval(ratios)
  return `${middle} (${lower.toFixed(2)} to ${upper.toFixed(2)})`
}

await main(process.argv.slice(2))
