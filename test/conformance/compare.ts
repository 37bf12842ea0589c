/** Compares two runs of the suite check by check: what passes direct must pass through the gateway. */
import type { Check, CheckStatus, Verdicts } from './suite.ts'

/** A check that passed direct and does not any more, or that fails only through the gateway. */
export interface Loss {
  readonly scenario: string
  readonly check: string
  /** `SUCCESS` with a count when the check is made several times. */
  readonly direct: string
  readonly proxied: string
  readonly reason: string
}

export interface Comparison {
  /** Scenarios that pass direct. */
  readonly scenariosDirect: number
  /** Of these, scenarios without a loss. */
  readonly scenariosKept: number
  readonly checksDirect: number
  readonly checksKept: number
  readonly losses: readonly Loss[]
}

/**
 * Checks that the suite itself reports as `INFO` instead of `SUCCESS` when the server makes use of a
 * freedom that the specification gives: three answers as JSON are as good as three event streams.
 */
const optional: readonly string[] = ['server-sse-streams-functional']

const bad: ReadonlySet<CheckStatus> = new Set(['FAILURE', 'WARNING'])

/** Compares the scenarios that pass direct; one that fails direct says nothing about the gateway. */
export function compare(direct: Verdicts, proxied: Verdicts): Comparison {
  const losses: Loss[] = []
  const totals = { scenarios: 0, kept: 0, checks: 0, checksKept: 0 }
  for (const [scenario, checks] of direct) {
    if (!passes(checks)) continue
    const found = lossesOf(scenario, checks, proxied.get(scenario) ?? [])
    const passed = checks.filter(({ status }) => status === 'SUCCESS').length
    const lost = found.reduce((sum, { count }) => sum + count, 0)
    totals.scenarios++
    if (found.length === 0) totals.kept++
    totals.checks += passed
    totals.checksKept += passed - lost
    losses.push(...found.map(({ loss }) => loss))
  }
  return {
    scenariosDirect: totals.scenarios,
    scenariosKept: totals.kept,
    checksDirect: totals.checks,
    checksKept: totals.checksKept,
    losses,
  }
}

/** The same for scenarios that have no direct run: each must pass, with every check of it. */
export function judge(scenarios: readonly string[], verdicts: Verdicts): Comparison {
  const losses: Loss[] = []
  let [kept, checksDirect, checksKept] = [0, 0, 0]
  for (const scenario of scenarios) {
    const checks = verdicts.get(scenario) ?? []
    const failing = checks.filter(({ status }) => bad.has(status))
    const passed = checks.filter(({ status }) => status === 'SUCCESS').length
    if (passes(checks)) kept++
    else if (failing.length === 0) losses.push(lossOf(scenario, '(all)', 'not made', ''))
    checksDirect += passed + failing.length
    checksKept += passed
    for (const { id, status, errorMessage } of failing)
      losses.push(lossOf(scenario, id, status, errorMessage ?? ''))
  }
  return { scenariosDirect: scenarios.length, scenariosKept: kept, checksDirect, checksKept, losses }
}

function lossOf(scenario: string, check: string, proxied: string, reason: string): Loss {
  return { scenario, check, direct: 'required', proxied, reason }
}

/** No check of it fails, and at least one succeeds. */
export function passes(checks: readonly Check[]): boolean {
  return checks.some(({ status }) => status === 'SUCCESS') && !checks.some(({ status }) => bad.has(status))
}

function lossesOf(
  scenario: string,
  direct: readonly Check[],
  proxied: readonly Check[],
): { loss: Loss; count: number }[] {
  const found: { loss: Loss; count: number }[] = []
  const ids = new Set([...direct, ...proxied].map(({ id }) => id))
  for (const id of ids) {
    const before = direct.filter((check) => check.id === id)
    const after = proxied.filter((check) => check.id === id)
    const passedBefore = before.filter(({ status }) => status === 'SUCCESS').length
    const passedAfter = after.filter(({ status }) => counts(id, status)).length
    const failing = after.filter(({ status }) => bad.has(status))
    if (passedAfter >= passedBefore && failing.length === 0) continue
    found.push({
      count: Math.max(0, passedBefore - passedAfter),
      loss: {
        scenario,
        check: id,
        direct: passedBefore === 0 ? 'not made' : times('SUCCESS', passedBefore),
        proxied: after.length === 0 ? 'not made' : [...new Set(after.map(({ status }) => status))].join(', '),
        reason: (failing[0] ?? after[0])?.errorMessage ?? '',
      },
    })
  }
  return found
}

function counts(id: string, status: CheckStatus): boolean {
  return status === 'SUCCESS' || (status === 'INFO' && optional.includes(id))
}

function times(word: string, count: number): string {
  return count === 1 ? word : `${word} × ${count}`
}
