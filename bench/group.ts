/**
 * `bun run bench:group [EXECUTABLE]`: what does a small call through a group of five servers cost, against the same
 * call straight to its server? Both go through one gateway at the same time, in turn, so that whatever the machine does
 * falls on both; only ratios within a round count. Options are those of `bench:pair`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { measure } from './measure.ts'
import { readPairOptions } from './pair/options.ts'
import type { Pair } from './pair/statistics.ts'
import { type Finding, pairTable, ratioFinding } from './pair/table.ts'
import { EchoServers } from './subjects/echo-servers.ts'
import { allServers, type RunningGateway, startGateway } from './subjects/gateway.ts'
import type { Place, Upstream } from './subjects/subject.ts'
import type { Workload } from './workloads.ts'

const turnsPerRound = 4
const warmUpSeconds = 0.05

async function main(args: readonly string[]): Promise<number> {
  const executable = resolve(args[0] ?? 'dist/compozy')
  const options = readPairOptions([executable, executable, '--limit', '1.15', ...args.slice(1)])
  const directory = mkdtempSync(join(tmpdir(), 'compozy-group-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  pinMyself()
  const echo = new EchoServers(directory)
  const pairs = new Map<Workload, Pair[]>(options.workloads.map((workload) => [workload, []]))
  try {
    for (let round = 0; round < options.rounds; round++)
      await oneRound({
        round,
        executable,
        directory,
        echo,
        seconds: options.seconds,
        firstSeconds: options.firstSeconds,
        pairs,
      })
  } finally {
    await echo.stop()
  }
  const findings: Finding[] = [...pairs].map(([{ title }, kept]) =>
    ratioFinding(title, 'µs', kept, options.limit),
  )
  console.log(`\nA: straight to the server, B: through the group\n\n${pairTable(findings, options.limit)}`)
  return findings.every(({ verdict }) => verdict === 'within') ? 0 : 1
}

interface Round {
  readonly round: number
  readonly executable: string
  readonly directory: string
  readonly echo: EchoServers
  readonly seconds: number
  readonly firstSeconds: number
  readonly pairs: ReadonlyMap<Workload, Pair[]>
}

async function oneRound({
  round,
  executable,
  directory,
  echo,
  seconds,
  firstSeconds,
  pairs,
}: Round): Promise<void> {
  const servers = await allServers(echo, ['taskset', '-c', '1'])
  const members = servers.map(({ name }) => ({ server: name }))
  const gateway = await startGateway({
    executable,
    launcher: ['taskset', '-c', '0'],
    directory: join(directory, 'gateway'),
    servers: [...servers, { name: 'group' as Upstream, transport: 'group', members }],
  })
  try {
    for (const workload of pairs.keys())
      for (const place of placesOf(gateway, workload)) await drive(place, workload, firstSeconds)
    for (const [workload, kept] of pairs) {
      const cpuUs = [0, 0]
      const calls = [0, 0]
      for (let turn = 0; turn < turnsPerRound; turn++) {
        for (const side of (round + turn) % 2 === 0 ? [0, 1] : [1, 0]) {
          const place = placesOf(gateway, workload)[side] as Place
          const driven = await drive(place, workload, seconds / turnsPerRound)
          cpuUs[side] = (cpuUs[side] ?? 0) + driven.cpuUs
          calls[side] = (calls[side] ?? 0) + driven.calls
        }
      }
      const [a = 0, b = 0] = cpuUs.map((us, side) => us / (calls[side] ?? 1))
      kept.push({ a, b })
      console.log(
        `round ${round + 1}  ${workload.id.padEnd(16)} ${a.toFixed(1)} µs  ${b.toFixed(1)} µs  ${(b / a).toFixed(3)}`,
      )
    }
  } finally {
    await gateway.process.stop()
  }
}

function placesOf(gateway: RunningGateway, { upstream, face }: Workload): readonly [Place, Place] {
  return [gateway.place(upstream, face), { ...gateway.place('group', face), tool: `${upstream}__echo` }]
}

/** Rejects when an answer was wrong: what fails may be cheap. */
async function drive(place: Place, workload: Workload, seconds: number) {
  const sample = await measure(place, workload, { seconds, warmUpSeconds })
  if (sample.errors > 0 || sample.requests === 0 || sample.cpuUsPerRequest === null)
    throw new Error(`${workload.id}: ${sample.errors} of ${sample.requests} calls went wrong`)
  return { cpuUs: sample.cpuUsPerRequest * sample.requests, calls: sample.requests }
}

/** The load and the MCP servers, which are children of this process, keep to themselves. */
function pinMyself(): void {
  const { exitCode, stderr } = Bun.spawnSync(['taskset', '-a', '-c', '-p', '1', String(process.pid)])
  if (exitCode !== 0) throw new Error(`taskset could not pin to processor 1: ${stderr}`)
}

process.exit(
  await main(process.argv.slice(2)).catch((thrown: unknown) => {
    console.error(thrown instanceof Error ? thrown.message : String(thrown))
    return 2
  }),
)
