/**
 * `bun run bench`: builds the executable, starts everything that is compared, drives each in turn and
 * writes what came out. `--help` names the options.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, tmpdir, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { build } from '../scripts/build.ts'
import { wrkVersion } from './load/wrk.ts'
import { measure, type Sample } from './measure.ts'
import { type Options, readOptions, usage } from './options.ts'
import { measureChurnMemory, measureIdleMemory } from './probes/memory.ts'
import { churn } from './probes/sessions.ts'
import { measureSmallMachine } from './probes/small-machine.ts'
import { measureStarts } from './probes/start-time.ts'
import { acceptance, figureText } from './report/acceptance.ts'
import { chart } from './report/chart.ts'
import { markdown } from './report/markdown.ts'
import type { Probes, Results, WorkloadResult } from './report/results.ts'
import { bareRelay } from './subjects/bare-relay.ts'
import { direct, EchoServers } from './subjects/echo-servers.ts'
import { gateway } from './subjects/gateway.ts'
import { installPeers, peerSubjects } from './subjects/peers.ts'
import type { Subject } from './subjects/subject.ts'
import { type Workload, workloads } from './workloads.ts'

const repository = resolve(import.meta.dir, '..')

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    console.log(usage)
    return 0
  }
  const options = readOptions(args)
  const directory = mkdtempSync(join(tmpdir(), 'compozy-bench-'))
  const executable = resolve(options.executable ?? join(directory, 'bin/compozy'))
  if (options.executable === null) {
    console.log('building …')
    await build({ outfile: executable })
  }
  if (options.peers && options.workloadIds.length > 0) installPeers()
  const echo = new EchoServers(directory)
  const subjects = [
    direct(echo),
    bareRelay(echo, directory),
    gateway(echo, executable, directory),
    ...(options.peers ? peerSubjects(directory) : []),
  ]
  try {
    const measured = await runWorkloads(options, subjects)
    const rates = options.probes.includes('churn') ? await churnRates(options, subjects) : undefined
    // The probes look at single processes; nothing else may run beside them.
    for (const subject of subjects) await subject.stop()
    const probes: Probes = {
      ...(rates && { churnRates: rates }),
      ...(await runProbes(options, executable, directory)),
    }
    write(options, resultsOf(options, executable, measured, probes))
    return 0
  } finally {
    for (const subject of subjects) await subject.stop()
    await echo.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function runWorkloads(options: Options, subjects: readonly Subject[]): Promise<WorkloadResult[]> {
  const results: WorkloadResult[] = []
  for (const workload of workloads) {
    if (!options.workloadIds.includes(workload.id)) continue
    console.log(`\n${workload.title}`)
    const rounds = new Map<Subject, { samples: Sample[]; fault: string | null }>()
    for (let round = 0; round < options.rounds; round++) {
      for (const subject of subjects) {
        if (!workload.subjects.includes(subject.name)) continue
        const kept = rounds.get(subject) ?? { samples: [], fault: null }
        rounds.set(subject, kept)
        if (kept.fault === null) await runOnce(options, workload, subject, kept)
      }
    }
    results.push({
      id: workload.id,
      title: workload.title,
      subjects: [...rounds].map(([{ name }, { samples, fault }]) => ({
        subject: name,
        rounds: samples,
        fault,
      })),
    })
  }
  return results
}

async function runOnce(
  options: Options,
  workload: Workload,
  subject: Subject,
  kept: { samples: Sample[]; fault: string | null },
): Promise<void> {
  try {
    const place = await subject.place(workload.upstream, workload.face)
    if (place === null) throw new Error('it has no such face or upstream')
    const seconds = options.quick ? options.seconds : (workload.seconds ?? options.seconds)
    const sample = await measure(place, workload, { seconds, warmUpSeconds: options.warmUpSeconds })
    kept.samples.push(sample)
    console.log(`  ${subject.name.padEnd(13)} ${lineOf(sample)}`)
  } catch (thrown) {
    kept.fault = thrown instanceof Error ? thrown.message : String(thrown)
    console.log(`  ${subject.name.padEnd(13)} not served: ${kept.fault.slice(0, 300)}`)
  }
}

function lineOf(sample: Sample): string {
  const cpu = sample.cpuUsPerRequest === null ? '–' : figureText(sample.cpuUsPerRequest)
  const times = [sample.p50Ms, sample.p90Ms, sample.p99Ms].map(figureText).join('/')
  const rate = figureText(sample.requestsPerSecond).padStart(7)
  return `${rate} req/s  p50/90/99 ${times} ms  ${cpu} µs CPU  ${figureText(sample.rssMib ?? Number.NaN)} MiB  ${sample.errors} errors`
}

/** How many sessions a second come and go. */
async function churnRates(
  options: Options,
  subjects: readonly Subject[],
): Promise<NonNullable<Probes['churnRates']>> {
  const rates: { subject: Subject['name']; churn: Awaited<ReturnType<typeof churn>> | null }[] = []
  for (const subject of subjects) {
    if (subject.name === 'direct' || subject.name === 'bare relay') continue
    const place = await subject.place('stdio', 'stream')
    const bounds = { sessionsMax: 1_000_000, secondsMax: options.seconds }
    rates.push({ subject: subject.name, churn: place && (await churn(place, bounds).catch(() => null)) })
  }
  return rates
}

async function runProbes(options: Options, executable: string, directory: string): Promise<Probes> {
  const { quick } = options
  const wanted = (probe: Options['probes'][number]): boolean => options.probes.includes(probe)
  const note = <T>(what: string, figures: T): T => {
    console.log(`\n${what} ${JSON.stringify(figures)}`)
    return figures
  }
  return {
    ...(wanted('start') && {
      startMs: note('start', await measureStarts(executable, directory, quick ? 5 : 20)),
    }),
    ...(wanted('memory') && {
      memory: note('memory', await measureIdleMemory(executable, directory, quick ? [1000] : [1000, 5000])),
    }),
    ...(wanted('churn') && {
      churn: note('churn', await measureChurnMemory(executable, directory, quick ? 5_000 : 100_000)),
    }),
    ...(wanted('small-machine') && {
      smallMachine: note('small machine', await measureSmallMachine(executable, directory, quick ? 5 : 60)),
    }),
  }
}

function resultsOf(
  options: Options,
  executable: string,
  measured: readonly WorkloadResult[],
  probes: Probes,
): Results {
  const peers: unknown = JSON.parse(readFileSync(join(import.meta.dir, 'peers/package.json'), 'utf8'))
  const { dependencies } = peers as { dependencies: Readonly<Record<string, string>> }
  const said = (command: string[]): string =>
    Bun.spawnSync(command).stdout.toString().trim().split('\n')[0] ?? ''
  return {
    date: new Date().toISOString(),
    machine: {
      processor: cpus()[0]?.model ?? 'unknown processor',
      cores: `${availableParallelism()} cores`,
      memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
      system: `${process.platform} ${release()}`,
    },
    versions: {
      compozy: said([executable, '--version']).replace(/^compozy\s+/, ''),
      bun: Bun.version,
      load: wrkVersion() ?? 'own generator',
      ...(options.peers && { node: said(['node', '--version']), ...dependencies }),
    },
    rounds: options.rounds,
    seconds: options.seconds,
    workloads: measured,
    probes,
  }
}

function write(options: Options, results: Results): void {
  const folder = options.outDirectory ?? join(repository, options.whole ? 'bench/results' : 'dist/bench')
  mkdirSync(folder, { recursive: true })
  const checks = acceptance(results).filter(({ met }) => met !== null)
  writeFileSync(
    join(folder, 'results.json'),
    `${JSON.stringify({ ...results, acceptance: checks }, null, 2)}\n`,
  )
  writeFileSync(join(folder, 'results.svg'), chart(results))
  const page = markdown(results, 'results.svg')
  writeFileSync(join(folder, 'results.md'), page)
  console.log(`\n${page}\nwritten to ${folder}`)
}

process.exit(await main(process.argv.slice(2)))
