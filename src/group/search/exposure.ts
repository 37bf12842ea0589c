/**
 * What a group with `exposure: search` does otherwise than others: its list of tools is short, and three tools of its
 * own find, describe and call all of them. What may be found is what the caller's whole list holds, so nothing that is
 * hidden is found.
 */
import { namePatterns } from '../../protocol/name-pattern.ts'
import { memberText } from '../../protocol/spans.ts'
import type { Composed, Pageable, ShownItem } from '../lists/composed.ts'
import { partsOf } from '../lists/composed.ts'
import { describeResult, findResult, searchTools } from './search-tools.ts'
import type { ToolSearch } from './tool-search.ts'

/** Lists that are kept ready to be searched: callers with other rights, and clients with other capabilities, have others. */
const searchesMax = 8

/** The tools of the group itself, which are of none of its servers. */
const ownItems: readonly ShownItem[] = searchTools.map((text) => ({
  server: '',
  name: String(JSON.parse(text).name),
  text,
}))

export class SearchExposure {
  readonly #isAlways: (name: string) => boolean
  readonly #listed = new WeakMap<Composed, Pageable>()
  readonly #searches: { readonly of: Composed; readonly search: Promise<ToolSearch> }[] = []

  /** `always` are shown names, and patterns of them. */
  constructor(always: readonly string[]) {
    this.#isAlways = namePatterns(always)
  }

  /** What a list of tools shows: those of the group, those that are always there, and those with an app to show. */
  listed(composed: Composed): Pageable {
    let listed = this.#listed.get(composed)
    if (listed === undefined) {
      const shown = composed.items.filter(({ name, text }) => this.#isAlways(name) || hasApp(text))
      const items = [...ownItems, ...shown]
      const parts = partsOf(items, (server) => (server === '' ? 'own' : composed.partOf(server).digest))
      listed = { items, partOf: parts }
      this.#listed.set(composed, listed)
    }
    return listed
  }

  /** The result of `find_tools`. */
  async find(composed: Composed, query: string, limit: number): Promise<string> {
    return findResult((await this.#searchOf(composed)).find(query, limit))
  }

  /** The result of `describe_tools`. `untold` are names that a server may have which cannot be asked now. */
  describe({ items }: Composed, names: readonly string[], untold: (name: string) => boolean): string {
    const wanted = new Set(names)
    const found = items.filter(({ name }) => wanted.has(name))
    const known = new Set(found.map(({ name }) => name))
    const others = [...wanted].filter((name) => !known.has(name))
    return describeResult(
      found,
      others.filter((name) => !untold(name)),
      others.filter(untold),
    )
  }

  #searchOf(composed: Composed): Promise<ToolSearch> {
    const known = this.#searches.find(({ of }) => of === composed)
    if (known) return known.search
    const search = import('./tool-search.ts').then(({ createToolSearch }) => createToolSearch(composed.items))
    this.#searches.unshift({ of: composed, search })
    this.#searches.length = Math.min(this.#searches.length, searchesMax)
    return search
  }
}

/** Whether a tool has a page of its own, which a host loads before anybody calls the tool. */
function hasApp(text: string): boolean {
  if (!text.includes('resourceUri')) return false
  const meta = memberText(text, '_meta')
  if (meta === null) return false
  return (
    memberText(memberText(meta, 'ui') ?? '{}', 'resourceUri') !== null ||
    memberText(meta, 'ui/resourceUri') !== null
  )
}
