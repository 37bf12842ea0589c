/**
 * One gateway in several processes: starts the workers, keeps them alive, and is what they have in common. It serves
 * no request. The workers share the port; the log, the directory of owned things, and who is told what, are here.
 */
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../../config/schema.ts'
import { ConfigError, reasonOf } from '../../errors.ts'
import type { StateLock } from '../../registry/storage/state-lock.ts'
import type { ReloadReport } from '../../reload/plan.ts'
import type { ConfigurationSource, ReloadCause } from '../../reload/reload.ts'
import type { RelayingLog } from '../../telemetry/log.ts'
import type { InstanceId } from '../directory/directory.ts'
import { MemoryDirectory } from '../directory/memory-directory.ts'
import { memberHint } from '../membership.ts'
import type { Answers } from './channel.ts'
import { Graveyard } from './merged-figures.ts'
import type {
  AskedOfOthers,
  OfSupervisor,
  StartFault,
  WorkerMember,
  WorkerOrders,
  WorkerReady,
} from './questions.ts'
import { type DirectoryHost, hostDirectory } from './wired-directory.ts'
import { WorkerProcess } from './worker-process.ts'
import { makeWorkerTally, tallyFile, WorkerTally } from './worker-tally.ts'

export interface SupervisorParts {
  readonly source: ConfigurationSource
  /** How many workers there shall be. */
  readonly workers: number
  /** The port that they share, which nobody else has. */
  readonly port: number
  readonly runDirectory: string
  /** Null where nothing outlives the run. */
  readonly lock: StateLock | null
  readonly log: RelayingLog
  /** Whether workers write to standard output by themselves: a file takes whole lines of several writers, a pipe does not. */
  readonly writesOutput: boolean
  /** How this program is started as a worker. */
  readonly command: readonly [string, ...string[]]
  readonly environment: NodeJS.ProcessEnv
}

/** The place of one worker, whoever is in it. */
interface Place {
  readonly worker: number
  process: WorkerProcess | null
  /** What it serves; null until it does. */
  ready: WorkerReady | null
  /** On its way out. */
  leaving: boolean
  readonly calls: Map<string, number>
  restartMs: number
  restart: ReturnType<typeof setTimeout> | null
  /** Told once how its first start has ended. */
  readonly first: PromiseWithResolvers<void>
  /** Why it could not start, as it says itself. */
  fault: string | null
  /** How often the configuration had been read again when it began. */
  reloads: number
}

/** One that has ended for once is started at once. */
const restartMinMs = 0
const restartAgainMs = 250
const restartMaxMs = 30_000
/** Whoever has lived for so long has not died of its start. */
const healthyMs = 30_000
/** How long the others have to answer when one of them asks. */
const othersMs = 1_000
/** Of what may end processes. */
const slowMs = 15_000
const slow: ReadonlySet<AskedOfOthers> = new Set(['stored', 'restart'])
const reloadMs = 60_000
/** Beyond the shutdown time-out: for the sockets, processes and last lines of the workers. */
const endingMs = 3_000
const flushMs = 500

export class Supervisor {
  readonly #parts: SupervisorParts
  readonly #places: readonly Place[]
  readonly #directory = new MemoryDirectory()
  readonly #hosts = new Map<InstanceId, DirectoryHost>()
  readonly #graveyard = new Graveyard()
  readonly #secret = randomBytes(32).toString('base64url')
  readonly #counts: WorkerTally
  readonly #stopped = Promise.withResolvers<void>()
  #config: Config
  #ending: Promise<void> | null = null
  #reload: Promise<unknown> = Promise.resolve()
  #reloads = 0

  constructor(parts: SupervisorParts) {
    this.#parts = parts
    this.#config = parts.source.config
    const counts = join(parts.runDirectory, tallyFile)
    makeWorkerTally(counts)
    this.#counts = new WorkerTally(counts)
    this.#places = Array.from({ length: parts.workers }, (_, at) => ({
      worker: at + 1,
      process: null,
      ready: null,
      leaving: false,
      calls: new Map(),
      restartMs: restartMinMs,
      restart: null,
      first: Promise.withResolvers<void>(),
      fault: null,
      reloads: 0,
    }))
  }

  /** Resolves when all workers serve. Rejects with what has kept one from it; then none is left. */
  async start(): Promise<void> {
    const [first, ...others] = this.#places
    try {
      // One says what is wrong with a configuration, not all of them.
      for (const places of [first === undefined ? [] : [first], others]) {
        for (const place of places) this.#begin(place)
        await Promise.all(places.map((place) => place.first.promise))
      }
    } catch (thrown) {
      this.stopNow()
      await this.stopped
      throw thrown
    }
    this.#parts.lock?.announce(this.url)
  }

  get log(): RelayingLog {
    return this.#parts.log
  }

  get url(): string {
    return this.#ready?.url ?? ''
  }

  /** Those that it began with. */
  get servers(): WorkerReady['servers'] {
    return this.#ready?.servers ?? []
  }

  /** Of requests the workers know. */
  readonly requestCount = 0

  get stopped(): Promise<void> {
    return this.#stopped.promise
  }

  get shutdownTimeoutMs(): number {
    return this.#config.shutdownTimeoutMs
  }

  /** Calls that a stop waits for, by server. */
  callsInFlight(): ReadonlyMap<string, number> {
    const sums = new Map<string, number>()
    for (const { calls } of this.#places)
      for (const [server, count] of calls) sums.set(server, (sums.get(server) ?? 0) + count)
    return sums
  }

  /** Lets all workers drain within the shutdown time-out. */
  stop(): Promise<void> {
    this.#ending ??= this.#end(this.shutdownTimeoutMs + endingMs)
    for (const { process } of this.#places) process?.channel.tell('stop', null)
    return this.#ending
  }

  /** Ends them without waiting. */
  stopNow(): void {
    this.#ending ??= this.#end(endingMs)
    for (const { process } of this.#places) process?.channel.tell('stopNow', null)
  }

  reopenFiles(): void {
    this.#parts.log.reopen()
    for (const { process } of this.#serving()) process.channel.tell('reopen', null)
  }

  /** Has the configuration read again, here and by all workers. The report is the head's. */
  reload(cause: ReloadCause): Promise<ReloadReport> {
    const report = this.#reload.then(() => this.#readAgain(cause))
    this.#reload = report.catch(() => {})
    return report
  }

  async #readAgain(cause: ReloadCause): Promise<ReloadReport> {
    const { log, source } = this.#parts
    const before = this.#config
    const [head, ...others] = this.#serving()
    if (head === undefined) throw new ConfigError('no worker serves at the moment; try again')
    try {
      const { config } = await source.readAgain()
      await log.take(config.logging)
      this.#config = config
    } catch (thrown) {
      log.error(
        { cause: cause.shown, reason: reasonOf(thrown) },
        'configuration not taken, the old one stays',
      )
      throw thrown
    }
    try {
      const report = await head.process.channel.ask('reload', cause, reloadMs)
      this.#reloads++
      await Promise.all(others.map((place) => this.#follow(place, cause)))
      return report
    } catch (thrown) {
      this.#config = before
      await log.take(before.logging).catch(() => {})
      throw thrown
    }
  }

  /** One that cannot take what the head has taken would go on by other rules: another takes its place. */
  async #follow({ worker, process }: Serving, cause: ReloadCause): Promise<void> {
    try {
      await process.channel.ask('reload', { ...cause, untold: true }, reloadMs)
    } catch (thrown) {
      this.#parts.log.error(
        { worker, reason: reasonOf(thrown) },
        'a worker could not read the configuration again',
      )
      process.channel.tell('stop', null)
    }
  }

  get #ready(): WorkerReady | null {
    return this.#places.find(({ ready }) => ready !== null)?.ready ?? null
  }

  #serving(): Serving[] {
    return this.#places.flatMap(({ worker, process, ready, leaving }) =>
      process === null || ready === null || leaving ? [] : [{ worker, process }],
    )
  }

  #begin(place: Place): void {
    const { command, environment, runDirectory, log } = this.#parts
    const { worker } = place
    const instance = randomBytes(8).toString('hex')
    const path = join(runDirectory, instance)
    const member: WorkerMember = { worker, instance, socket: `${path}.sock`, door: `${path}.door` }
    place.restart = null
    place.fault = null
    place.reloads = this.#reloads
    const started: WorkerProcess = new WorkerProcess({
      member,
      command,
      environment,
      answers: this.#answersTo(place, member, () => started),
      writesOutput: this.#parts.writesOutput,
      log: (lines) => log.relay(lines),
      ended: (reason) => this.#ended(place, started, reason),
    })
    place.process = started
    const tell = (text: string): void => started.channel.tell('hint', text)
    const serving = () => this.#serving().map((one) => one.process.member.instance)
    this.#hosts.set(instance, hostDirectory(this.#directory, tell, serving))
  }

  #ended(place: Place, { member, startedAtMs }: WorkerProcess, reason: string): void {
    const { worker } = place
    const served = place.ready !== null
    const wasTold = place.leaving
    place.process = null
    place.ready = null
    place.leaving = false
    place.calls.clear()
    this.#counts.set(worker, 0)
    this.#directory.end(member.instance)
    this.#hosts.get(member.instance)?.close()
    this.#hosts.delete(member.instance)
    this.#graveyard.died(member.instance)
    place.first.reject(new Error(`worker ${worker} has ended while it was starting: ${reason}`))
    if (this.#ending !== null) return
    this.#tellMembers()
    if (performance.now() - startedAtMs > healthyMs) place.restartMs = restartMinMs
    const fields = { worker, reason: place.fault ?? reason, againInMs: place.restartMs }
    const { log } = this.#parts
    if (wasTold) log.info(fields, 'a worker has ended as it was told; another one takes its place')
    else if (served) log.error(fields, 'a worker has ended; another one takes its place')
    else log.error(fields, 'a worker could not start')
    place.restart = setTimeout(() => this.#begin(place), place.restartMs)
    place.restartMs = Math.min(Math.max(place.restartMs * 2, restartAgainMs), restartMaxMs)
  }

  #answersTo(place: Place, member: WorkerMember, self: () => WorkerProcess): Answers<OfSupervisor> {
    const orders = (): WorkerOrders => ({
      member,
      port: this.#parts.port,
      runDirectory: this.#parts.runDirectory,
      stateDirectory: this.#stateDirectory,
      secret: this.#secret,
      writesOutput: this.#parts.writesOutput,
    })
    return {
      begin: orders,
      ready: (ready) => {
        place.ready = ready
        place.first.resolve()
        self().watch(() => this.#isStuck(place.worker, self()))
        this.#tellMembers()
        // What was changed while it started.
        self().channel.tell('stored', null)
        if (place.reloads !== this.#reloads)
          void this.#follow({ worker: place.worker, process: self() }, late)
      },
      failed: (fault) => {
        place.fault = fault.message
        place.first.reject(startFault(fault))
      },
      leaving: () => {
        place.leaving = true
        this.#tellMembers()
      },
      calls: (calls) => {
        place.calls.clear()
        for (const [server, count] of calls) place.calls.set(server, count)
      },
      directory: (question) => this.#hosts.get(member.instance)?.answer(question),
      hint: (text) => this.#hosts.get(member.instance)?.hint(text),
      others: async ({ kind, body }) => {
        const asked = this.#serving().filter(({ process }) => process !== self())
        const answers = await Promise.allSettled(
          asked.map(({ process }) =>
            process.channel.ask(kind, body as never, slow.has(kind) ? slowMs : othersMs),
          ),
        )
        const given = answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : null))
        if (kind === 'figures')
          return this.#graveyard.with(
            asked.map(({ process }) => process.member.instance),
            given,
            { instance: member.instance, figures: body },
            (instance) => this.#hosts.has(instance),
          )
        return given.filter((answer) => answer !== null)
      },
      happened: (event) => this.#serving()[0]?.process.channel.tell('happened', event),
      wrote: (line) => this.#serving()[0]?.process.channel.tell('wrote', line),
      reload: (cause) => this.reload(cause),
    }
  }

  #isStuck(worker: number, process: WorkerProcess): void {
    this.#parts.log.error({ worker }, 'a worker does not answer any more, and is ended')
    process.kill()
  }

  get #stateDirectory(): string {
    const { storage } = this.#parts.source.config
    return storage.type === 'memory' ? join(this.#parts.runDirectory, 'state') : storage.path
  }

  #tellMembers(): void {
    const serving = this.#serving()
    const members = serving.map(({ process }) => process.member)
    for (const { process } of serving) {
      process.channel.tell('members', members)
      process.channel.tell('hint', memberHint)
    }
  }

  async #end(deadlineMs: number): Promise<void> {
    const { log, lock, runDirectory } = this.#parts
    for (const { restart } of this.#places) if (restart !== null) clearTimeout(restart)
    const processes = this.#places.flatMap(({ process }) => process ?? [])
    const ended = Promise.all(processes.map((process) => process.ended))
    await Promise.race([ended, Bun.sleep(deadlineMs)])
    for (const { process } of this.#places) process?.kill()
    await ended
    lock?.release()
    rmSync(runDirectory, { recursive: true, force: true })
    await log.flush(flushMs)
    this.#stopped.resolve()
  }
}

/** Of a worker that was starting when the configuration was read again. */
const late: ReloadCause = { shown: 'the start of a worker', deliberate: true }

interface Serving {
  readonly worker: number
  readonly process: WorkerProcess
}

/** As it was thrown in the worker, with the code by which the command line chooses its words. */
function startFault({ message, code, configuration }: StartFault): Error {
  if (configuration) return new ConfigError(message)
  return Object.assign(new Error(message), code === null ? {} : { code })
}
