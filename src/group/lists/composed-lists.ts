/**
 * What a group has composed of its members' lists, for all callers who see the same: most of them do. Bounded, the
 * ones that were used last stay.
 */
import type { Reach } from '../../access/reach.ts'
import type { GroupNames } from '../names.ts'
import { UriTable } from '../uri-table.ts'
import type { NamedKind, ViewMember } from '../view/view-member.ts'
import { Composed, type MemberItems } from './composed.ts'
import { emptyList, type ListKind, type MemberList } from './member-list.ts'

export type NamesByKind = Readonly<Record<NamedKind, GroupNames>>

const composedMax = 64
/** Characters of the items of all of them. */
const composedCharsMax = 32 * 1024 * 1024
const tablesMax = 16

interface KnownTable {
  readonly members: readonly ViewMember[]
  readonly lists: readonly MemberList[]
  readonly table: UriTable
}

export class ComposedLists {
  readonly names: NamesByKind
  /** The latest first. */
  #composed: Composed[] = []
  #tables: KnownTable[] = []

  constructor(names: NamesByKind) {
    this.names = names
  }

  /** The list of the group that these lists of its members become; `reach` is that of the group itself. */
  compose(kind: ListKind, lists: readonly MemberItems[], uris: UriTable | null, reach: Reach): Composed {
    const found =
      this.#composed.find((one) => one.isOf(kind, lists, uris, reach)) ??
      new Composed(kind, lists, uris, this.names, reach)
    this.#composed = withinBounds([found, ...this.#composed.filter((one) => one !== found)])
    return found
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
    const known = this.#tables.find((one) => sameMembers(one.members, members) && sameLists(one.lists, lists))
    if (known) return known.table
    const table = new UriTable(
      members.map((member) => ({
        server: member.name,
        uris: namesIn(uris.get(member), (uri) => member.reach.allows('resource', uri)),
        templates: namesIn(uriTemplates.get(member), (uri) => member.reach.allows('template', uri)),
      })),
    )
    this.#tables = [{ members, lists, table }, ...this.#tables].slice(0, tablesMax)
    return table
  }
}

/** The first of them as far as there is room; one alone may be larger. */
function withinBounds(composed: readonly Composed[]): Composed[] {
  const kept: Composed[] = []
  let chars = 0
  for (const one of composed.slice(0, composedMax)) {
    chars += one.chars
    if (chars > composedCharsMax && kept.length > 0) break
    kept.push(one)
  }
  return kept
}

function namesIn(list: MemberList | undefined, shows: (name: string) => boolean): readonly string[] {
  return list === undefined ? [] : list.items.map(({ name }) => name).filter(shows)
}

function sameMembers(some: readonly ViewMember[], others: readonly ViewMember[]): boolean {
  return some.length === others.length && some.every((one, at) => others[at]?.isLike(one) === true)
}

function sameLists(some: readonly MemberList[], others: readonly MemberList[]): boolean {
  return some.length === others.length && some.every((one, at) => one === others[at])
}
