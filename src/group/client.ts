/**
 * Whoever a group works for: one session, or one request that stands alone. Asks the members for their lists in the
 * name of that client, all at once and each no longer than a list may wait, and puts together what came.
 */
import type { Principal } from '../access/principal.ts'
import { GatewayError, gatewayErrorOf } from '../errors.ts'
import type { ClientAddress } from '../net/address.ts'
import { isObject } from '../protocol/json.ts'
import type { Server } from '../upstream/server/server.ts'
import type { Composed, MemberItems, Pageable } from './lists/composed.ts'
import type { PendingList } from './lists/kept-lists.ts'
import { emptyList, type ListKind, listRows, type MemberList } from './lists/member-list.ts'
import type { SearchExposure } from './search/exposure.ts'
import { UriTable } from './uri-table.ts'
import type { GroupView, Target } from './view/group-view.ts'
import type { NamedKind, ViewMember } from './view/view-member.ts'

/** A member whose list is not there, and why. */
export interface Missing {
  readonly server: string
  readonly reason: string
}

/** What came in time. */
export interface Gathered {
  readonly lists: readonly MemberItems[]
  readonly missing: readonly Missing[]
}

/** How long what stands in for a late list may take. */
const interimWaitMs = 500
/** What is told of why a member is missing. */
const reasonCharsMax = 300

/** Whoever asks, with the address from which. */
export interface Caller {
  readonly principal: Principal
  readonly address: ClientAddress | null
}

export interface GroupClientHost {
  /** Null where all tools are listed. */
  readonly search: SearchExposure | null
  readonly listWaitMs: number
  viewOf(caller: Caller): GroupView
  /** Why this server is left alone for now, after an attempt that failed; null when it may be asked. */
  resting(server: Server): GatewayError | null
  /** What stands in for a list that is late; null for nothing. */
  interim(server: Server, kind: ListKind): Promise<MemberList | null>
  /** The server could not be reached. */
  unreached(server: Server, error: GatewayError): void
  /** These names are shown for nobody. */
  ambiguous(composed: Composed): void
}

export abstract class GroupClient {
  readonly #host: GroupClientHost
  /** That of its latest request. */
  protected abstract readonly caller: Caller

  constructor(host: GroupClientHost) {
    this.#host = host
  }

  /** What its principal sees now. */
  get view(): GroupView {
    return this.#host.viewOf(this.caller)
  }

  /** The member's list as this client would get it: at once where it is kept, else on its way. */
  protected abstract list(server: Server, kind: ListKind): MemberList | PendingList
  /** A list that was left out has come after all. */
  protected abstract late(server: Server, kind: ListKind): void
  /** What the server said that it can do, to this client where it is known; null while nobody knows. */
  protected abstract capabilitiesOf(server: Server): Readonly<Record<string, unknown>> | null

  /** Where a name leads: at once where that is known, null for nowhere. Rejects when the member that may have it is not there. */
  target(kind: NamedKind, shown: string): Target | null | Promise<Target | null> {
    const { view } = this
    const target = view.target(kind, shown)
    if (!Array.isArray(target)) return target as Target | null
    const gathered = this.gather(kind === 'tool' ? 'tools' : 'prompts', target as readonly ViewMember[])
    const read = (found: Gathered) => {
      const owner = view.targetIn(kind, shown, found.lists)
      if (owner === null && found.missing.length > 0) throw missingError(found.missing)
      return owner
    }
    return gathered instanceof Promise ? gathered.then(read) : read(gathered)
  }

  /** Null where all tools of the group are listed. */
  get search(): SearchExposure | null {
    return this.#host.search
  }

  /** What a list request is answered from: the list of the group, or what it shows of its tools where they are found. */
  async listable(kind: ListKind): Promise<{ composed: Pageable; missing: readonly Missing[] }> {
    const { composed, missing } = await this.composed(kind)
    const { search } = this
    return { composed: search !== null && kind === 'tools' ? search.listed(composed) : composed, missing }
  }

  /** The list of the group, and whose part of it is missing. */
  async composed(kind: ListKind): Promise<{ composed: Composed; missing: readonly Missing[] }> {
    const { view } = this
    const { lists, missing } = await this.gather(kind, view.members)
    const located = kind === 'resources' || kind === 'templates'
    const uris = located || lists.some(({ list }) => list.hasApps) ? await this.uris() : null
    const composed = view.compose(kind, lists, uris)
    if (composed.ambiguous.length > 0) this.#host.ambiguous(composed)
    return { composed, missing }
  }

  /** The URIs of all members, at once where their lists are kept. */
  uris(): UriTable | Promise<UriTable> {
    const { view } = this
    const members = view.members.filter((member) => this.#mayHave(member, 'resources'))
    const [only, other] = members
    if (other === undefined) return new UriTable(only ? [{ server: only.name, uris: [], templates: [] }] : [])
    const resources = this.gather('resources', members)
    const templates = this.gather('templates', members)
    if (resources instanceof Promise || templates instanceof Promise)
      return Promise.all([resources, templates]).then(([found, foundTemplates]) =>
        view.uriTable(members, found.lists, foundTemplates.lists),
      )
    return view.uriTable(members, resources.lists, templates.lists)
  }

  /** False where a URI of these members' is always shown as it is. */
  get qualifiesUris(): boolean {
    let count = 0
    for (const member of this.view.members) if (this.#mayHave(member, 'resources')) count++
    return count > 1
  }

  /** The lists of these members: at once where all are kept, else as soon as all have come that come in time. */
  gather(kind: ListKind, members: readonly ViewMember[]): Gathered | Promise<Gathered> {
    const asked = members.map((member) => ({ member, found: this.#ask(member, kind) }))
    if (asked.every(({ found }) => !isPending(found)))
      return gatheredOf(asked as readonly { member: ViewMember; found: MemberList | GatewayError }[])
    return Promise.all(
      asked.map(async ({ member, found }) => ({
        member,
        found: isPending(found) ? await this.#within(member, kind, found) : found,
      })),
    ).then(gatheredOf)
  }

  #ask(member: ViewMember, kind: ListKind): MemberList | PendingList | GatewayError {
    const { server } = member
    if (server === undefined)
      return new GatewayError('SERVER_UNKNOWN', 'There is no server of this name yet.')
    if (!this.#mayHave(member, listRows[kind].capability)) return emptyList
    return this.#host.resting(server) ?? this.list(server, kind)
  }

  /** The list if it comes in time, else what stands in for it until it comes, else why it does not. */
  async #within(
    member: ViewMember,
    kind: ListKind,
    pending: PendingList,
  ): Promise<MemberList | GatewayError> {
    const server = member.server as Server
    const { listWaitMs } = this.#host
    try {
      const list = await within(pending.list, pending.sinceMs + listWaitMs)
      if (list !== null) return list
    } catch (thrown) {
      const error = gatewayErrorOf(thrown)
      this.#host.unreached(server, error)
      return error
    }
    // Once for each wait: a server that does not answer on its first connection either keeps nobody waiting again.
    const interim = await within(
      this.#host.interim(server, kind),
      pending.sinceMs + listWaitMs + interimWaitMs,
    )
    pending.list.then(
      ({ digest }) => {
        if (digest !== interim?.digest) this.late(server, kind)
      },
      (thrown: unknown) => this.#host.unreached(server, gatewayErrorOf(thrown)),
    )
    return interim ?? new GatewayError('UPSTREAM_TIMEOUT', `no answer within ${listWaitMs} ms`)
  }

  /** Whether a member may have something of this kind; nobody is asked for what it said not to have. */
  #mayHave({ server }: ViewMember, capability: string): boolean {
    const capabilities = server && this.capabilitiesOf(server)
    return capabilities ? isObject(capabilities[capability]) : server !== undefined
  }
}

/** The refusal of a request that only a member could answer which is not there. */
export function missingError(missing: readonly Missing[]): GatewayError {
  const names = missing.map(({ server }) => server).join(', ')
  return new GatewayError(
    'SERVER_UNAVAILABLE',
    `Nothing has this name, and not all can be asked now: ${names}.`,
    1,
  )
}

/** What comes of it by then, else null. */
async function within<T>(promise: Promise<T>, untilMs: number): Promise<T | null> {
  const { promise: over, resolve } = Promise.withResolvers<null>()
  const timer = setTimeout(resolve, Math.max(0, untilMs - performance.now()), null)
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
  }
}

function isPending(found: MemberList | PendingList | GatewayError): found is PendingList {
  return 'sinceMs' in found
}

function gatheredOf(
  asked: readonly { readonly member: ViewMember; readonly found: MemberList | GatewayError }[],
): Gathered {
  const lists: MemberItems[] = []
  const missing: Missing[] = []
  for (const { member, found } of asked) {
    if (found instanceof GatewayError)
      missing.push({ server: member.name, reason: found.details.slice(0, reasonCharsMax) })
    else lists.push({ member, list: found })
  }
  return { lists, missing }
}
