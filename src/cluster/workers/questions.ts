/** What a supervisor and its workers ask of each other, and what they tell. */
import type { ReloadReport } from '../../reload/plan.ts'
import type { ReloadCause } from '../../reload/reload.ts'
import type { EventKind } from '../../telemetry/events.ts'
import type { MetricsSnapshot } from '../../telemetry/metrics.ts'
import type { ServerStatus } from '../../upstream/server/directory.ts'
import type { InstanceId } from '../directory/directory.ts'

/** One worker from its start to its end; the one that takes its place has another instance. */
export interface WorkerMember {
  /** From 1 on. */
  readonly worker: number
  readonly instance: InstanceId
  /** Path of the socket at which it takes requests of sessions that it has. */
  readonly socket: string
  /** Path of the socket at which it takes what is no MCP, while it is the head. */
  readonly door: string
}

/** Those that serve, in the order of their numbers. The first one is the head: it answers whatever is no MCP. */
export type WorkerMembers = readonly WorkerMember[]

/** How one worker sees a server. */
export type ServerAtWorker = Pick<
  ServerStatus,
  | 'name'
  | 'status'
  | 'reason'
  | 'since'
  | 'lastError'
  | 'lastErrorTime'
  | 'lastExit'
  | 'reconnectAttempts'
  | 'restarts'
  | 'totalRequests'
  | 'totalErrors'
  | 'toolErrors'
  | 'avgResponseTime'
  | 'processes'
  | 'sessions'
>

/** A line that a server wrote under one worker. */
export interface WorkerLine {
  readonly worker: number
  readonly mcp: string
  readonly time: string
  readonly text: string
}

/** Asked of a worker, by its supervisor or through it by another worker. */
export interface OfWorker {
  alive(nothing: null): void
  members(members: WorkerMembers): void
  /** Takes in what another one has written into the store. */
  stored(nothing: null): void
  figures(nothing: null): MetricsSnapshot
  servers(nothing: null): { readonly worker: number; readonly servers: readonly ServerAtWorker[] }
  restart(name: string): void
  reload(cause: ReloadCause): ReloadReport
  reopen(nothing: null): void
  /** A text of the directory's; see Directory.hint. */
  hint(text: string): void
  /** Whether anybody at the head follows what happens. */
  follow(follows: boolean): void
  /** To the head: what has happened elsewhere. */
  happened(event: { readonly kind: EventKind; readonly json: string }): void
  wrote(line: WorkerLine): void
  /** Ends gracefully, within the shutdown time-out. */
  stop(nothing: null): void
  stopNow(nothing: null): void
}

/** What a worker may have asked of all others. */
export type AskedOfOthers = 'figures' | 'servers' | 'stored' | 'restart' | 'follow'

/** What a worker is told when it begins. */
export interface WorkerOrders {
  readonly member: WorkerMember
  /** The port that all of them share; that of the configuration may be 0. */
  readonly port: number
  /** A directory of this run, which nobody else may read. */
  readonly runDirectory: string
  /** Where what the store keeps lies: the state directory, or for `storage.type: memory` one that ends with the run. */
  readonly stateDirectory: string
  /** What the members of this run know each other by. */
  readonly secret: string
  /** Whether its standard output is that of the gateway itself, and no pipe to the supervisor. */
  readonly writesOutput: boolean
}

/** What a worker listens on, and what it serves. */
export interface WorkerReady {
  readonly url: string
  readonly servers: readonly { readonly name: string; readonly transport: string }[]
}

/** Why a worker could not start. */
export interface StartFault {
  readonly message: string
  readonly code: string | null
  readonly configuration: boolean
}

export interface DirectoryQuestion {
  readonly method: string
  readonly given: readonly unknown[]
}

/** Asked of a supervisor. */
export interface OfSupervisor {
  begin(nothing: null): WorkerOrders
  ready(ready: WorkerReady): void
  failed(fault: StartFault): void
  /** It is on its way out: others are asked from now on. */
  leaving(nothing: null): void
  /** How many calls it has in flight, by server; told when it has changed. */
  calls(calls: readonly (readonly [server: string, count: number])[]): void
  directory(question: DirectoryQuestion): unknown
  hint(text: string): void
  /** The answers of those that have answered in time. */
  others(question: { readonly kind: AskedOfOthers; readonly body: unknown }): readonly unknown[]
  happened(event: { readonly kind: EventKind; readonly json: string }): void
  wrote(line: WorkerLine): void
  /** Has the supervisor and all workers read the configuration again. */
  reload(cause: ReloadCause): ReloadReport
}
