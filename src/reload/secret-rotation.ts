/**
 * Secrets that live in files of their own, while the gateway runs: a file that changes is noticed within about three
 * seconds, and whoever uses it goes on with what it holds now. Kubernetes exchanges such files by a link, Docker and
 * people write them anew; a look at what the path leads to tells of both (file-watch.ts).
 *
 * Only values change: the rest of the configuration stays as it was read last, also where its own file is another by
 * now. A file that is gone or cannot be used leaves the value that was read last, and is told of once.
 */
import type { Config } from '../config/schema.ts'
import type { SettingSecrets } from '../config/secrets/setting-secrets.ts'
import { reasonOf } from '../errors.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import { sentenceOf } from '../registry/problems.ts'
import { placesOf, referencesIn } from '../registry/secrets/references.ts'
import { type ReadSecret, readBelow, readReferred, resolve } from '../registry/secrets/resolve.ts'
import { SecretFault } from '../registry/secrets/secret-file.ts'
import type { Log } from '../telemetry/log.ts'
import { FileWatch } from './file-watch.ts'

/** A server that is registered, wherever. */
export interface RegisteredServer {
  readonly definition: ServerDefinition
  readonly origin: 'file' | 'store'
}

export interface RotationParts {
  readonly log: Log
  readonly config: () => Config
  /** Null where no setting refers to a file. */
  readonly settings: () => SettingSecrets | null
  readonly registered: {
    list(): readonly RegisteredServer[]
    get(name: string): RegisteredServer | undefined
    replace(definition: ServerDefinition): unknown
  }
  /** The gateway's own port, whose certificate may be renewed. */
  readonly listener: {
    readonly tlsFiles: readonly string[]
    renew(): Promise<boolean>
  }
  /** Goes on with this configuration, in which other values stand; resolves with what is another now. */
  take(config: Config): Promise<readonly string[]>
  /** Has the work done when no admin changes that server. */
  inOrder(name: string, work: () => Promise<void>): Promise<void>
}

/** How often it is looked which files there are. */
const collectEveryMs = 1_000

export class SecretRotation {
  readonly #parts: RotationParts
  readonly #watch: FileWatch
  /** Has the work done when nothing else is. */
  readonly #inTurn: (work: () => Promise<void>) => void
  #paths: readonly string[] = []
  #collectAtMs = 0
  /** What could not be read at the last look. */
  #told: ReadonlySet<string> = new Set()

  constructor(parts: RotationParts, inTurn: (work: () => Promise<void>) => void) {
    this.#parts = parts
    this.#inTurn = inTurn
    this.#watch = new FileWatch(
      () => this.#paths,
      () => inTurn(() => this.#refresh()),
    )
  }

  /** Time's passing, in monotonic milliseconds. */
  sweep(nowMs: number): void {
    if (nowMs >= this.#collectAtMs) {
      this.#collectAtMs = nowMs + collectEveryMs
      const paths = this.#collect()
      const more = paths.some((path) => !this.#paths.includes(path))
      this.#paths = paths
      // What has changed between its reading and this look is found by reading it again.
      if (more) this.#inTurn(() => this.#watch.note().then(() => this.#refresh()))
    }
    this.#watch.sweep(nowMs)
  }

  #collect(): string[] {
    const ofServers = this.#parts.registered.list().flatMap(({ definition }) => filesOf(definition))
    return [
      ...new Set([...ofServers, ...(this.#parts.settings()?.files ?? []), ...this.#parts.listener.tlsFiles]),
    ]
  }

  async #refresh(): Promise<void> {
    const { config, settings, log, registered } = this.#parts
    const faults: string[] = []
    const read = settings()?.again(config()) ?? { config: config(), faults: [] }
    faults.push(...read.faults)
    const servers = read.config.servers.map((server) => refreshed(server, fromAnywhere, faults))
    const changed = [...(await this.#parts.take({ ...read.config, servers }))]
    const { dirs } = config().secrets
    for (const { definition, origin } of registered.list()) {
      if (origin === 'file' || definition.written === undefined) continue
      const { name } = definition
      await this.#parts.inOrder(name, async () => {
        const current = registered.get(name)
        if (current === undefined || current.origin === 'file') return
        const next = refreshed(current.definition, readBelow(dirs), faults)
        if (next === current.definition) return
        registered.replace(next)
        changed.push(`server ${name}`)
      })
    }
    const renewed = await this.#parts.listener.renew().catch((thrown: unknown) => {
      faults.push(reasonOf(thrown))
      return false
    })
    if (renewed) changed.push('certificate of the port')
    for (const reason of faults)
      if (!this.#told.has(reason))
        log.warn({ reason }, 'a secret cannot be read, and the value before it stays')
    this.#told = new Set(faults)
    if (changed.length > 0) log.info({ applied: changed.join(', ') }, 'secrets have changed')
  }
}

/** Files that a definition refers to. */
function filesOf({ written }: ServerDefinition): string[] {
  if (written === undefined) return []
  return Object.values(written).flatMap((text) =>
    referencesIn(text).flatMap(({ kind, target }) => (kind === 'file' ? [target] : [])),
  )
}

/** A file of configuration may name any; commands are asked only when it is read itself. */
const fromAnywhere: ReadSecret = (reference) => {
  if (reference.kind === 'exec') throw new SecretFault(staysSilently)
  return readReferred(reference, null)
}
const staysSilently = ''

/** The definition with what its files hold now; the same one where nothing is another. */
function refreshed(definition: ServerDefinition, read: ReadSecret, faults: string[]): ServerDefinition {
  if (definition.written === undefined) return definition
  const before = new Map(placesOf(definition))
  const found = resolve(definition, read, (place) => before.get(place) ?? '')
  const problems = found.problems.filter(({ reason }) => reason !== staysSilently)
  faults.push(...problems.map((problem) => `${definition.name}: ${sentenceOf([problem])}`))
  const next =
    problems.length > 0 && definition.unread !== undefined
      ? { ...found.definition, unread: sentenceOf(problems) }
      : found.definition
  return next.unread === definition.unread && Bun.deepEquals(placesOf(next), placesOf(definition))
    ? definition
    : next
}
