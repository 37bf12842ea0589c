/** Runs the official conformance suite as a process and reads the verdict of every single check. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const suite = resolve(import.meta.dir, '../../node_modules/@modelcontextprotocol/conformance/dist/index.js')

/** A revision whose scenarios are run on its own wire. */
export type Requirements = '2025-06-18' | '2025-11-25' | '2026-07-28'

export type CheckStatus = 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO'

export interface Check {
  readonly id: string
  readonly status: CheckStatus
  readonly errorMessage?: string
}

/** Scenario names to their checks, in the order in which they were made. */
export type Verdicts = ReadonlyMap<string, readonly Check[]>

/** Longest run of a whole set; a scenario has its own, shorter bound inside the suite. */
const runMs = 180_000

/** Runs the scenarios for servers against a URL: a whole set, or only those named. */
export async function testServer(
  url: string,
  requirements: Requirements,
  scenarios: readonly string[] = [],
): Promise<Verdicts> {
  if (scenarios.length === 0) return runSuite(['server', '--url', url, ...setOf(requirements)])
  const one = (name: string) =>
    runSuite(['server', '--url', url, '--scenario', name, '--spec-version', requirements])
  return merged(await inTurn(scenarios, one))
}

/** Runs scenarios for clients: the suite starts a mock server and hands its URL to the command. */
export async function testClient(
  command: string,
  requirements: Requirements,
  scenarios: readonly string[],
  env: Readonly<Record<string, string>> = {},
  flags: readonly string[] = [],
): Promise<Verdicts> {
  const one = (name: string) =>
    runSuite(
      ['client', '--command', command, '--scenario', name, '--spec-version', requirements, ...flags],
      env,
    )
  return merged(await inTurn(scenarios, one))
}

/** The suite has no frozen set for 2025-06-18, only what applies to it. */
function setOf(requirements: Requirements): string[] {
  return requirements === '2025-06-18'
    ? ['--suite', 'all', '--spec-version', requirements]
    : ['--requirements', requirements]
}

async function runSuite(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Verdicts> {
  const directory = mkdtempSync(join(tmpdir(), 'conformance-'))
  try {
    const child = Bun.spawn([process.execPath, suite, ...args, '--output-dir', directory], {
      env: { ...process.env, ...env },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: runMs,
      killSignal: 'SIGKILL',
    })
    // The exit code says whether a check failed, which the verdicts say better.
    const [output, complaints] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ])
    await child.exited
    const verdicts = readVerdicts(directory)
    // A scenario that was asked for by name and does not exist at this revision is no failure.
    if (verdicts.size === 0 && !output.includes('is not applicable at spec version'))
      throw new Error(`the suite left no verdict:\n${output}\n${complaints}`)
    return verdicts
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Folders are named after the scenario, with `server-` before and the time behind it. */
function readVerdicts(directory: string): Verdicts {
  const verdicts = new Map<string, Check[]>()
  for (const path of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const folder = /^(?:server-)?(.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z[/\\]checks\.json$/.exec(path)?.[1]
    if (folder === undefined) continue
    const checks = JSON.parse(readFileSync(join(directory, path), 'utf8')) as Check[]
    verdicts.set(folder, [...(verdicts.get(folder) ?? []), ...checks])
  }
  return verdicts
}

async function inTurn<A, B>(inputs: readonly A[], work: (input: A) => Promise<B>): Promise<B[]> {
  const results: B[] = []
  for (const input of inputs) results.push(await work(input))
  return results
}

function merged(runs: readonly Verdicts[]): Verdicts {
  return new Map(runs.flatMap((run) => [...run]))
}
