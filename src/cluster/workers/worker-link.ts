/**
 * The end of the wire in a worker: what its gateway has in common with the others. Each worker is a whole gateway; one
 * of them, the head, answers what is no MCP for all of them.
 */
import { join } from 'node:path'
import { reasonOf } from '../../errors.ts'
import type { Relay } from '../../http/relay.ts'
import type { MetricsSource } from '../../http/routes/metrics.ts'
import { openWorkerStore, type StoreSettings } from '../../registry/storage/open-store.ts'
import type { StoredChanges } from '../../registry/storage/sqlite.ts'
import type { ReloadReport } from '../../reload/plan.ts'
import type { ReloadCause } from '../../reload/reload.ts'
import type { Events } from '../../telemetry/events.ts'
import type { Log } from '../../telemetry/log.ts'
import type { MetricsSnapshot } from '../../telemetry/metrics.ts'
import type { ServerDirectory } from '../../upstream/server/directory.ts'
import type { OutputLine } from '../../upstream/server/output-tail.ts'
import { Cluster, type LiveGateway, type OpenedCluster } from '../cluster.ts'
import type { InstanceId } from '../directory/directory.ts'
import { createSeal } from '../seal.ts'
import { applyStored } from '../stored-changes.ts'
import { type Answers, Channel, ChannelClosed } from './channel.ts'
import { HeadRelay } from './head-relay.ts'
import { mergedSnapshot } from './merged-figures.ts'
import type {
  AskedOfOthers,
  OfSupervisor,
  OfWorker,
  ServerAtWorker,
  WorkerMembers,
  WorkerOrders,
} from './questions.ts'
import { WholeServers, WorkerLines } from './whole-servers.ts'
import { type WorkerDirectory, workerDirectory } from './wired-directory.ts'
import { tallyFile, WorkerTally } from './worker-tally.ts'

/** How long a worker waits for what all others answer; each of them has less. */
const othersMs = 20_000
const reloadMs = 90_000
/** A worker that stands still for longer is taken for dead by the others; that it has ended they are told at once. */
const leaseMs = 4_000
/** How long the answer to an admin waits for the others to have taken what was changed. */
const takenMs = 500
/** How often it is told how many calls are in flight, and seen whether anybody follows what happens. */
const lookEveryMs = 250

/** The running gateway, as its supervisor directs it. */
export interface DirectedGateway {
  stop(): Promise<void>
  stopNow(): void
  reopenFiles(): void
  reload(cause: ReloadCause): Promise<ReloadReport>
  callsInFlight(): ReadonlyMap<string, number>
}

type Wire = Channel<OfWorker, OfSupervisor>

export class WorkerLink {
  readonly orders: WorkerOrders
  readonly directory: WorkerDirectory
  /** Brings what is no MCP to the head. */
  readonly relay: Relay = new HeadRelay(this)
  readonly #channel: Wire
  readonly #counts: WorkerTally
  readonly #lines = new WorkerLines()
  readonly #running = Promise.withResolvers<DirectedGateway>()
  #members: WorkerMembers = []
  #parts: LiveGateway | null = null
  #takeIn: (() => StoredChanges) | null = null
  #cluster: Cluster | null = null
  #ownFigures: (() => MetricsSnapshot) | null = null
  /** Changes made here that the others have not taken yet. */
  readonly #pending = new Set<Promise<unknown>>()
  /** How the other workers see each server, as of the last refresh. */
  #figures: ReadonlyMap<string, [number, ServerAtWorker][]> = new Map()
  #unfollow: (() => void) | null = null
  #followedAtHead = false
  /** The head that was told what servers have written here so far. */
  #knowsLines: InstanceId | null = null
  #callsTold = ''

  private constructor(channel: Wire, orders: WorkerOrders) {
    this.#channel = channel
    this.orders = orders
    this.#counts = new WorkerTally(join(orders.runDirectory, tallyFile))
    this.directory = workerDirectory(channel)
  }

  /** Asks the supervisor for its orders. To be called once, in a process that a supervisor has started. */
  static async open(): Promise<WorkerLink> {
    let link: WorkerLink | null = null
    const answers = answersOf(() => link)
    const channel: Wire = new Channel<OfWorker, OfSupervisor>((message) => {
      process.send?.(message)
    }, answers)
    process.on('message', (message) => channel.received(message))
    process.on('disconnect', () => channel.close())
    link = new WorkerLink(channel, await channel.ask('begin', null, othersMs))
    return link
  }

  get worker(): number {
    return this.orders.member.worker
  }

  /** The worker that answers what is no MCP; null while none is known. */
  get head(): WorkerMembers[number] | null {
    return this.#members[0] ?? null
  }

  get isHead(): boolean {
    return this.head?.instance === this.orders.member.instance
  }

  /** The store that all workers share, and the cluster that they are, whose directory the supervisor has. */
  async open(settings: StoreSettings, version: string, log: Log): Promise<OpenedCluster> {
    const { runDirectory, member, secret } = this.orders
    const opened = await openWorkerStore(settings, runDirectory, () => this.#changed())
    this.#takeIn = opened.takeIn
    const cluster = new Cluster({
      ...{ name: 'workers', directory: this.directory, seal: createSeal([secret]), leaseMs, log },
      self: { instance: member.instance, address: `unix:${member.socket}`, version },
      // What admins have made is in the file that all of them have.
      ...{ local: null, secretDirs: [] },
      begun: (gateway) => this.#attach(gateway),
    })
    this.#cluster = cluster
    return {
      ...opened,
      cluster,
      sharers: cluster.sharers,
      async abandon(thrown) {
        await cluster.close()
        opened.store.close()
        throw thrown
      },
    }
  }

  /** Child processes of the other workers. They are told how many there are here. */
  #processesElsewhere(own: number): number {
    this.#counts.set(this.worker, own)
    return this.#counts.others(this.worker)
  }

  /** Servers as an admin sees them who asks here. */
  wholeServers(own: ServerDirectory): ServerDirectory {
    return new WholeServers(own, {
      of: (name) => this.#figures.get(name) ?? [],
      lines: this.#lines,
      restart: async (name) => void (await this.#askOthers('restart', name)),
      settled: () => this.settled(othersMs),
    })
  }

  /** The figures of all workers, where these are those of this one. */
  figuresOf(own: () => MetricsSnapshot): MetricsSource {
    this.#ownFigures = own
    return {
      snapshot: async () => {
        const figures = own()
        return mergedSnapshot(figures, (await this.#askOthers('figures', figures)) as MetricsSnapshot[])
      },
    }
  }

  /** Has all workers read the configuration again. */
  reload(cause: ReloadCause): Promise<ReloadReport> {
    return this.#channel.ask('reload', cause, reloadMs)
  }

  /** Brings what is told of servers up to date. */
  async refresh(): Promise<void> {
    const answers = (await this.#askOthers('servers', null)) as {
      worker: number
      servers: ServerAtWorker[]
    }[]
    const of = new Map<string, [number, ServerAtWorker][]>()
    for (const { worker, servers } of answers)
      for (const figures of servers)
        of.set(figures.name, [...(of.get(figures.name) ?? []), [worker, figures]])
    this.#figures = of
  }

  /** Resolves when the others have taken every change that was made here, or after so long. */
  async settled(deadlineMs = takenMs): Promise<void> {
    if (this.#pending.size === 0) return
    await Promise.race([Promise.all(this.#pending), Bun.sleep(deadlineMs)])
  }

  /** Everything is there that the others may ask for. */
  #attach(parts: LiveGateway): void {
    this.#parts = parts
    parts.servers.processesElsewhere = (own) => this.#processesElsewhere(own)
    setInterval(() => this.#look(), lookEveryMs).unref()
    const follow = (name: string): void => {
      const line = (written: OutputLine): void => this.#tellLine(name, written)
      parts.directory.get(name)?.output.follow({ line, ended() {} })
    }
    for (const { definition } of parts.directory.list()) follow(definition.name)
    const removed = (name: string): void => this.#lines.forget(name)
    parts.servers.subscribe({ added: follow, removed, leaving() {}, replaced() {} })
  }

  #tellLine(mcp: string, { time, text }: OutputLine): void {
    if (this.#knowsLines === null || this.isHead) return
    this.#channel.tell('wrote', { worker: this.worker, mcp, time, text })
  }

  /** Whoever has become the head knows nothing of what servers wrote before: they write most while they start. */
  #tellLines(): void {
    const head = this.head?.instance ?? null
    if (head === this.#knowsLines) return
    this.#knowsLines = head
    if (!this.isHead) this.#lines.clear()
    for (const { definition, output } of this.#attached.directory.list())
      for (const line of output.lines()) this.#tellLine(definition.name, line)
  }

  /** It listens. */
  serves(
    gateway: DirectedGateway,
    url: string,
    servers: readonly { name: string; transport: string }[],
  ): void {
    this.#running.resolve(gateway)
    this.#channel.tell('ready', { url, servers: servers.map(({ name, transport }) => ({ name, transport })) })
  }

  /** It is on its way out, though the gateway is not. */
  leaves(): void {
    this.#channel.tell('leaving', null)
  }

  /** It cannot start. Resolves when that is told. */
  async failed(thrown: unknown, code: string | null, configuration: boolean): Promise<void> {
    await this.#channel
      .ask('failed', { message: reasonOf(thrown), code, configuration }, othersMs)
      .catch(() => {})
  }

  #look(): void {
    this.#counts.set(this.worker, this.#attached.servers.processes)
    if (this.isHead) this.#tellWhetherFollowed()
    void this.#running.promise.then((gateway) => {
      const calls = [...gateway.callsInFlight()]
      const told = JSON.stringify(calls)
      if (told === this.#callsTold) return
      this.#callsTold = told
      this.#channel.tell('calls', calls)
    })
  }

  /** Answers of this worker to the others. */
  readonly answering = {
    members: (members: WorkerMembers): void => {
      this.#members = members
      // Whoever is new does not know whether anybody follows.
      this.#followedAtHead = false
      this.#tellLines()
    },
    stored: async (): Promise<void> => {
      const [parts, takeIn] = [this.#parts, this.#takeIn]
      if (parts !== null && takeIn !== null) await applyStored(parts, takeIn())
    },
    figures: (): MetricsSnapshot => {
      if (this.#ownFigures === null) throw new Error('this worker does not serve yet')
      return this.#ownFigures()
    },
    servers: (): { worker: number; servers: ServerAtWorker[] } => ({
      worker: this.worker,
      servers: this.#attached.directory.list().map((entry) => figuresOf(entry.status())),
    }),
    restart: (name: string): Promise<void> => this.#attached.directory.restart(name),
    follow: (follows: boolean): void => {
      this.#unfollow?.()
      this.#unfollow = null
      if (!follows || this.isHead) return
      // States are told by the head, of its own.
      this.#unfollow = this.#attached.events.follow({
        happened: (kind, json) => {
          if (kind === 'call') this.#channel.tell('happened', { kind, json })
        },
      })
    },
    gateway: (): Promise<DirectedGateway> => this.#running.promise,
    stop: async (): Promise<void> => {
      this.#cluster?.allGo()
      void (await this.#running.promise).stop()
    },
    happened: (...event: Parameters<Events['passOn']>): void => this.#attached.events.passOn(...event),
    lines: this.#lines,
  }

  get #attached(): LiveGateway {
    if (this.#parts === null) throw new Error('this worker does not serve yet')
    return this.#parts
  }

  #changed(): void {
    const taken = this.#askOthers('stored', null)
    this.#pending.add(taken)
    void taken.finally(() => this.#pending.delete(taken))
  }

  #tellWhetherFollowed(): void {
    const { followed } = this.#attached.events
    if (followed === this.#followedAtHead) return
    this.#followedAtHead = followed
    void this.#askOthers('follow', followed)
  }

  /** Empty where the supervisor does not answer: whoever asks shows what is here. */
  async #askOthers(kind: AskedOfOthers, body: unknown): Promise<readonly unknown[]> {
    try {
      return await this.#channel.ask('others', { kind, body }, othersMs)
    } catch (thrown) {
      if (thrown instanceof ChannelClosed) return []
      throw thrown
    }
  }
}

/** Until the supervisor has given its orders there is nobody who could answer. */
function answersOf(link: () => WorkerLink | null): Answers<OfWorker> {
  const here = (): WorkerLink['answering'] => {
    const found = link()
    if (found === null) throw new Error('this worker does not serve yet')
    return found.answering
  }
  return {
    alive: () => {},
    members: (members) => here().members(members),
    stored: () => here().stored(),
    figures: () => here().figures(),
    servers: () => here().servers(),
    restart: (name) => here().restart(name),
    reload: async (cause) => (await here().gateway()).reload(cause),
    reopen: async () => (await here().gateway()).reopenFiles(),
    hint: (text) => link()?.directory.hinted(text),
    follow: (follows) => here().follow(follows),
    happened: ({ kind, json }) => here().happened(kind, json),
    wrote: (line) => here().lines.add(line),
    // Before it has its orders it has nothing that would have to end well.
    stop: () => link()?.answering.stop() ?? process.exit(0),
    stopNow: async () => (await (link()?.answering.gateway() ?? process.exit(0))).stopNow(),
  }
}

function figuresOf(
  status: ReturnType<ReturnType<ServerDirectory['list']>[number]['status']>,
): ServerAtWorker {
  const { name, reason, since, lastError, lastErrorTime, lastExit, reconnectAttempts, restarts } = status
  const { totalRequests, totalErrors, toolErrors, avgResponseTime, processes, sessions } = status
  return {
    ...{ name, status: status.status, reason, since, lastError, lastErrorTime, lastExit },
    ...{ reconnectAttempts, restarts, totalRequests, totalErrors, toolErrors, avgResponseTime },
    ...{ processes, sessions },
  }
}
