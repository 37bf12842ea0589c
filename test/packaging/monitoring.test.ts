/** Alert rules and dashboards in deploy/: they name metrics that there are, and Prometheus takes them. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { metricTable } from '../../src/telemetry/metrics.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { clusterDashboardNames, dashboardNames, dashboardQueries } from './dashboards.ts'
import { programPath, readText, repository } from './repository.ts'

const rules = 'deploy/prometheus/alerts.yaml'
const promtool = programPath('promtool')
if (promtool === null)
  console.log('promtool is not installed: what it says of rules and dashboards is left out')

const allQueries = [...dashboardNames, ...clusterDashboardNames].flatMap((name) => dashboardQueries(name))

function expressionsOfRules(): string[] {
  const { groups } = Bun.YAML.parse(readText(rules)) as { groups: { rules: { expr: string }[] }[] }
  return groups.flatMap((group) => group.rules.map(({ expr }) => expr))
}

/** What promtool says, once it has succeeded. */
async function saidByPromtool(args: readonly string[], cwd: string): Promise<string> {
  const { exited, stdout, stderr } = Bun.spawn([promtool ?? '', ...args], { cwd, stderr: 'pipe' })
  const said = `${await new Response(stdout).text()}${await new Response(stderr).text()}`
  return (await exited) === 0 ? said : Promise.reject(new Error(said))
}

/** Every series that a metric of the table has. */
function knownSeries(): ReadonlySet<string> {
  const names = Object.values(metricTable).flatMap(({ kind, name }) =>
    kind === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  )
  return new Set(names)
}

describe('alert rules and dashboards', () => {
  test('name series that /metrics has, and the up of Prometheus', () => {
    const queries = [...expressionsOfRules(), ...allQueries]
    const named = queries.flatMap((query) => query.match(/\b(?:compozy|process)_\w+/g) ?? [])
    expect(named.length).toBeGreaterThan(50)
    const known = knownSeries()
    expect(named.filter((name) => !known.has(name))).toEqual([])
  })

  test('have a case for each alert', () => {
    const alerts = [...readText(rules).matchAll(/alert: (\w+)/g)].map(([, name]) => name)
    const tried = new Set(
      [...readText('deploy/prometheus/alerts.test.yaml').matchAll(/alertname: (\w+)/g)].map(
        ([, name]) => name,
      ),
    )
    expect(alerts.filter((name) => !tried.has(name))).toEqual([])
  })

  test.if(promtool !== null)('pass promtool, and alert when they should', async () => {
    const folder = join(repository, 'deploy/prometheus')
    expect(await saidByPromtool(['check', 'rules', 'alerts.yaml'], folder)).toContain('SUCCESS: 19 rules')
    expect(await saidByPromtool(['test', 'rules', 'alerts.test.yaml'], folder)).toContain('SUCCESS')
  })

  test.if(promtool !== null)('have queries in dashboards that Prometheus can read', async () => {
    const rules = allQueries.map((expr, at) => ({ record: `q:${at}`, expr }))
    using directory = temporaryDirectory({
      'queries.yaml': JSON.stringify({ groups: [{ name: 'queries', rules }] }),
    })
    expect(await saidByPromtool(['check', 'rules', 'queries.yaml'], directory.path)).toContain('SUCCESS')
  })
})
