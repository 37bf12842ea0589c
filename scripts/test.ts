/**
 * Runs the whole suite, or the files given as arguments: builds the executable when a source is newer,
 * then `bun test`. The last line is `N passed, N failed`, for machines that read nothing else; nothing
 * run counts as failed, and so does a temporary file that is left.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { build, defaultOutfile } from './build.ts'

const root = resolve(import.meta.dir, '..')
/** End-to-end tests start processes; on a busy machine that takes a while. */
const TEST_MS_MAX = 60_000
/** More at once and tests that measure time measure each other; one more than processors, as many tests wait. */
const WORKERS_MAX = 4
/** Of each folder that a test has left: enough to tell which test it was. */
const FILES_SHOWN_MAX = 8
/** Tests of memory and waiting, which run after all others: beside those they would measure them. */
const MEASURED = 'test/measured/'
/**
 * Of the measured ones those that wait for most of their time, beside one another in two rows; each of the rest runs
 * alone.
 */
const MEASURED_BESIDE = [
  ['test/measured/faults-vanishing.test.ts'],
  ['test/measured/faults-slow-reader.test.ts', 'test/measured/parked-calls.test.ts'],
]
/**
 * They need a tenth to a third of the time that they take, and wait for the rest of it: one after the other, beside
 * all others, they keep no worker from what is to be done.
 */
const WAITING = [
  'test/cli/resident-pages.test.ts',
  'test/cli/silent-gateway.test.ts',
  'test/cluster/membership.test.ts',
  'test/cluster/reach.test.ts',
  'test/credentials/oauth/renewal.test.ts',
  'test/e2e/able-clients.test.ts',
  'test/e2e/cluster-rolling.test.ts',
  'test/e2e/cluster-upstream-sessions.test.ts',
  'test/e2e/faults-groups.test.ts',
  'test/e2e/faults-shutdown.test.ts',
  'test/e2e/faults-supervision.test.ts',
  'test/e2e/first-client.test.ts',
  'test/e2e/groups-lists.test.ts',
  'test/e2e/reload.test.ts',
  'test/e2e/secrets.test.ts',
  'test/e2e/session-storms.test.ts',
  'test/e2e/tls-listener.test.ts',
  'test/http/limits.test.ts',
  'test/http/listener.test.ts',
  'test/runtime/patience.test.ts',
  'test/upstream/transports/http/sse.test.ts',
  'test/upstream/transports/http/streamable-http.test.ts',
  'test/upstream/transports/stdio/stdio.test.ts',
  'test/upstream/transports/stdio/watchdog.test.ts',
]

function newestMs(...paths: readonly string[]): number {
  const times = paths.flatMap((path) => {
    const found = statSync(join(root, path))
    if (!found.isDirectory()) return [found.mtimeMs]
    const files = readdirSync(join(root, path), { recursive: true, withFileTypes: true })
    return files
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs)
  })
  return Math.max(...times)
}

async function buildWhenStale(): Promise<void> {
  const sourceMs = newestMs('src', 'package.json', 'bun.lock', 'scripts/build.ts')
  if (existsSync(defaultOutfile) && statSync(defaultOutfile).mtimeMs > sourceMs) return
  console.log('Building dist/compozy …')
  await build()
}

interface Counts {
  readonly passed: number
  readonly failed: number
}

/** From the report, because the closing lines on the terminal are made for people. */
function countsIn(report: string): Counts {
  const [, attributes = ''] = /<testsuites\b([^>]*)>/.exec(report) ?? []
  const number = (name: string): number =>
    Number(new RegExp(`\\b${name}="(\\d+)"`).exec(attributes)?.[1] ?? 0)
  const failed = number('failures') + number('errors')
  return { passed: Math.max(0, number('tests') - failed - number('skipped')), failed }
}

/** What a run has left in its folder for temporary files, each with the first files in it. */
function leftIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).map((entry) => {
    if (!entry.isDirectory()) return entry.name
    const within = readdirSync(join(folder, entry.name), { recursive: true, encoding: 'utf8' })
    return `${entry.name}: ${within.toSorted().slice(0, FILES_SHOWN_MAX).join(', ')}`
  })
}

/** A run has a folder of its own for temporary files, which is empty at its end or the run has failed. */
async function run(patterns: readonly string[]): Promise<Counts> {
  const temporary = mkdtempSync(join(tmpdir(), 'compozy-run-'))
  try {
    const counts = await runIn(temporary, patterns)
    const left = leftIn(temporary)
    if (left.length === 0) return counts
    console.log(`Left in the folder for temporary files:\n  ${left.join('\n  ')}`)
    // A test that failed may have been stopped before it could clear up.
    return { ...counts, failed: Math.max(1, counts.failed) }
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

async function runIn(temporary: string, patterns: readonly string[]): Promise<Counts> {
  const all = [...new Bun.Glob('test/**/*.test.ts').scanSync(root)]
  const gone = [...WAITING, ...MEASURED_BESIDE.flat()].filter((file) => !all.includes(file))
  if (gone.length > 0) throw new Error(`scripts/test.ts names what is not there: ${gone.join(', ')}`)
  const files = all.filter(
    (file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)),
  )
  const chosen = (some: readonly string[]) => some.filter((file) => files.includes(file))
  const measured = files.filter((file) => file.startsWith(MEASURED))
  const others = files.filter((file) => !measured.includes(file) && !WAITING.includes(file))
  const workers = Math.min(WORKERS_MAX, availableParallelism() + 1)
  const place = (name: string) => join(temporary, `${name}.xml`)
  const counts = await Promise.all([
    runFiles(place('others'), others, [`--parallel=${workers}`], 'at once'),
    runFiles(place('waiting'), chosen(WAITING), ['--isolate'], 'at the end'),
  ])
  const [first = [], second = []] = MEASURED_BESIDE.map(chosen)
  counts.push(
    ...(await Promise.all([
      runFiles(place('first'), first, [], 'at once'),
      runFiles(place('second'), second, [], 'at the end'),
    ])),
  )
  const alone = measured.filter((file) => !MEASURED_BESIDE.flat().includes(file))
  counts.push(await runFiles(place('alone'), alone, [], 'at once'))
  return {
    passed: counts.reduce((sum, { passed }) => sum + passed, 0),
    failed: counts.reduce((sum, { failed }) => sum + failed, 0),
  }
}

/** What it prints is shown `at the end` where another run prints at the same time: a line stands below its file. */
async function runFiles(
  report: string,
  files: readonly string[],
  options: readonly string[],
  shown: 'at once' | 'at the end',
): Promise<Counts> {
  if (files.length === 0) return { passed: 0, failed: 0 }
  const output = shown === 'at once' ? 'inherit' : 'pipe'
  const child = Bun.spawn(
    [
      process.execPath,
      'test',
      `--timeout=${TEST_MS_MAX}`,
      ...options,
      '--reporter=junit',
      `--reporter-outfile=${report}`,
      ...files.map((file) => `./${file}`),
    ],
    {
      cwd: root,
      env: { ...process.env, TMPDIR: dirname(report) },
      stdin: 'ignore',
      stdout: output,
      stderr: output,
    },
  )
  const [exitCode, said, complaints] = await Promise.all([
    child.exited,
    child.stdout ? new Response(child.stdout).text() : '',
    child.stderr ? new Response(child.stderr).text() : '',
  ])
  if (output === 'pipe') console.log(`${said}${complaints}`)
  const counts = existsSync(report) ? countsIn(readFileSync(report, 'utf8')) : { passed: 0, failed: 0 }
  rmSync(report, { force: true })
  // A file that cannot be loaded, or a worker that died, is in no report.
  const unseen = exitCode !== 0 && counts.failed === 0 ? 1 : 0
  return { passed: counts.passed, failed: counts.failed + unseen }
}

await buildWhenStale()
const { passed, failed } = await run(process.argv.slice(2))
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 || passed === 0 ? 1 : 0)
