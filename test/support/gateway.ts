/**
 * The gateway as its users run it: a process on a free port, in an empty directory, with an empty HOME.
 *
 * Users have the single executable, so that is what is started unless a test says otherwise: what only breaks when
 * compiled (minified identifiers, embedded files, auto-loaded settings) is seen, and a start costs a sixth of the
 * processor time of one from the sources. Some suites run against both forms.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { documentedFetch } from './api-document.ts'
import { type RunningProcess, startProcess } from './process.ts'
import { processesAtHome } from './process-facts.ts'

export const repository = resolve(import.meta.dir, '../..')
const executable = join(repository, 'dist', 'compozy')
/** How long the processes of a gateway that is gone are waited for before its directory goes. */
const homeMs = 5_000

/** The two forms of the program. */
export type GatewayForm = 'source' | 'executable'

/** Both forms, for `describe.each`. */
export const gatewayForms: readonly GatewayForm[] = ['source', 'executable']

export interface GatewayOptions {
  /** Default executable. */
  readonly via?: GatewayForm
  /** Another executable than the one of these sources, such as that of an earlier version. */
  readonly program?: string
  /** `compozy.yaml` of the working directory: its text, or a value that is written as JSON (valid YAML). */
  readonly config?: string | Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  /** Flags after `mcp-proxy`. Port 0 and the JSON log are already given. */
  readonly args?: readonly string[]
  /** In front of the command line, for a process on another host (`hosts.ts`). */
  readonly within?: readonly string[]
  /** Replaces PATH, to show that nothing else need be installed. */
  readonly path?: string
  /** Waits for `/readyz` too, so that servers of the configuration answer. Default true. */
  readonly untilReady?: boolean
}

export interface RunningGateway extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, no trailing slash. */
  readonly url: string
  readonly pid: number
  /** The working directory, which is also HOME. */
  readonly directory: string
  readonly process: RunningProcess
  /** A request to the admin API: `admin('/mcps')`. A body that is not a string is sent as JSON. */
  admin(
    path: string,
    init?: { method?: string; body?: unknown; headers?: Record<string, string> },
  ): Promise<Response>
  /** Registers a server and waits until it is connected. Fails with the status when it is not. */
  register(definition: Readonly<Record<string, unknown>> & { name: string }): Promise<void>
  /** The URL of one face of one server. */
  face(name: string, face: 'stream' | 'sse'): URL
  lines(): readonly string[]
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number>
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
}

/** Starts the gateway and resolves once it says where it listens. */
export async function startGatewayProcess(options: GatewayOptions = {}): Promise<RunningGateway> {
  const directory = mkdtempSync(join(tmpdir(), 'compozy-test-'))
  if (options.config !== undefined) {
    const text = typeof options.config === 'string' ? options.config : JSON.stringify(options.config)
    writeFileSync(join(directory, 'compozy.yaml'), text)
  }
  const process = startProcess({
    command: [
      ...(options.within ?? []),
      ...(options.program ? [options.program] : commandOf(options.via ?? 'executable')),
      'mcp-proxy',
      ...flagsOf(options),
    ],
    cwd: directory,
    env: {
      HOME: directory,
      ...(options.path !== undefined && { PATH: options.path }),
      ...options.env,
    },
  })
  const url = await process
    .line((line) => listeningAt(line) !== undefined)
    .then(
      (line) => listeningAt(line) ?? '',
      async (reason) => {
        await process.kill()
        rmSync(directory, { recursive: true, force: true })
        throw reason
      },
    )
  const gateway = handleOf(process, url, directory)
  try {
    if (options.untilReady ?? true) await untilReady(gateway)
    return gateway
  } catch (reason) {
    await gateway.kill()
    throw reason
  }
}

/** The command line of one form; the executable is built when it is older than the sources. */
export function commandOf(form: GatewayForm): string[] {
  if (form === 'source') return [process.execPath, join(repository, 'src', 'main.ts')]
  buildExecutable()
  return [executable]
}

function flagsOf(options: GatewayOptions): string[] {
  const workers = process.env['WORKERS'] === undefined ? [] : ['--workers', process.env['WORKERS']]
  return ['--mcp-port', '0', '--mcp-log-format', 'json', ...workers, ...(options.args ?? [])]
}

function handleOf(process: RunningProcess, url: string, directory: string): RunningGateway {
  const clean = async () => {
    // A server that ends a moment after its gateway would write its runtime's cache into HOME again.
    const gone = async () => processesAtHome(directory).length === 0
    await poll('the last process of the gateway', gone, homeMs).catch(() => {})
    rmSync(directory, { recursive: true, force: true })
  }
  const admin: RunningGateway['admin'] = (path, init = {}) =>
    documentedFetch(`${url}/admin${path}`, {
      method: init.method ?? 'GET',
      headers: { ...(init.body !== undefined && { 'content-type': 'application/json' }), ...init.headers },
      ...(init.body !== undefined && {
        body: typeof init.body === 'string' ? init.body : JSON.stringify(init.body),
      }),
    })
  const stop = async () => {
    const code = await process.stop()
    await clean()
    return code
  }
  return {
    url,
    pid: process.pid,
    directory,
    process,
    admin,
    register: (definition) => register(admin, definition),
    face: (name, face) => new URL(`${url}/mcp-proxy/${name}/${face}`),
    lines: process.lines,
    stop,
    kill: async () => {
      await process.kill()
      await clean()
    },
    [Symbol.asyncDispose]: async () => {
      await stop()
    },
  }
}

async function register(
  admin: RunningGateway['admin'],
  definition: Readonly<Record<string, unknown>> & { name: string },
): Promise<void> {
  const added = await admin('/mcps', { method: 'POST', body: definition })
  if (added.status !== 201) {
    throw new Error(`registering ${definition.name}: ${added.status} ${await added.text()}`)
  }
  await poll(`${definition.name} to connect`, async () => {
    const answer = await admin(`/mcps/${definition.name}`)
    const { status } = (await answer.json()) as { status?: { status?: string; lastError?: string } }
    if (status?.status === 'error') throw new Error(`${definition.name}: ${status.lastError}`)
    return status?.status === 'connected'
  })
}

async function untilReady(gateway: RunningGateway): Promise<void> {
  await poll('/readyz', async () => {
    const answer = await documentedFetch(`${gateway.url}/readyz`)
    await answer.arrayBuffer()
    return answer.status === 200
  })
}

/** For states that a process announces to nobody. Asks again after a few milliseconds, within bounds. */
export async function poll(
  what: string,
  reached: () => Promise<boolean>,
  patienceMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!(await reached())) {
    if (performance.now() > deadline) throw new Error(`waited ${patienceMs} ms for ${what}`)
    await Bun.sleep(10)
  }
}

function listeningAt(line: string): string | undefined {
  if (!/listening/i.test(line)) return undefined
  return /https?:\/\/[^\s"/]+:\d+/.exec(line)?.[0]
}

let built = false

function buildExecutable(): void {
  if (built || (existsSync(executable) && statSync(executable).mtimeMs > newestSourceMs())) {
    built = true
    return
  }
  mkdirSync(join(repository, 'dist'), { recursive: true })
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, 'scripts/build.ts'], { cwd: repository })
  if (exitCode !== 0) throw new Error(`the executable could not be built: ${stderr.toString()}`)
  built = true
}

function newestSourceMs(): number {
  const source = join(repository, 'src')
  const files = readdirSync(source, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  return Math.max(...files.map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs))
}
