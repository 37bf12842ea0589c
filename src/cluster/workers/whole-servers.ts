/**
 * The servers as admins see them who ask the head: its own, with what the other workers have of the same ones. What
 * counts is added; a server is as well as it is where it is worst, and the reason says at which worker.
 */

import type { ServerDirectory, ServerEntry, ServerStatus } from '../../upstream/server/directory.ts'
import type { OutputFollower, OutputLine } from '../../upstream/server/output-tail.ts'
import type { ServerAtWorker, WorkerLine } from './questions.ts'

/** What the head knows of the others. */
export interface Others {
  /** How each of them sees this server, by the number of the worker. */
  of(name: string): readonly (readonly [worker: number, figures: ServerAtWorker])[]
  readonly lines: WorkerLines
  /** Has them start this server anew. Resolves when they have. */
  restart(name: string): Promise<void>
  /** Resolves when they have taken what was changed in the store. */
  settled(): Promise<void>
}

/** How bad it is; the higher counts. */
const badness: Readonly<Record<ServerStatus['status'], number>> = {
  connected: 0,
  connecting: 1,
  disconnected: 2,
  error: 3,
}

export class WholeServers implements ServerDirectory {
  readonly #own: ServerDirectory
  readonly #others: Others

  constructor(own: ServerDirectory, others: Others) {
    this.#own = own
    this.#others = others
  }

  list(): readonly ServerEntry[] {
    return this.#own.list().map((entry) => wholeEntry(entry, this.#others))
  }

  get(name: string): ServerEntry | undefined {
    const entry = this.#own.get(name)
    return entry && wholeEntry(entry, this.#others)
  }

  add(...given: Parameters<ServerDirectory['add']>): ServerEntry {
    return this.#own.add(...given)
  }

  replace(...given: Parameters<ServerDirectory['replace']>): ServerEntry {
    return this.#own.replace(...given)
  }

  async remove(name: string): Promise<void> {
    await Promise.all([this.#own.remove(name), this.#others.settled()])
  }

  async restart(name: string): Promise<void> {
    await Promise.all([this.#own.restart(name), this.#others.restart(name)])
  }

  async disable(name: string, disabledAt: string): Promise<void> {
    await Promise.all([this.#own.disable(name, disabledAt), this.#others.settled()])
  }

  enable(name: string): void {
    this.#own.enable(name)
  }

  try(...given: Parameters<ServerDirectory['try']>): ReturnType<ServerDirectory['try']> {
    return this.#own.try(...given)
  }
}

function wholeEntry(entry: ServerEntry, others: Others): ServerEntry {
  const { name } = entry.definition
  return {
    definition: entry.definition,
    origin: entry.origin,
    get disabledAt() {
      return entry.disabledAt
    },
    status: () => wholeStatus(entry.status(), others.of(name)),
    output: {
      lines: () => others.lines.among(name, entry.output.lines()),
      follow: (follower) => followBoth(entry, name, others.lines, follower),
    },
    settled: () => entry.settled(),
    untilSettled: (waitMs) => entry.untilSettled(waitMs),
    listTools: () => entry.listTools(),
    callTool: (...given) => entry.callTool(...given),
  }
}

function followBoth(
  { output }: ServerEntry,
  name: string,
  lines: WorkerLines,
  follower: OutputFollower,
): () => void {
  const unfollow = output.follow(follower)
  const unfollowOthers = lines.follow(name, (line: OutputLine) => follower.line(line))
  return () => {
    unfollow()
    unfollowOthers()
  }
}

/** The status at the head, and what the others add to it. */
function wholeStatus(
  own: ServerStatus,
  others: readonly (readonly [worker: number, figures: ServerAtWorker])[],
): ServerStatus {
  const whole: ServerStatus = { ...own }
  let weighted = own.avgResponseTime * own.totalRequests
  for (const [worker, other] of others) {
    weighted += other.avgResponseTime * other.totalRequests
    whole.reconnectAttempts += other.reconnectAttempts
    whole.restarts += other.restarts
    whole.totalRequests += other.totalRequests
    whole.totalErrors += other.totalErrors
    whole.toolErrors += other.toolErrors
    whole.processes += other.processes
    whole.sessions += other.sessions
    if (badness[other.status] > badness[whole.status]) {
      whole.status = other.status
      whole.since = other.since
      whole.reason = other.reason === null ? `so at worker ${worker}` : `worker ${worker}: ${other.reason}`
    }
    if ((other.lastErrorTime ?? '') > (whole.lastErrorTime ?? '')) {
      whole.lastErrorTime = other.lastErrorTime
      whole.lastError = other.lastError
    }
    if ((other.lastExit?.at ?? '') > (whole.lastExit?.at ?? '')) whole.lastExit = other.lastExit
  }
  whole.avgResponseTime = whole.totalRequests === 0 ? 0 : Math.round(weighted / whole.totalRequests)
  return whole
}

/** Of one server at all other workers together. */
const linesMax = 200

/** What servers have written under other workers, as far as the head keeps it: as much as of one of its own. */
export class WorkerLines {
  readonly #lines = new Map<string, OutputLine[]>()
  readonly #followers = new Map<string, Set<(line: OutputLine) => void>>()

  add({ worker, mcp, time, text }: WorkerLine): void {
    const line = { time, text: `[worker ${worker}] ${text}` }
    const lines = this.#lines.get(mcp) ?? []
    this.#lines.set(mcp, lines)
    lines.push(line)
    if (lines.length > linesMax) lines.shift()
    for (const follower of this.#followers.get(mcp) ?? []) follower(line)
  }

  /** These, and those of the others, by when they were written. */
  among(mcp: string, own: readonly OutputLine[]): OutputLine[] {
    const others = this.#lines.get(mcp) ?? []
    return others.length === 0
      ? [...own]
      : [...own, ...others].sort((one, other) => (one.time < other.time ? -1 : one.time > other.time ? 1 : 0))
  }

  /** Tells `follower` until the function that is returned is called. */
  follow(mcp: string, follower: (line: OutputLine) => void): () => void {
    const followers = this.#followers.get(mcp) ?? new Set()
    this.#followers.set(mcp, followers.add(follower))
    return () => {
      followers.delete(follower)
      if (followers.size === 0) this.#followers.delete(mcp)
    }
  }

  /** The server is gone. */
  forget(mcp: string): void {
    this.#lines.delete(mcp)
  }

  /** Somebody else is the head. */
  clear(): void {
    this.#lines.clear()
  }
}
