/**
 * Reads the configuration again and makes it the one that counts: on HUP, on POST /admin/reload, and with
 * `reload: watch` when one of its files has changed. One reload at a time, in the order in which they were asked for;
 * a configuration that cannot be taken changes nothing.
 *
 *   read (config) → planReload (what differs) → apply (the gateway's parts) → report (log, answer)
 *
 * Most gateways never reload: the plan and the watch are loaded when they are needed.
 */
import type { Config } from '../config/schema.ts'
import type { SettingSecrets } from '../config/secrets/setting-secrets.ts'
import { ConfigError, drainingError, reasonOf } from '../errors.ts'
import type { Log } from '../telemetry/log.ts'
import type { FileWatch } from './file-watch.ts'
import type { ReloadPlan, ReloadReport } from './plan.ts'
import type { RotationParts, SecretRotation } from './secret-rotation.ts'
import type { Provenance, SettingsInForce } from './settings.ts'

/** Who has a configuration read again. */
export interface ReloadCause {
  /** For the log: a signal, the watch, or an admin. */
  readonly shown: string
  /**
   * Whether somebody asked for it, who knows what stands in the file. What only changed may be half written, and opens
   * no door.
   */
  readonly deliberate: boolean
  /** An admin asked for it with a request, which is told by itself. */
  readonly byRequest?: true
  /** Another process of this gateway tells what comes of it; here only what goes wrong is said. */
  readonly untold?: true
}

/** One that waits for its turn. */
interface Waiting {
  cause: ReloadCause
  readonly report: Promise<ReloadReport>
}

/** A configuration as it was read: what there is to say about it, and the files that it came from. */
export interface ReadConfiguration extends Partial<Provenance> {
  readonly config: Config
  readonly warnings: readonly string[]
  /** Absolute paths; one that is missing counts, because it may come. */
  readonly files: readonly string[]
  /** Settings whose values live in files of their own. */
  readonly secrets?: SettingSecrets | null
}

/** Where the configuration comes from. */
export interface ConfigurationSource extends ReadConfiguration {
  /** Reads flags, environment and files as at the start. Rejects with a ConfigError. */
  readAgain(): Promise<ReadConfiguration>
}

export interface ReloadParts extends Pick<RotationParts, 'registered' | 'inOrder' | 'listener'> {
  readonly source: ConfigurationSource
  readonly settings: SettingsInForce
  readonly log: Log
  /** Names of the servers that were registered over the admin API. */
  storedNames(): readonly string[]
  /** Makes the plan the truth. Rejects, and has changed nothing, when it cannot be. */
  apply(plan: ReloadPlan): Promise<void>
  /** Told how each one ended. */
  ended?(cause: ReloadCause, taken: boolean): void
  /** Has `sweep` called a few times a second until the returned function is called. */
  sweep(sweep: (nowMs: number) => void): () => void
}

export class Reload {
  readonly #parts: ReloadParts
  /** The one that was asked for last, over when it is. */
  #last: Promise<unknown> = Promise.resolve()
  /** The one that waits for its turn. */
  #next: Waiting | null = null
  #files: readonly string[]
  #watch: FileWatch | null = null
  #unwatch: (() => void) | null = null
  #closed = false
  #secrets: SettingSecrets | null
  #rotation: SecretRotation | null = null
  /** When it is looked again whether anything refers to secrets in files. */
  #secretsAtMs = 0

  constructor(parts: ReloadParts) {
    this.#parts = parts
    this.#files = parts.source.files
    this.#secrets = parts.source.secrets ?? null
    parts.sweep((nowMs) => this.#sweepSecrets(nowMs))
    void this.#watchAsSet()
  }

  /**
   * Resolves with what has changed; rejects with the ConfigError that kept everything as it was. Says both in the
   * log, with the cause.
   */
  run(cause: ReloadCause): Promise<ReloadReport> {
    const waiting = this.#next
    // One that has not begun yet will read what is there then, so whoever asks meanwhile need not have another.
    if (waiting !== null) {
      if (cause.deliberate && !waiting.cause.deliberate) waiting.cause = cause
      return waiting.report
    }
    const report = this.#last.then(() => {
      this.#next = null
      return this.#run(next.cause)
    })
    const next: Waiting = { cause, report }
    this.#next = next
    this.#last = report.catch(() => {})
    return report
  }

  /** For good: a gateway that stops begins nothing new. Resolves when the one under way is over. */
  async close(): Promise<void> {
    this.#closed = true
    this.#unwatch?.()
    await this.#last
  }

  async #run(by: ReloadCause): Promise<ReloadReport> {
    if (this.#closed) throw drainingError()
    const { shown: cause, deliberate, untold = false } = by
    const { source, settings, log, storedNames, apply } = this.#parts
    try {
      await this.#watch?.note()
      const read = await source.readAgain()
      const { config, warnings, files, secrets = null } = read
      const { planReload } = await import('./plan.ts')
      const plan = planReload({ config: settings.config, stored: storedNames() }, config)
      const { openedDoors } = await import('./opened-doors.ts')
      const opened = openedDoors(settings.config, plan.config)
      if (opened.length > 0 && !deliberate) throw openingFault(opened)
      await apply(plan)
      settings.noteTaken(cause, plan.report, read)
      await this.#renewCertificate(cause)
      this.#files = files
      this.#secrets = secrets
      await this.#watchAsSet()
      if (!untold) {
        for (const warning of warnings) log.warn({}, warning)
        if (opened.length > 0)
          log.warn({ cause, doors: told(opened) }, 'doors are open now that were guarded before')
        log.info({ cause, ...summary(plan.report) }, 'configuration read again')
        this.#parts.ended?.(by, true)
      }
      return plan.report
    } catch (thrown) {
      settings.noteRefused(cause, reasonOf(thrown))
      log.error({ cause, reason: reasonOf(thrown) }, 'configuration not taken, the old one stays')
      this.#parts.ended?.(by, false)
      throw thrown
    }
  }

  /** What the configuration says is in force by now, whatever becomes of the certificate. */
  async #renewCertificate(cause: string): Promise<void> {
    const { listener, log } = this.#parts
    try {
      if (await listener.renew()) log.info({ cause }, 'the port shows another certificate')
    } catch (thrown) {
      log.error(
        { cause, reason: reasonOf(thrown) },
        'the certificate is not taken, the port shows the old one',
      )
    }
  }

  #sweepSecrets(nowMs: number): void {
    if (this.#rotation !== null) this.#rotation.sweep(nowMs)
    else if (nowMs >= this.#secretsAtMs && !this.#closed) {
      this.#secretsAtMs = nowMs + 1_000
      const { registered, listener } = this.#parts
      if (
        this.#secrets !== null ||
        listener.tlsFiles.length > 0 ||
        registered.list().some(({ definition }) => definition.written !== undefined)
      )
        void this.#rotate()
    }
  }

  async #rotate(): Promise<void> {
    const [{ SecretRotation }, { planReload }] = await Promise.all([
      import('./secret-rotation.ts'),
      import('./plan.ts'),
    ])
    const { settings, log, registered, inOrder, listener, storedNames, apply } = this.#parts
    const take = async (read: Config): Promise<readonly string[]> => {
      const plan = planReload({ config: settings.config, stored: storedNames() }, read)
      const { settings: changed, servers } = plan.report.applied
      const names = [...changed, ...servers.changed.map((name) => `server ${name}`)]
      if (names.length > 0) await apply(plan)
      return names
    }
    const inTurn = (work: () => Promise<void>): void => {
      this.#last = this.#last.then(async () => {
        if (this.#closed) return
        await work().catch((thrown: unknown) =>
          log.error({ reason: reasonOf(thrown) }, 'secrets that have changed could not be taken'),
        )
      })
    }
    const parts = {
      log,
      registered,
      inOrder,
      listener,
      take,
      config: () => settings.config,
      settings: () => this.#secrets,
    }
    this.#rotation ??= new SecretRotation(parts, inTurn)
  }

  async #watchAsSet(): Promise<void> {
    const wanted = this.#parts.settings.config.reload === 'watch'
    if (wanted === (this.#watch !== null)) return
    this.#unwatch?.()
    this.#watch = null
    this.#unwatch = null
    if (!wanted) return
    const { FileWatch } = await import('./file-watch.ts')
    const changed = (): void => void this.run(watching).catch(() => {})
    const watch = new FileWatch(() => this.#files, changed)
    this.#watch = watch
    await watch.note()
    if (this.#closed || this.#watch !== watch) return
    this.#unwatch = this.#parts.sweep((nowMs) => watch.sweep(nowMs))
  }
}

const watching: ReloadCause = { shown: 'reload: watch', deliberate: false }

function openingFault(opened: readonly string[]): ConfigError {
  return new ConfigError(
    `the files have changed and would open what ${told(opened)} ${opened.length === 1 ? 'guards' : 'guard'}; restart, or POST /admin/reload, if that is meant`,
  )
}

/** Names that a line of the log tells; of more servers than that only how many they are. */
const namesToldMax = 50

/** The report in one line. */
function summary({ applied, unchanged, needsRestart }: ReloadReport): Record<string, string> {
  const { added, changed, removed } = applied.servers
  const servers = [
    ...added.map((name) => `server ${name} added`),
    ...changed.map((name) => `server ${name} changed`),
    ...removed.map((name) => `server ${name} removed`),
  ]
  return {
    applied: told([...applied.settings, ...servers]),
    unchanged: told(unchanged.servers.map((name) => `server ${name}`)),
    needsRestart: told(needsRestart),
  }
}

function told(names: readonly string[]): string {
  const more = names.length - namesToldMax
  return [...names.slice(0, namesToldMax), ...(more > 0 ? [`${more} more`] : [])].join(', ') || 'nothing'
}
