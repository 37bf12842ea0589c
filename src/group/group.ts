/**
 * One group while it runs: what it shows to whom, who has it open, and who hears of changes. What its clients ask is
 * decided here and sent on by their own sessions and requests, as if they had asked the member itself.
 */
import { version } from '../../package.json'
import type { AccessDecider } from '../access/decide.ts'
import { type CredentialOwner, ownerOf } from '../access/owner/credential-owner.ts'
import type { Principal } from '../access/principal.ts'
import { type Grants, type ReachFields, reachOf } from '../access/reach.ts'
import type { Config } from '../config/schema.ts'
import { GatewayError } from '../errors.ts'
import type { GroupSettings, ServerDefinition } from '../registry/definition.ts'
import type { SessionParts } from '../session/legacy/send.ts'
import type { ModernParts } from '../session/modern/answer.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { CallCounters } from '../upstream/server/counters.ts'
import type { ServerState } from '../upstream/server/directory.ts'
import type { OwnerChange } from '../upstream/server/parts.ts'
import type { Server } from '../upstream/server/server.ts'
import { ToolTable } from '../upstream/server/tools.ts'
import { allLists, type ChangedList, type ChangeHearer, Changes } from './changes.ts'
import type { Caller, GroupClientHost } from './client.ts'
import type { GroupIdentity } from './greeting.ts'
import type { Composed } from './lists/composed.ts'
import { ComposedLists } from './lists/composed-lists.ts'
import { interimList } from './lists/interim-list.ts'
import type { KeptLists } from './lists/kept-lists.ts'
import { type ListKind, listRows, type MemberList } from './lists/member-list.ts'
import { type Member, promptNames, resolveMembers, toolNames } from './members.ts'
import { SearchExposure } from './search/exposure.ts'
import { searchToolNames } from './search/search-tools.ts'
import { GroupView } from './view/group-view.ts'
import { TaskOwners } from './view/task-owners.ts'
import { ViewMember } from './view/view-member.ts'

/** What all groups share of the rest of the gateway. */
export interface GroupParts extends SessionParts, ModernParts {
  readonly servers: SessionParts['servers']
  /** For requests that a group makes for its own lists and subscriptions: they are in no client's count. */
  readonly inner: ModernParts
  readonly access: ModernParts['access'] & { readonly decider: AccessDecider }
  readonly kept: KeptLists
  readonly metrics: Metrics
  readonly log: Log
  readonly bounds: Pick<Config['limits'], 'groupListItemsMax' | 'groupListBytesMax' | 'inFlightPerServerMax'>
}

/** What a caller sees, by what decides it beside the caller's name. */
interface KnownView {
  readonly grants: Grants | null
  /** Members that let nobody in from the caller's address. */
  readonly keptOut: readonly string[]
  readonly view: GroupView
}

/** A server that could not be reached is not asked again for a list within this. */
const restMs = 10_000
/** Views that are remembered. */
const viewsMax = 256
const toldNamesMax = 1_000

export class Group implements GroupClientHost {
  readonly parts: GroupParts
  /** What clients' sessions are filed under. */
  readonly key: string
  readonly changes = new Changes()
  readonly counters: CallCounters
  /** Of all clients: a session is known by its id, whoever has none by its principal. */
  readonly tasks = new TaskOwners()
  /** Answers for the group where no member does: it has no tools of a server's, and no secrets. */
  readonly tools = new ToolTable(() => Promise.reject(new GatewayError('INTERNAL', 'A group has no lane.')))
  readonly mask = (text: string) => text
  /** Null where all tools are listed. */
  search: SearchExposure | null = null
  #definition: ServerDefinition
  #members: readonly Member[] = []
  #composed: ComposedLists
  /** The settings that these are of. */
  #resolved: GroupSettings | null = null
  /** By principal. */
  readonly #views = new Map<string, KnownView[]>()
  #viewCount = 0
  /** Definitions of members that let certain addresses in only. */
  #guarded: readonly ServerDefinition[] = []
  #viewsOf = -1
  /** Members that are connected, with the lists that each has. */
  readonly #up = new Map<string, { readonly server: Server; readonly lists: readonly ChangedList[] }>()
  /** The members that each client has been able to use. */
  readonly #seen = new WeakMap<ChangeHearer, readonly string[]>()
  readonly #resting = new WeakMap<Server, { readonly error: GatewayError; readonly untilMs: number }>()
  /** Null until it is asked for again. */
  #mayQualify: boolean | null = null
  readonly #toldNames = new Set<string>()

  constructor(definition: ServerDefinition, key: string, parts: GroupParts) {
    this.#definition = definition
    this.key = key
    this.parts = parts
    this.counters = new CallCounters(definition.name, parts.bounds.inFlightPerServerMax, parts.metrics)
    this.#composed = this.#resolve()
    for (const server of parts.servers.list()) if (server.state === 'connected') this.#noteUp(server)
  }

  get name(): string {
    return this.#definition.name
  }

  get identity(): GroupIdentity {
    const { name, description } = this.#definition
    return { name, description, version, searched: this.search !== null }
  }

  get definition(): ServerDefinition {
    return this.#definition
  }

  get listWaitMs(): number {
    return this.#definition.group?.listWaitMs ?? 0
  }

  /** All servers that the definition brings, whoever may use them. */
  get members(): readonly Member[] {
    return this.#members
  }

  /** False while at most one member can have resources: every URI is then shown as it is. */
  get mayQualify(): boolean {
    this.#mayQualify ??= this.#members.filter(({ server }) => this.#mayHaveResources(server)).length > 1
    return this.#mayQualify
  }

  /** How those of them fare that are registered. */
  memberStates(): ServerState[] {
    return this.#members.flatMap(({ server }) => this.parts.servers.get(server)?.state ?? [])
  }

  /** Goes on under another definition: all that clients have seen of it may be another. */
  redefine(definition: ServerDefinition): void {
    this.#definition = definition
    this.membersChanged()
    this.changes.all()
  }

  /** Tells this client of changes from now on. */
  hear(hearer: ChangeHearer): void {
    this.changes.add(hearer)
    this.#seen.set(hearer, hearer.visible)
  }

  /** Servers came, went, or have another definition, or may be used by others than before; or settings are others. */
  membersChanged(): void {
    this.counters.inFlightMax = this.parts.bounds.inFlightPerServerMax
    const upBefore = new Map(this.#up)
    this.#mayQualify = null
    this.#composed = this.#resolve()
    this.#forgetViews()
    for (const name of this.#up.keys()) if (!this.isMember(name)) this.#up.delete(name)
    for (const server of this.parts.servers.list()) if (server.state === 'connected') this.#noteUp(server)
    for (const hearer of [...this.changes.hearers]) {
      hearer.membersChanged()
      const before = this.#seen.get(hearer) ?? []
      const { visible } = hearer
      this.#seen.set(hearer, visible)
      for (const name of different(before, visible))
        this.changes.note(hearer, (this.#up.get(name) ?? upBefore.get(name))?.lists ?? [])
    }
  }

  /** A server is connected, or is so no longer. */
  stateChanged(server: Server): void {
    if (!this.isMember(server.name)) return
    this.#mayQualify = null
    const before = this.#up.get(server.name)
    if (server.state === 'connected') {
      this.#resting.delete(server)
      this.#noteUp(server)
      const now = this.#up.get(server.name)
      const lists = [...(before?.lists ?? []), ...(now?.lists ?? [])]
      if (before?.server !== server) this.#tell(server.name, lists)
      for (const hearer of [...this.changes.hearers]) hearer.memberUp?.()
    } else if (before && server.state !== 'connecting') {
      this.#up.delete(server.name)
      this.#tell(server.name, before.lists)
    }
  }

  /** What one user has of a server is connected, or another than before. */
  ownerChanged(name: string, owner: CredentialOwner, what: OwnerChange): void {
    if (!this.isMember(name)) return
    for (const hearer of [...this.changes.hearers]) {
      if (hearer.owner !== owner || !hearer.sees(name)) continue
      if (what === 'credentials') this.changes.note(hearer, allLists)
      else hearer.memberUp?.()
    }
  }

  /** A server is gone for good. */
  removed(name: string): void {
    const before = this.#up.get(name)
    this.#up.delete(name)
    if (before) this.#tell(name, before.lists)
    this.membersChanged()
  }

  viewOf(caller: Caller): GroupView {
    const { version } = this.parts.access.decider
    if (version !== this.#viewsOf || this.#viewCount >= viewsMax) this.#forgetViews()
    this.#viewsOf = version
    const { id, grants } = caller.principal
    const keptOut =
      this.#guarded.length === 0 ? [] : this.parts.access.decider.keptOut(caller.address, this.#guarded)
    const known = this.#views.get(id) ?? []
    for (const one of known) if (one.grants === grants && sameNames(one.keptOut, keptOut)) return one.view
    const view = this.#makeView(caller.principal, keptOut)
    known.push({ grants, keptOut, view })
    this.#views.set(id, known)
    this.#viewCount++
    return view
  }

  resting(server: Server): GatewayError | null {
    const rest = this.#resting.get(server)
    if (rest === undefined) return null
    if (server.state !== 'connected' && performance.now() < rest.untilMs) return rest.error
    this.#resting.delete(server)
    return null
  }

  interim(server: Server, kind: ListKind): Promise<MemberList | null> {
    return interimList(this.parts.kept, server, kind)
  }

  unreached(server: Server, error: GatewayError): void {
    if (server.state !== 'connected')
      this.#resting.set(server, { error, untilMs: performance.now() + restMs })
  }

  /** A list was left out of an answer to a stateless client, and has come after all: whoever of them listens hears so. */
  listLate(principalId: string, kind: ListKind): void {
    const picks = (hearer: ChangeHearer) => hearer.principalId === principalId
    this.changes.told([listRows[kind].capability], picks)
  }

  ambiguous({ ambiguous }: Composed): void {
    for (const { name, owners } of ambiguous) {
      if (this.#toldNames.has(name) || this.#toldNames.size >= toldNamesMax) continue
      this.#toldNames.add(name)
      const servers = owners.map(({ server }) => server).join(', ')
      this.parts.log.warn(
        { group: this.name, name, servers },
        'several servers of a group have this name: it is shown for none of them',
      )
    }
  }

  #resolve(): ComposedLists {
    const { group } = this.#definition
    const definitions = this.parts.servers.list().map(({ definition }) => definition)
    this.#members = group === null ? [] : resolveMembers(group, definitions)
    this.#guarded = definitions.filter(({ name, allowedIPs }) => allowedIPs.length > 0 && this.isMember(name))
    if (group !== this.#resolved)
      this.search = group?.exposure === 'search' ? new SearchExposure(group.always) : null
    this.#resolved = group
    const reserved = this.search === null ? undefined : searchToolNames
    return new ComposedLists({
      tool: toolNames(this.#members, reserved),
      prompt: promptNames(this.#members),
    })
  }

  #forgetViews(): void {
    this.#views.clear()
    this.#viewCount = 0
  }

  #makeView(principal: Principal, keptOut: readonly string[]): GroupView {
    const { servers, access } = this.parts
    const owner = ownerOf(principal)
    const serverOf = (name: string) => servers.of(name, owner)
    const members = this.#members.flatMap((member) => {
      const definition = servers.get(member.server)?.definition
      if (!definition) return [new ViewMember(member, reachOf(null, nothingOf(member.server)), serverOf)]
      const allowed = access.decider.server(principal, definition, this.#definition).allowed
      if (!allowed || keptOut.includes(member.server)) return []
      return [new ViewMember(member, reachOf(principal.grants, definition), serverOf)]
    })
    return new GroupView(members, this.#composed, reachOf(principal.grants, this.#definition))
  }

  isMember(name: string): boolean {
    return this.#members.some(({ server }) => server === name)
  }

  #mayHaveResources(name: string): boolean {
    const server = this.parts.servers.get(name)
    return server !== undefined && (server.facts === null || 'resources' in server.facts.capabilities)
  }

  #noteUp(server: Server): void {
    if (!this.isMember(server.name)) return
    const capabilities = server.facts?.capabilities ?? {}
    const lists = (['tools', 'prompts', 'resources'] as const).filter((kind) => kind in capabilities)
    this.#up.set(server.name, { server, lists })
  }

  #tell(serverName: string, lists: readonly ChangedList[]): void {
    this.changes.told(lists, (hearer: ChangeHearer) => hearer.sees(serverName))
  }
}

/** What is only in one of the two. */
function different(before: readonly string[], after: readonly string[]): string[] {
  const [was, is] = [new Set(before), new Set(after)]
  return [...before.filter((name) => !is.has(name)), ...after.filter((name) => !was.has(name))]
}

function sameNames(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((name, at) => name === others[at])
}

/** What there is to decide about a server that is not registered. */
function nothingOf(name: string): ReachFields {
  return { name, toolFilter: null, access: null }
}
