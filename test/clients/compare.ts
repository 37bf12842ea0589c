/** What the gateway has lost, and the table of it all. */
import type { Endpoint } from './clients.ts'
import { type FeatureName, featureNames, gatewayOnly, type Outcome, type Outcomes } from './features.ts'

/** A feature that does not work through the gateway, though it works direct or must work there anyway. */
export interface Loss {
  readonly feature: FeatureName
  readonly detail: string
}

/** Every feature that the gateway owes and does not give; when nothing opens, that is the one. */
export function losses(direct: Outcomes, proxied: Outcomes): Loss[] {
  const opened = proxied.get('initialize')?.ok === true
  return featureNames.slice(0, opened ? undefined : 1).flatMap((feature) => {
    const there = proxied.get(feature)
    if (there?.ok === true) return []
    const owed = gatewayOnly.has(feature) ? there !== undefined : direct.get(feature)?.ok === true
    return owed ? [{ feature, detail: there?.detail ?? 'not reached' }] : []
  })
}

/** One column of the table: a client at an endpoint. */
export interface Column {
  readonly client: string
  readonly version: string
  readonly endpoint: Endpoint
  readonly direct: Outcomes
  readonly proxied: Outcomes
}

/** A row for each client and endpoint, a column for each feature: direct, then through the gateway. */
export function matrix(columns: readonly Column[]): string {
  const head = ['client', 'endpoint', 'speaks', ...featureNames.map((name) => name.replaceAll('_', ' '))]
  const rows = columns.map(({ client, version, endpoint, direct, proxied }) => [
    `${client} ${version}`,
    `/${endpoint}`,
    versionOf(proxied) || versionOf(direct) || '–',
    ...featureNames.map((feature) => cell(direct.get(feature), proxied.get(feature))),
  ])
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function versionOf(outcomes: Outcomes): string {
  const initialized = outcomes.get('initialize')
  return initialized?.ok === true ? initialized.detail : ''
}

function cell(direct: Outcome | undefined, proxied: Outcome | undefined): string {
  if (direct === undefined && proxied === undefined) return '–'
  return `${sign(direct)} ${sign(proxied)}`
}

function sign(outcome: Outcome | undefined): string {
  if (outcome === undefined) return '–'
  return outcome.ok ? '✓' : '✗'
}
