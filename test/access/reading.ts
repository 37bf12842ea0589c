/** Random rules of access, and what they say as a person would read them: without a line of the program. */
import fc from 'fast-check'
import type { ItemKind } from '../../src/access/reach.ts'
import type { RuleWire } from '../../src/registry/access/rule-schema.ts'

export const issuer = 'https://id.example'
export const names = ['a', 'ab', 'b', 'ba', 'z'] as const
export const kinds = ['tool', 'prompt', 'resource', 'template'] as const
export const group = 'g'

const name = fc.constantFrom(...names)
/** Own names, shown names, and patterns of both. */
const pattern = fc.constantFrom(...names, '*', 'a*', '*b', 's1__a', 's1__*', 'A', 'a?')
const patterns = fc.option(fc.array(pattern, { maxLength: 3 }), { nil: undefined })
const server = fc.constantFrom('s1', 's2', group)
const who = fc.option(
  fc
    .record(
      {
        keys: fc.subarray(['keyone11', 'keytwo22', 'first'], { minLength: 1 }),
        users: fc.subarray([`${issuer} p1`, 'u1'], { minLength: 1 }),
        claims: fc.constantFrom({ groups: ['x'] }, { groups: ['x', 'y'] }, { groups: ['y'], team: ['t'] }),
      },
      { requiredKeys: [] },
    )
    .filter((named) => Object.keys(named).length > 0),
  { nil: undefined },
)
const opened = {
  tools: patterns,
  prompts: patterns,
  resources: patterns,
  readOnly: fc.option(fc.boolean(), { nil: undefined }),
}
const withServers = {
  servers: fc.array(fc.oneof(server, fc.constantFrom('*', 's*')), { minLength: 1, maxLength: 2 }),
}
const defined = <T extends object>(record: T): RuleWire => JSON.parse(JSON.stringify(record)) as RuleWire
const personRule = fc.record({ who, ...withServers, ...opened }).map(({ who: named, ...rule }) =>
  defined({
    ...rule,
    ...((named?.users ?? named?.claims) && { who: { users: named?.users, claims: named?.claims } }),
  }),
)
export const keyRule = fc.record({ ...withServers, ...opened }).map(defined)
const ownRules = fc.option(
  fc.array(fc.record({ who, ...opened }).map(defined), { minLength: 1, maxLength: 2 }),
  {
    nil: undefined,
  },
)
const filter = fc.option(
  fc.record({
    mode: fc.constantFrom('allow' as const, 'block' as const),
    list: fc.uniqueArray(pattern, { maxLength: 3 }),
  }),
  { nil: undefined },
)
const definitionOf = fc.record({ access: ownRules, toolFilter: filter })

export const world = fc.record({
  people: fc.array(personRule, { maxLength: 4 }),
  keys: fc.tuple(fc.array(keyRule, { maxLength: 3 }), fc.array(keyRule, { maxLength: 3 })),
  servers: fc.tuple(definitionOf, definitionOf, definitionOf),
  asked: fc.record({
    who: fc.constantFrom('p1', 'p2', 'keyone11', 'keytwo22'),
    at: fc.constantFrom('s1', 's2'),
    through: fc.boolean(),
    kind: fc.constantFrom(...kinds),
    name,
    readOnly: fc.boolean(),
  }),
})
export type World = typeof world extends fc.Arbitrary<infer T> ? T : never

export const claimsOf: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  p1: { groups: ['x'] },
  p2: { groups: ['y'], team: ['t'] },
}
export const keyNames: Readonly<Record<string, { readonly name: string; readonly user: string | null }>> = {
  keyone11: { name: 'first', user: 'u1' },
  keytwo22: { name: 'second', user: null },
}

/** How rules of definitions can name a key. */
export interface KeyIdentity {
  readonly id: string
  readonly name: string
  readonly user: string | null
}

/** What the rules say, read as a person would read them. */
export class Reading {
  readonly world: World
  /** Null for a person. */
  readonly #key: KeyIdentity | null

  constructor(world: World, key?: KeyIdentity) {
    const { who: caller } = world.asked
    const named = keyNames[caller]
    this.world = world
    this.#key = key ?? (named === undefined ? null : { id: caller, ...named })
  }

  get #asked() {
    return this.world.asked
  }

  get #isKey(): boolean {
    return this.#key !== null
  }

  #own(at: string): readonly RuleWire[] {
    const { people, keys } = this.world
    const mine = this.#isKey
      ? keys[this.#asked.who === 'keyone11' ? 0 : 1]
      : people.filter((rule) => this.#isNamed(rule))
    return mine.filter(({ servers = [] }) => servers.some((one) => fits(one, at)))
  }

  /** The rules of a definition that name the caller; null where it has none at all. */
  #ofServer(at: string): readonly RuleWire[] | null {
    const { access } = this.#definition(at)
    return access?.filter((rule) => this.#isNamed(rule)) ?? null
  }

  #definition(at: string) {
    const [s1, s2, g] = this.world.servers
    return at === 's1' ? s1 : at === 's2' ? s2 : g
  }

  #isNamed({ who: named }: RuleWire): boolean {
    if (named === undefined) return true
    const { keys, users, claims } = named
    const caller = this.#asked.who
    const key = this.#key
    if (key) {
      if (keys?.includes(key.id) || keys?.includes(key.name)) return true
      if (claims !== undefined) return false
      if (users !== undefined && users.length > 0) return key.user !== null && users.includes(key.user)
      return keys === undefined || keys.length === 0
    }
    const meant = (users !== undefined && users.length > 0) || claims !== undefined
    if (!meant) return keys === undefined || keys.length === 0
    if (users !== undefined && users.length > 0 && !users.includes(`${issuer} ${caller}`)) return false
    const said = claimsOf[caller] ?? {}
    return Object.entries(claims ?? {}).every(([claim, values]) =>
      said[claim]?.some((value) => values.includes(value)),
    )
  }

  #comesIn(at: string): boolean {
    const [own, ofServer] = [this.#own(at), this.#ofServer(at)]
    if (ofServer !== null && ofServer.length === 0) return false
    return own.length > 0 || (!this.#isKey && ofServer !== null)
  }

  #reaches(): boolean {
    const { at, through } = this.#asked
    if (!through) return this.#comesIn(at)
    if (!this.#comesIn(group)) return false
    const ofServer = this.#ofServer(at)
    return ofServer === null || ofServer.length > 0
  }

  allows(): boolean {
    const { at, through, kind, name: item, readOnly } = this.#asked
    if (!this.#reaches()) return false
    const opens = (rules: readonly RuleWire[] | null, called: string): boolean =>
      rules === null || rules.some((rule) => opensItem(rule, kind, called, readOnly))
    const placed = (rules: readonly RuleWire[]): readonly RuleWire[] | null =>
      rules.length === 0 ? null : rules
    const own = placed(this.#own(at))
    if (!opens(own, item) || !opens(this.#ofServer(at), item) || !passes(this.#definition(at), kind, item))
      return false
    if (!through) return true
    const shown = kind === 'tool' || kind === 'prompt' ? `${at}__${item}` : item
    if (!opens(this.#ofServer(group), shown) || !passes(this.#definition(group), kind, shown)) return false
    return opens(placed(this.#own(group)), shown)
  }
}

function fits(one: string, text: string): boolean {
  return new RegExp(`^${one.replaceAll('?', '\\?').replaceAll('*', '.*')}$`).test(text)
}

function opensItem(
  { tools, prompts, resources, readOnly = false }: RuleWire,
  kind: ItemKind,
  item: string,
  safe: boolean,
) {
  const list = kind === 'tool' ? tools : kind === 'prompt' ? prompts : resources
  if (kind === 'tool' && readOnly && !safe) return false
  return list === undefined || list.some((one) => fits(one, item))
}

function passes(
  { toolFilter }: { readonly toolFilter?: World['servers'][0]['toolFilter'] },
  kind: ItemKind,
  item: string,
) {
  if (kind !== 'tool' || toolFilter === undefined) return true
  return toolFilter.list.some((one) => one === item) === (toolFilter.mode === 'allow')
}
