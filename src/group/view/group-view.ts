/**
 * What one caller sees of a group: its members, whose a name is, and what their lists become. Made anew when
 * members, definitions or rules change; no I/O.
 */
import type { Reach } from '../../access/reach.ts'
import type { Composed, MemberItems } from '../lists/composed.ts'
import type { ComposedLists, NamesByKind } from '../lists/composed-lists.ts'
import type { ListKind } from '../lists/member-list.ts'
import { nameTable } from '../names.ts'
import type { UriTable } from '../uri-table.ts'
import { UriMemory } from './shown-uris.ts'
import { factsOf, type NamedKind, type ViewMember } from './view-member.ts'

/** Where a call goes. */
export interface Target {
  readonly member: ViewMember
  /** The member's own name. */
  readonly name: string
}

/** Names whose owner is remembered: clients use the same few again and again. */
const targetsMax = 1_000
const uriMemoriesMax = 100

export class GroupView {
  readonly members: readonly ViewMember[]
  readonly names: NamesByKind
  /** The group's own filter, by shown names. */
  readonly #reach: Reach
  readonly #byName: ReadonlyMap<string, ViewMember>
  readonly #targets: Readonly<Record<NamedKind, Map<string, Target>>> = {
    tool: new Map(),
    prompt: new Map(),
  }
  readonly #uriMemories = new Map<string, UriMemory>()
  readonly #composed: ComposedLists

  /** `composed` is shared by all views with the same names. */
  constructor(members: readonly ViewMember[], composed: ComposedLists, reach: Reach) {
    this.members = members
    this.names = composed.names
    this.#composed = composed
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
    // What only tools may be that say so of themselves is known once their list is there.
    if (!this.#reach.allows(kind, shown, factsOf(true))) return null
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
    if (!owner || !member) return null
    const target = { member, name: owner.name }
    if (this.#reach.allows(kind, shown)) return this.#remember(kind, shown, target)
    // By what it says of itself now, which may be something else the next time.
    const list = lists.find((one) => one.member === member)?.list
    const item = list?.items.find(({ name }) => name === owner.name)
    return this.#reach.allows(kind, shown, factsOf(item?.readOnlyHint === true)) ? target : null
  }

  /** Whether the rules about the group itself open this resource or template, as it is shown here. */
  opensUri(kind: 'resource' | 'template', shown: string): boolean {
    return this.#reach.allows(kind, shown)
  }

  /** The list of the group that these lists of its members become. */
  compose(kind: ListKind, lists: readonly MemberItems[], uris: UriTable | null): Composed {
    const composed = this.#composed.compose(kind, lists, uris, this.#reach)
    // One of those that have such a name may not have been there before.
    for (const { name } of composed.ambiguous)
      this.#targets[kind === 'prompts' ? 'prompt' : 'tool'].delete(name)
    return composed
  }

  /** The URIs of these members, as far as their lists have come. */
  uriTable(
    members: readonly ViewMember[],
    resources: readonly MemberItems[],
    templates: readonly MemberItems[],
  ): UriTable {
    return this.#composed.uriTable(members, resources, templates)
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
