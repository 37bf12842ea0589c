/**
 * Installs and builds the client programs, outside the repository: in COMPOZY_CLIENTS_CACHE, else below the
 * user's cache folder. What is there already is used again; a folder's name holds the sum of what it was made of.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import type { Subprocess } from 'bun'

/** What the programs are written in, with what a machine needs to run them. */
const languages = {
  Python: ['python3'],
  Go: ['go'],
  Rust: ['cargo'],
  Java: ['java', 'javac', 'mvn'],
  Node: ['node', 'npm'],
} as const

export type Language = keyof typeof languages

/** What the machine lacks for a language, or null. */
export function missingFor(language: Language): string | null {
  const program = languages[language].find((name) => Bun.which(name) === null)
  if (program !== undefined) return `there is no ${program}`
  // Debian leaves these two out of its Python.
  if (language !== 'Python') return null
  const { exitCode } = Bun.spawnSync(['python3', '-c', 'import ensurepip, venv'])
  return exitCode === 0 ? null : 'python3 cannot make virtual environments'
}

/** How long one installation or build may take, from nothing, on two busy cores. */
const buildMs = 900_000
/** The folder of the client programs and their pinned versions. */
export const programs = import.meta.dir

function cacheRoot(): string {
  const base = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return process.env['COMPOZY_CLIENTS_CACHE'] ?? join(base, 'compozy-clients')
}

/** A folder made by `make` once for these sources; two makers at the same time do not disturb each other. */
async function made(
  name: string,
  sources: readonly string[],
  make: (directory: string) => Promise<void>,
): Promise<string> {
  const directory = join(cacheRoot(), `${name}-${sumOf(sources)}`)
  if (existsSync(directory)) return directory
  forgetAbandoned(directory)
  const draft = `${directory}.${process.pid}`
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft, { recursive: true })
  try {
    await make(draft)
    // Another process may have been quicker; what it made is the same.
    if (!existsSync(directory)) renameSync(draft, directory)
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
  return directory
}

/** Drafts of processes that were killed at their work. */
function forgetAbandoned(directory: string): void {
  const [root, name] = [dirname(directory), basename(directory)]
  for (const entry of existsSync(root) ? readdirSync(root) : []) {
    const [, pid] = entry.startsWith(`${name}.`) ? (/\.(\d+)$/.exec(entry) ?? []) : []
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(root, entry), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const builders = new Set<Subprocess>()
process.on('exit', () => {
  for (const builder of builders) builder.kill()
})

function sumOf(sources: readonly string[]): string {
  const hash = new Bun.CryptoHasher('sha256').update(process.version + process.arch)
  for (const path of sources.flatMap(filesBelow)) {
    hash.update(relative(programs, path)).update(readFileSync(path))
  }
  return hash.digest('hex').slice(0, 12)
}

function filesBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  const entries = readdirSync(path, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

async function run(command: readonly string[], cwd: string, env: Record<string, string> = {}): Promise<void> {
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...process.env, ...env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: buildMs,
    killSignal: 'SIGKILL',
  })
  builders.add(child)
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  builders.delete(child)
  if (code !== 0) {
    throw new Error(`${command.slice(0, 4).join(' ')} failed:\n${`${out}\n${err}`.slice(-1500)}`)
  }
}

const pending = new Map<string, Promise<string>>()

/** One installation at a time for one thing, however many clients wait for it. */
function once(key: string, make: () => Promise<string>): Promise<string> {
  const known = pending.get(key) ?? make()
  pending.set(key, known)
  return known
}

/** A virtual environment with the packages of `python/<name>.txt`; answers its interpreter. */
export function pythonWith(name: string): Promise<string> {
  const requirements = join(programs, 'python', `${name}.txt`)
  return once(`python-${name}`, async () => {
    const directory = await made(`python-${name}`, [requirements], async (draft) => {
      await run(['python3', '-m', 'venv', draft], draft)
      const pip = [join(draft, 'bin', 'python'), '-m', 'pip', 'install', '--quiet', '--no-compile']
      await run([...pip, '--disable-pip-version-check', '--no-input', '-r', requirements], draft)
    })
    return join(directory, 'bin', 'python')
  })
}

/** The program of `go/<name>`; answers its path. */
export function goProgram(name: string): Promise<string> {
  const sources = join(programs, 'go')
  return once(`go-${name}`, async () => {
    const directory = await made(`go-${name}`, [sources], (draft) =>
      run(['go', 'build', '-o', join(draft, name), `./${name}`], sources, { GOFLAGS: '-mod=readonly' }),
    )
    return join(directory, name)
  })
}

/** The OTLP receiver of the OpenTelemetry collector (`collector/`); answers the path of its program. */
export function collectorProgram(): Promise<string> {
  const sources = join(programs, 'collector')
  return once('collector', async () => {
    const directory = await made('collector', [sources], (draft) =>
      run(['go', 'build', '-o', join(draft, 'collector'), '.'], sources, { GOFLAGS: '-mod=readonly' }),
    )
    return join(directory, 'collector')
  })
}

/**
 * Helm, and a program that judges manifests and Compose files (`../packaging/deployment-tools`); answers their folder.
 * Both take minutes once, so they are built one package at a time and behind everything else.
 */
export function deploymentTools(): Promise<string> {
  const sources = join(programs, '..', 'packaging', 'deployment-tools')
  return once('deployment-tools', () =>
    made('deployment-tools', [sources], async (draft) => {
      const build = ['nice', '-n', '19', 'go', 'build', '-p', '1', '-o']
      const env = { GOFLAGS: '-mod=readonly' }
      await run([...build, join(draft, 'helm'), 'helm.sh/helm/v4/cmd/helm'], sources, env)
      await run([...build, join(draft, 'deployment-check'), '.'], sources, env)
    }),
  )
}

/** The program of `rust/`; answers its path. */
export function rustProgram(): Promise<string> {
  const sources = join(programs, 'rust')
  return once('rust', async () => {
    const directory = await made('rust', [sources], (draft) => {
      const install = ['cargo', 'install', '--quiet', '--debug', '--locked', '--path', sources]
      // Kept for the next build: a changed program is a matter of seconds, its libraries of minutes.
      return run([...install, '--root', draft, '--target-dir', join(cacheRoot(), 'rust-target')], draft)
    })
    return join(directory, 'bin', 'features')
  })
}

/** The class path of `java/`, with its program compiled. */
export function javaClassPath(): Promise<string> {
  const sources = join(programs, 'java')
  return once('java', async () => {
    const directory = await made('java', [sources], async (draft) => {
      const maven = ['mvn', '--quiet', '--batch-mode', '--file', join(sources, 'pom.xml')]
      const jars = join(draft, 'jars')
      await run([...maven, 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`], draft)
      const classes = join(draft, 'classes')
      await run(['javac', '-d', classes, '-cp', `${jars}/*`, join(sources, 'Features.java')], draft)
    })
    return `${join(directory, 'classes')}:${join(directory, 'jars')}/*`
  })
}

/** A folder with the packages of `node/` and its programs; answers it. */
export function nodePackages(): Promise<string> {
  const sources = join(programs, 'node')
  return once('node', () =>
    made('node', [sources], async (draft) => {
      for (const name of readdirSync(sources)) {
        await Bun.write(join(draft, name), Bun.file(join(sources, name)))
      }
      await run(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], draft)
    }),
  )
}

/** A folder with servers as npm has them, `servers/npm`; answers it. Only their own versions are pinned. */
export function publishedServers(): Promise<string> {
  const sources = join(programs, 'servers', 'npm')
  return once('servers', () =>
    made('servers', [sources], async (draft) => {
      await Bun.write(join(draft, 'package.json'), Bun.file(join(sources, 'package.json')))
      await run(
        ['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--silent'],
        draft,
      )
    }),
  )
}
