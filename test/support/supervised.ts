/** Servers for tests of supervision: how they are defined, how they fare, and what has reached them. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Caller } from './callers.ts'
import { poll, type RunningGateway } from './gateway.ts'
import { type RunningProcess, startProcess } from './process.ts'
import type { TemporaryDirectory } from './temporary-directory.ts'

const rawServer = resolve(import.meta.dir, 'raw-server.ts')
const faultServer = resolve(import.meta.dir, 'fault-stdio.ts')

/** The part of a server's status that these tests look at (CONTRACT.md, "Admin API"). */
export interface ServerStatus {
  readonly status: 'disconnected' | 'connecting' | 'connected' | 'error'
  readonly lastError: string | null
  readonly reason: string | null
  readonly restarts: number
  readonly since: string
  readonly reconnectAttempts: number
  readonly upTime: number
  readonly totalRequests: number
  readonly totalErrors: number
  readonly processes: number
  readonly sessions: number
  readonly stderrTail: readonly string[]
}

type Definition = Readonly<Record<string, unknown>> & { readonly name: string; readonly args: string[] }

/** The raw server over a pipe. */
export function rawStdio(
  name: string,
  extra: Readonly<Record<string, unknown>> = {},
  args: string[] = [],
): Definition {
  return { name, transport: 'stdio', command: process.execPath, args: [rawServer, ...args], ...extra }
}

/** A server over a pipe that misbehaves in one way. */
export function faultStdio(
  name: string,
  mode: string,
  extra: Readonly<Record<string, unknown>> = {},
): Definition {
  return { name, transport: 'stdio', command: process.execPath, args: [faultServer, mode], ...extra }
}

export async function statusOf(gateway: Pick<RunningGateway, 'admin'>, name: string): Promise<ServerStatus> {
  const answer = await gateway.admin(`/mcps/${name}`)
  if (answer.status !== 200) throw new Error(`${name}: ${answer.status} ${await answer.text()}`)
  return ((await answer.json()) as { status: ServerStatus }).status
}

/** Resolves with the status once it is the one wanted. */
export async function untilStatus(
  gateway: Pick<RunningGateway, 'admin'>,
  name: string,
  wanted: ServerStatus['status'],
  patienceMs?: number,
): Promise<ServerStatus> {
  let last: ServerStatus | null = null
  const reached = async (): Promise<boolean> => {
    last = await statusOf(gateway, name)
    return last.status === wanted
  }
  await poll(`${name} to be ${wanted}`, reached, patienceMs).catch((thrown: Error) => {
    throw new Error(`${thrown.message}; it is ${JSON.stringify(last)}`)
  })
  return last as unknown as ServerStatus
}

/** Which process of the raw server answers this caller. */
export async function pidOf(caller: Caller): Promise<number> {
  const { answer } = await caller.call('who', 'pid', {})
  return Number((answer.result?.structuredContent as { pid?: number } | undefined)?.pid)
}

/** Every call that has reached a server, written down by the server itself as it came. */
export class Tally {
  readonly path: string

  constructor(directory: TemporaryDirectory) {
    this.path = join(directory.path, `tally-${crypto.randomUUID()}`)
  }

  /** For the command line of the raw server. */
  get args(): string[] {
    return ['--tally', this.path]
  }

  /** The `secret` of each call, as often as it was delivered, in order of the alphabet. */
  secrets(): string[] {
    return [...this.#text().matchAll(/"secret":"([^"]+)"/g)].map(([, secret = '']) => secret).toSorted()
  }

  /** How often a text was delivered. */
  count(part: string): number {
    return this.#text().split(part).length - 1
  }

  #text(): string {
    try {
      return readFileSync(this.path, 'utf8')
    } catch {
      return ''
    }
  }
}

/** The raw server over HTTP, which can be killed and started again where it was. */
export class RestartableHttp implements AsyncDisposable {
  url = ''
  #process: RunningProcess | null = null
  readonly #args: readonly string[]

  private constructor(args: readonly string[]) {
    this.#args = args
  }

  static async start(args: readonly string[] = []): Promise<RestartableHttp> {
    const server = new RestartableHttp(args)
    await server.start()
    return server
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  /** Listens at the port that it had, or at a free one the first time. */
  async start(): Promise<void> {
    const port = this.url === '' ? '0' : new URL(this.url).port
    const command = [process.execPath, rawServer, '--transport', 'http', '--port', port, ...this.#args]
    this.#process = startProcess({ command })
    const line = await this.#process.line((text) => text.startsWith('{"url"'))
    this.url = (JSON.parse(line) as { url: string }).url
  }

  async kill(): Promise<void> {
    await this.#process?.kill()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}
