/**
 * `bun run conformance`: the official suite direct and through the gateway, compared check by check.
 *
 *   bun run conformance                          every way through the gateway
 *   bun run conformance --only stdio --only /sse ways whose name contains all the given words
 *   bun run conformance --scenario tools-list    these scenarios only (repeatable)
 *   bun run conformance --via executable         the compiled program instead of the sources
 *   bun run conformance --list                   the names of all ways
 *
 * CONFORMANCE_REPLICAS=3 has so many replicas in the place of the gateway, and each request at another one than before.
 *
 * Prints a table and every lost check. Exits 1 when something is lost that has no excuse.
 */
import { parseArgs } from 'node:util'
import { type Pair, pairs } from '../test/conformance/pairs.ts'
import { Baselines, type PairReport, runPair } from '../test/conformance/run.ts'
import type { GatewayForm } from '../test/support/gateway.ts'

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true, default: [] },
      scenario: { type: 'string', multiple: true, default: [] },
      via: { type: 'string', default: 'source' },
      list: { type: 'boolean', default: false },
    },
  })
  const chosen = pairs.filter(({ name }) => values.only.every((word) => name.includes(word)))
  if (values.list) {
    for (const { name } of chosen) console.log(name)
    return 0
  }
  if (chosen.length === 0) throw new Error(`no way is named ${values.only.join(' ')}; see --list`)
  const reports = await runAll(chosen, values.via as GatewayForm, values.scenario)
  print(reports)
  return reports.every(({ broken }) => broken.length === 0) ? 0 : 1
}

async function runAll(chosen: readonly Pair[], via: GatewayForm, scenarios: readonly string[]) {
  const reports: PairReport[] = []
  await using baselines = new Baselines(scenarios)
  for (const pair of chosen) {
    process.stderr.write(`${pair.name} … `)
    const startedAtMs = performance.now()
    const report = await runPair(pair, via, baselines, scenarios).catch((reason: unknown) =>
      unrunnable(pair, reason),
    )
    reports.push(report)
    process.stderr.write(`${Math.round(performance.now() - startedAtMs)} ms\n`)
  }
  return reports
}

/** A way that could not be run at all has lost everything. */
function unrunnable(pair: Pair, reason: unknown): PairReport {
  const loss = { scenario: '(all)', check: '(all)', direct: '', proxied: 'not run', reason: String(reason) }
  return {
    pair,
    scenariosDirect: 0,
    scenariosKept: 0,
    checksDirect: 0,
    checksKept: 0,
    losses: [loss],
    broken: [loss],
    tolerated: [],
  }
}

function print(reports: readonly PairReport[]): void {
  const rows = reports.map((report) => [
    report.pair.name,
    `${report.scenariosKept}/${report.scenariosDirect}`,
    `${report.checksKept}/${report.checksDirect}`,
    String(report.broken.length),
    String(report.tolerated.length),
  ])
  console.log()
  printTable(['way', 'scenarios', 'checks', 'lost', 'tolerated'], rows)
  for (const { pair, broken, tolerated } of reports) {
    for (const [word, losses] of [
      ['lost', broken],
      ['tolerated', tolerated],
    ] as const) {
      for (const { scenario, check, direct, proxied, reason } of losses) {
        console.log(`${word}: ${pair.name}: ${scenario} / ${check}: ${direct} → ${proxied}. ${reason}`)
      }
    }
  }
  const broken = reports.filter((report) => report.broken.length > 0).length
  console.log(`${reports.length - broken} passed, ${broken} failed`)
}

function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  console.log(line(head))
  console.log(line(widths.map((width) => '-'.repeat(width))))
  for (const row of rows) console.log(line(row))
  console.log()
}

process.exitCode = await main()
