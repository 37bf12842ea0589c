/**
 * What one caller sees of a group: its members, whose a name is, and what their lists become. Made anew when
 * members, definitions or rules change; no I/O.
 */
import type { Reach } from '../../access/reach.ts'
import { Composed, type MemberItems } from '../lists/composed.ts'
import { emptyList, type ListKind, type MemberList } from '../lists/member-list.ts'
import { type GroupNames, nameTable } from '../names.ts'
import { UriTable } from '../uri-table.ts'
import { UriMemory } from './shown-uris.ts'
import type { NamedKind, ViewMember } from './view-member.ts'

/** Where a call goes. */
export interface Target {
  readonly member: ViewMember
  /** The member's own name. */
  readonly name: string
}

/** Names whose owner is remembered: clients use the same few again and again. */
const targetsMax = 10_000
/** Compositions that are remembered: clients with other capabilities may see other lists. */
const composedMax = 4
const uriMemoriesMax = 100

export interface ViewNames {
  readonly tool: GroupNames
  readonly prompt: GroupNames
}

export class GroupView {
  readonly members: readonly ViewMember[]
  readonly names: ViewNames
  /** The group's own filter, by shown names. */
  readonly #reach: Reach
  readonly #byName: ReadonlyMap<string, ViewMember>
  readonly #targets: Readonly<Record<NamedKind, Map<string, Target>>> = {
    tool: new Map(),
    prompt: new Map(),
  }
  readonly #uriMemories = new Map<string, UriMemory>()
  readonly #composed = new Map<ListKind, Composed[]>()
  readonly #uriTables: {
    readonly members: readonly ViewMember[]
    readonly lists: readonly MemberList[]
    readonly table: UriTable
  }[] = []

  constructor(members: readonly ViewMember[], names: ViewNames, reach: Reach) {
    this.members = members
    this.names = names
    this.#reach = reach
    this.#byName = new Map(members.map((member) => [member.name, member]))
  }

  /** Of its members. */
  get serverNames(): readonly string[] {
    return [...this.#byName.keys()]
  }

  member(serverName: string): ViewMember | undefined {
    return this.#byName.get(serverName)
  }

  /**
   * Where a shown name leads, null for nowhere; or the members whose lists must be asked first. A name that a filter
   * might hide is asked for too, so that what is hidden and what is not there are answered alike.
   */
  target(kind: NamedKind, shown: string): Target | null | readonly ViewMember[] {
    const known = this.#targets[kind].get(shown)
    if (known !== undefined) return known
    if (!this.#reach.allows(kind, shown)) return null
    const owner = this.names[kind].owner(shown)
    if (owner.kind === 'listed') return this.#visible(owner.servers)
    const member = this.#byName.get(owner.server)
    if (!member) return null
    if (member.hides(kind) || this.#reach.hides(kind)) return [member]
    return this.#remember(kind, shown, { member, name: owner.name })
  }

  /** The same once these members' lists are there. */
  targetIn(kind: NamedKind, shown: string, lists: readonly MemberItems[]): Target | null {
    const listed = lists.map(({ member, list }) => ({
      server: member.name,
      names: list.items.filter((item) => member.shows(kind, item)).map(({ name }) => name),
    }))
    const owner = nameTable(this.names[kind], listed).owners.get(shown)
    const member = owner && this.#byName.get(owner.server)
    return owner && member ? this.#remember(kind, shown, { member, name: owner.name }) : null
  }

  /** The list of the group that these lists of its members become. */
  compose(kind: ListKind, lists: readonly MemberItems[], uris: UriTable | null): Composed {
    const known = this.#composed.get(kind) ?? []
    this.#composed.set(kind, known)
    const same = known.find((composed) => composed.isOf(lists, uris))
    if (same) return same
    const composed = new Composed(kind, lists, uris, this.names, this.#reach)
    // One of those that have it was not there before.
    if (kind === 'tools' || kind === 'prompts')
      for (const { name } of composed.ambiguous)
        this.#targets[kind === 'tools' ? 'tool' : 'prompt'].delete(name)
    known.unshift(composed)
    known.length = Math.min(known.length, composedMax)
    return composed
  }

  /** The URIs of these members, as far as their lists have come. */
  uriTable(
    members: readonly ViewMember[],
    resources: readonly MemberItems[],
    templates: readonly MemberItems[],
  ): UriTable {
    const listed = (of: readonly MemberItems[]) => new Map(of.map(({ member, list }) => [member, list]))
    const [uris, uriTemplates] = [listed(resources), listed(templates)]
    const lists = members.flatMap((member) => [
      uris.get(member) ?? emptyList,
      uriTemplates.get(member) ?? emptyList,
    ])
    const known = this.#uriTables.find(
      (one) => sameItems(one.members, members) && sameItems(one.lists, lists),
    )
    if (known) return known.table
    const table = new UriTable(
      members.map((member) => ({
        server: member.name,
        uris: namesIn(uris.get(member), (uri) => member.reach.allows('resource', uri)),
        templates: namesIn(uriTemplates.get(member), (uri) => member.reach.allows('template', uri)),
      })),
    )
    this.#uriTables.unshift({ members, lists, table })
    this.#uriTables.length = Math.min(this.#uriTables.length, composedMax)
    return table
  }

  /** What is known of the URIs of a client of the principal's that has no session. */
  uriMemoryOf(clientKey: string): UriMemory {
    let memory = this.#uriMemories.get(clientKey)
    if (memory === undefined) {
      if (this.#uriMemories.size >= uriMemoriesMax) this.#uriMemories.clear()
      memory = new UriMemory()
      this.#uriMemories.set(clientKey, memory)
    }
    return memory
  }

  /** Those of these servers that the principal may use. */
  #visible(servers: readonly string[]): readonly ViewMember[] | null {
    const members = servers.flatMap((name) => this.#byName.get(name) ?? [])
    return members.length === 0 ? null : members
  }

  #remember(kind: NamedKind, shown: string, target: Target): Target {
    const targets = this.#targets[kind]
    if (targets.size >= targetsMax) targets.clear()
    targets.set(shown, target)
    return target
  }
}

function namesIn(list: MemberList | undefined, shows: (name: string) => boolean): readonly string[] {
  return list === undefined ? [] : list.items.map(({ name }) => name).filter(shows)
}

function sameItems<T>(some: readonly T[], others: readonly T[]): boolean {
  return some.length === others.length && some.every((one, index) => one === others[index])
}
