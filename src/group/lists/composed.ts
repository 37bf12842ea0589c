/** A list of a group, composed of its members' lists: in their order, each item in its own text under its shown name. */
import type { Reach } from '../../access/reach.ts'
import { type AmbiguousName, type GroupNames, nameTable } from '../names.ts'
import { type ItemChange, shownItem } from '../shown.ts'
import type { UriTable } from '../uri-table.ts'
import { factsOf, type NamedKind, type ViewMember } from '../view/view-member.ts'
import type { ListKind, MemberList } from './member-list.ts'

/** One member's list. */
export interface MemberItems {
  readonly member: ViewMember
  readonly list: MemberList
}

/** One item as the group shows it. */
export interface ShownItem {
  readonly server: string
  /** As it is shown: a name, a URI, a template. */
  readonly name: string
  readonly text: string
}

/** What a list is answered from, page by page. */
export interface Pageable {
  readonly items: readonly ShownItem[]
  /** Where this member's items stand; no digest where it has none. */
  partOf(server: string): Part
}

export class Composed implements Pageable {
  readonly items: readonly ShownItem[]
  /** Names that two members would have, which are shown for none. */
  readonly ambiguous: readonly AmbiguousName[]
  /** Characters of its items. */
  readonly chars: number
  readonly #kind: ListKind
  readonly #lists: readonly MemberItems[]
  readonly #uris: UriTable | null
  readonly #reach: Reach
  #partOf: ((server: string) => Part) | null = null

  /** `reach` is that of the group itself, by shown names. */
  constructor(
    kind: ListKind,
    lists: readonly MemberItems[],
    uris: UriTable | null,
    allNames: Readonly<Record<NamedKind, GroupNames>>,
    reach: Reach,
  ) {
    this.#kind = kind
    this.#lists = lists
    this.#uris = uris
    this.#reach = reach
    if (kind === 'tools' || kind === 'prompts') {
      const named = kind === 'tools' ? 'tool' : 'prompt'
      const { items, ambiguous } = namedItems(named, lists, uris, allNames[named], reach)
      this.items = items
      this.ambiguous = ambiguous
    } else {
      this.items = lists.flatMap((one) => locatedItems(kind, one, uris, reach))
      this.ambiguous = []
    }
    this.chars = this.items.reduce((sum, { text }) => sum + text.length, 0)
  }

  /** Whether it was composed of these. */
  isOf(kind: ListKind, lists: readonly MemberItems[], uris: UriTable | null, reach: Reach): boolean {
    if (kind !== this.#kind || uris !== this.#uris || reach !== this.#reach) return false
    if (lists.length !== this.#lists.length) return false
    return this.#lists.every(({ member, list }, index) => {
      const other = lists[index]
      return other !== undefined && other.list === list && other.member.isLike(member)
    })
  }

  partOf(server: string): Part {
    this.#partOf ??= partsOf(this.items, (name) => this.#digestOf(name))
    return this.#partOf(server)
  }

  #digestOf(server: string): string | null {
    const list = this.#lists.find(({ member }) => member.name === server)?.list
    return list?.digest.slice(0, 10) ?? null
  }
}

/** The items of one member within the whole. */
export interface Part {
  readonly first: number
  readonly count: number
  /** The same for the same items, in this process and in the next. */
  readonly digest: string | null
}

const nothing: Part = { first: 0, count: 0, digest: null }

/** Finds each member's part of these items, which stand together by member. `digestOf` is of its whole list. */
export function partsOf(
  items: readonly ShownItem[],
  digestOf: (server: string) => string | null,
): (server: string) => Part {
  const places = new Map<string, { first: number; count: number }>()
  for (const [index, { server }] of items.entries()) {
    const place = places.get(server)
    if (place) place.count++
    else places.set(server, { first: index, count: 1 })
  }
  return (server) => {
    const place = places.get(server)
    const digest = place && digestOf(server)
    return place && digest ? { ...place, digest: `${place.count}-${digest}` } : nothing
  }
}

function namedItems(
  kind: NamedKind,
  lists: readonly MemberItems[],
  uris: UriTable | null,
  names: GroupNames,
  reach: Reach,
): { items: ShownItem[]; ambiguous: readonly AmbiguousName[] } {
  const shown = lists.map(({ member, list }) => ({
    member,
    items: list.items.filter((item) => member.shows(kind, item)),
  }))
  const table = nameTable(
    names,
    shown.map(({ member, items }) => ({ server: member.name, names: items.map(({ name }) => name) })),
  )
  const items: ShownItem[] = []
  for (const { member, items: own } of shown) {
    for (const { text, name, readOnlyHint } of own) {
      const shownName = names.shown(member.name, name)
      if (!table.owners.has(shownName)) continue
      if (!reach.allows(kind, shownName, factsOf(readOnlyHint))) continue
      const description = kind === 'tool' ? member.member.described(name) : null
      items.push({
        server: member.name,
        name: shownName,
        text: itemText(text, {
          ...(shownName !== name && { name: shownName }),
          ...(description !== null && { description }),
          ...(uris?.qualifies === true && { show: (uri: string) => uris.shown(member.name, uri) }),
        }),
      })
    }
  }
  return { items, ambiguous: table.ambiguous }
}

function locatedItems(
  kind: 'resources' | 'templates',
  { member, list }: MemberItems,
  uris: UriTable | null,
  reach: Reach,
): ShownItem[] {
  const [access, shownOf] =
    kind === 'resources'
      ? (['resource', (uri: string) => uris?.shown(member.name, uri) ?? uri] as const)
      : (['template', (template: string) => uris?.shownTemplate(member.name, template) ?? template] as const)
  const items: ShownItem[] = []
  for (const { text, name } of list.items) {
    if (!member.reach.allows(access, name)) continue
    const shown = shownOf(name)
    if (!reach.allows(access, shown)) continue
    // `show` is asked for the item's own URI, and for that of an app.
    const show = (uri: string) => (uri === name ? shown : (uris?.shown(member.name, uri) ?? uri))
    items.push({
      server: member.name,
      name: shown,
      text: uris?.qualifies === true ? itemText(text, { show }) : text,
    })
  }
  return items
}

function itemText(text: string, change: ItemChange): string {
  return Object.keys(change).length === 0 ? text : shownItem(text, change)
}
