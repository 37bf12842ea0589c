/**
 * Servers and groups under one roof: what is registered, by name. What runs a group is loaded with the first one, so
 * that a gateway without groups pays nothing for them.
 */
import type { Config } from '../config/schema.ts'
import { GatewayError } from '../errors.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import { everythingGroup } from '../registry/definition-schema.ts'
import type { ByteLedger } from '../runtime/byte-ledger.ts'
import type { Sessions } from '../session/legacy/sessions.ts'
import type { ModernCallDriver } from '../session/modern/call-driver.ts'
import { ModernRequests } from '../session/modern/requests.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type {
  ServerDirectory,
  ServerEntry,
  ServerOrigin,
  Trial,
  TrialPatience,
} from '../upstream/server/directory.ts'
import type { Servers, ServersListener } from '../upstream/server/servers.ts'
import { GroupEntry } from './entry.ts'
import type { GroupFace } from './face.ts'
import type { GroupParts } from './group.ts'
import type { GroupReports } from './reports.ts'
import type { AccessTeller, AccessTellerParts } from './view/access-world.ts'

/** The name of what is at `/mcp`; that of a server is never empty. */
const defaultName = ''

/** What a directory takes of the rest of the gateway. */
export interface DirectoryParts {
  /** Those in force, which may change. */
  readonly settings: {
    /** Which group is at `/mcp`: one of this name, that of everything (null), or none. */
    readonly config: Pick<Config, 'defaultGroup'>
    readonly bounds: Config['limits'] & Config['timeouts']
  }
  readonly store: { disabledAt(name: string): string | null }
  readonly servers: Servers
  readonly sessions: Pick<Sessions, 'countOf'>
  readonly requests: GroupParts['requests']
  /** What is held for clients. */
  readonly ledger: ByteLedger
  readonly access: () => GroupParts['access']
  readonly metrics: Metrics
  readonly log: Log
}

export class Directory implements ServerDirectory {
  readonly #parts: DirectoryParts
  readonly #servers: Servers
  readonly #groups = new Map<string, GroupEntry>()
  readonly #listeners: ServersListener[] = []
  #everything: GroupEntry | null = null
  #version = 0
  #groupParts: Promise<GroupParts> | null = null
  /** Definitions of servers with tokens of their own; null until it is asked for. */
  #guarded: readonly ServerDefinition[] | null = null

  constructor(parts: DirectoryParts) {
    this.#parts = parts
    this.#servers = parts.servers
    this.#servers.subscribe({
      leaving: () => {},
      removed: (name) => {
        this.#version++
        this.#guarded = null
        this.#each(({ group }) => group.removed(name))
      },
      replaced: () => this.#serversChanged(),
      added: () => this.#serversChanged(),
      stateChanged: (name) => {
        const server = this.#servers.get(name)
        if (server) this.#each(({ group }) => group.stateChanged(server))
      },
      ownerChanged: (...change) => this.#each(({ group }) => group.ownerChanged(...change)),
    })
  }

  /** Counts up when definitions are others, or may be used by others. */
  get version(): number {
    return this.#version
  }

  /** Tells `listener` from now on, of servers and of groups. */
  subscribe(listener: ServersListener): void {
    this.#servers.subscribe(listener)
    this.#listeners.push(listener)
  }

  list(): readonly ServerEntry[] {
    return this.#groups.size === 0
      ? this.#servers.list()
      : [...this.#servers.list(), ...this.#groups.values()]
  }

  get(name: string): ServerEntry | undefined {
    return this.#servers.get(name) ?? this.#groups.get(name)
  }

  /** The group of that name; for an empty one what is at `/mcp`. */
  group(name: string): GroupEntry | undefined {
    if (name !== defaultName) return this.#groups.get(name)
    const { defaultGroup } = this.#parts.settings.config
    if (defaultGroup === false) return undefined
    if (defaultGroup !== null) return this.#groups.get(defaultGroup)
    this.#everything ??= this.#entry(everythingGroup, 'file', null, defaultName)
    return this.#everything
  }

  /** Every group that is registered. */
  groups(): GroupEntry[] {
    return [...this.#groups.values()]
  }

  /** Those that have this server, or may have it: of one that is not loaded nobody knows. */
  groupsWith(server: string): GroupEntry[] {
    return [...this.#groups.values()].filter(({ face }) => face?.group.isMember(server) !== false)
  }

  /** The names of all servers and groups. */
  names(): string[] {
    return this.list().map(({ definition }) => definition.name)
  }

  /** The definition of a server or group; for an empty name that of what is at `/mcp`. */
  of(name: string): ServerDefinition | undefined {
    return this.#servers.get(name)?.definition ?? this.group(name)?.definition
  }

  /** Those of the servers in a group that have tokens of their own; undefined for a server. */
  membersOf(name: string): readonly ServerDefinition[] | undefined {
    const entry = this.group(name)
    if (entry === undefined) return undefined
    this.#guarded ??= this.#servers
      .list()
      .map(({ definition }) => definition)
      .filter(({ authTokens }) => authTokens.length > 0)
    if (this.#guarded.length === 0 || entry === this.#everything) return this.#guarded
    // Until it is loaded nobody knows; what its token may use there is decided behind the door.
    return this.#guarded.filter((guarded) => entry.face?.group.isMember(guarded.name) !== false)
  }

  add(definition: ServerDefinition, origin: ServerOrigin, startDelayMs = 0): ServerEntry {
    const { name } = definition
    if (this.#groups.has(name))
      throw new GatewayError('DEFINITION_EXISTS', `A server named ${name} is already registered.`)
    if (definition.group === null) return this.#servers.add(definition, origin, startDelayMs)
    if (this.#servers.get(name))
      throw new GatewayError('DEFINITION_EXISTS', `A server named ${name} is already registered.`)
    const entry = this.#entry(definition, origin, this.#parts.store.disabledAt(name), name)
    this.#groups.set(name, entry)
    this.#version++
    this.#parts.metrics.serverAdded(name)
    if (entry.disabledAt === null) void entry.ready()
    return entry
  }

  replace(definition: ServerDefinition, origin?: ServerOrigin): ServerEntry {
    const { name } = definition
    const group = this.#groups.get(name)
    if (group === undefined && definition.group === null) return this.#servers.replace(definition, origin)
    if (group === undefined || definition.group === null) return this.#becomes(definition, origin)
    const before = group.definition
    group.definition = definition
    this.#version++
    group.origin = origin ?? group.origin
    group.face?.group.redefine(definition)
    for (const listener of this.#listeners) listener.replaced(name, before)
    return group
  }

  async remove(name: string): Promise<void> {
    if (this.#groups.has(name)) this.#removeGroup(name)
    else await this.#servers.remove(name)
  }

  /** A group has no process that could be started anew. */
  async restart(name: string): Promise<void> {
    if (!this.#groups.has(name)) await this.#servers.restart(name)
  }

  async disable(name: string, disabledAt: string): Promise<void> {
    const group = this.#groups.get(name)
    if (group === undefined) {
      await this.#servers.disable(name, disabledAt)
      return
    }
    group.disabledAt = disabledAt
    this.#end(name)
  }

  enable(name: string): void {
    const group = this.#groups.get(name)
    if (group === undefined) this.#servers.enable(name)
    else {
      group.disabledAt = null
      void group.ready()
    }
  }

  try(definition: ServerDefinition, patience: TrialPatience): Promise<Trial> {
    return this.#servers.try(definition, patience)
  }

  /** Tokens, rules or settings are others: clients of groups may see others of their members. */
  accessChanged(): void {
    this.#version++
    this.#each(({ group }) => group.membersChanged())
  }

  /** Lets go of lists that nobody may use any more. */
  sweep(nowMs: number): void {
    void this.#groupParts?.then(({ kept }) => kept.sweep(nowMs))
  }

  /** What admins are told of groups, loaded when they ask. */
  readonly reports = {
    list: async () => (await this.#loadReports()).list(),
    report: async (name: string, waitMs: number) => (await this.#loadReports()).report(name, waitMs),
  }

  /** Who says who may use what, and why; loaded when an admin asks. */
  accessTeller(
    parts: Omit<AccessTellerParts, 'directory' | 'servers'>,
  ): Pick<AccessTeller, keyof AccessTeller> {
    const teller = async (): Promise<AccessTeller> => {
      const { AccessTeller } = await import('./view/access-world.ts')
      return new AccessTeller({ ...parts, directory: this, servers: this.#servers })
    }
    return {
      principal: async (text, claims) => (await teller()).principal(text, claims),
      explain: async (question) => (await teller()).explain(question),
    }
  }

  async #loadReports(): Promise<GroupReports> {
    const { GroupReports } = await import('./reports.ts')
    return new GroupReports(this, this.#servers)
  }

  #serversChanged(): void {
    this.#guarded = null
    this.accessChanged()
  }

  /** A server becomes a group, or a group a server. */
  #becomes(definition: ServerDefinition, givenOrigin?: ServerOrigin): ServerEntry {
    const { name } = definition
    const origin = givenOrigin ?? this.get(name)?.origin ?? 'store'
    if (this.#groups.has(name)) this.#removeGroup(name)
    else void this.#servers.remove(name)
    return this.add(definition, origin)
  }

  #removeGroup(name: string): void {
    this.#groups.delete(name)
    this.#version++
    this.#end(name)
    this.#parts.metrics.serverRemoved(name)
  }

  /** Ends what clients have open at a group. */
  #end(name: string): void {
    for (const listener of this.#listeners) listener.leaving(name)
    for (const listener of this.#listeners) listener.removed(name)
  }

  #each(visit: (face: GroupFace) => void): void {
    for (const { face } of this.#groups.values()) if (face) visit(face)
    if (this.#everything?.face) visit(this.#everything.face)
  }

  #entry(
    definition: ServerDefinition,
    origin: ServerOrigin,
    disabledAt: string | null,
    key: string,
  ): GroupEntry {
    const { log, sessions } = this.#parts
    const load = async (entry: GroupEntry): Promise<GroupFace> => {
      this.#groupParts ??= this.#loadParts()
      const [parts, { GroupFace }, { Group }] = await Promise.all([
        this.#groupParts,
        import('./face.ts'),
        import('./group.ts'),
      ])
      return new GroupFace(new Group(entry.definition, key, parts))
    }
    return new GroupEntry(definition, origin, disabledAt, {
      log,
      load,
      sessionCount: () => sessions.countOf(key),
    })
  }

  async #loadParts(): Promise<GroupParts> {
    const { KeptLists } = await import('./lists/kept-lists.ts')
    const { servers, requests, metrics, log, ledger, settings } = this.#parts
    const access = this.#parts.access()
    const { bounds } = settings
    // What a group listens to at its members is in its client's count as one.
    const [sessionsMax, sessionsPerClientMax] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    const own = new ModernRequests<ModernCallDriver>({ ...bounds, sessionsMax, sessionsPerClientMax }, ledger)
    return {
      ...{ servers, requests, access, metrics, log, bounds },
      inner: { servers, access, requests: own },
      kept: new KeptLists(),
      get clientInputMs() {
        return bounds.clientInputMs
      },
    }
  }
}
