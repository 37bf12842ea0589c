/**
 * Whatever the rules are: what a list shows is what can be used, both are what a plain reading of the rules says, and
 * what one caller may use never hangs on what others may.
 */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { AccessDecider } from '../../src/access/decide.ts'
import { filteredAnswer, refusedItem } from '../../src/access/items.ts'
import { KeyGrants, keyPrincipal } from '../../src/access/key.ts'
import { personPrincipal } from '../../src/access/person.ts'
import type { Principal } from '../../src/access/principal.ts'
import { type ItemFacts, type ItemKind, type Reach, reachOf } from '../../src/access/reach.ts'
import { RuleBook } from '../../src/access/rules.ts'
import { TokenTable } from '../../src/access/tokens.ts'
import { scanMessage } from '../../src/protocol/jsonrpc.ts'
import { type RuleWire, ruleOf } from '../../src/registry/access/rule-schema.ts'
import type { ServerDefinition } from '../../src/registry/definition.ts'
import { parseDefinition } from '../../src/registry/definition-schema.ts'

const issuer = 'https://id.example'
const names = ['a', 'ab', 'b', 'ba', 'z'] as const
const kinds = ['tool', 'prompt', 'resource', 'template'] as const
const group = 'g'

const name = fc.constantFrom(...names)
/** Own names, shown names, and patterns of both. */
const pattern = fc.constantFrom(...names, '*', 'a*', '*b', 's1__a', 's1__*', 'A', 'a?')
const patterns = fc.option(fc.array(pattern, { maxLength: 3 }), { nil: undefined })
const server = fc.constantFrom('s1', 's2', group)
const who = fc.option(
  fc.record(
    {
      keys: fc.subarray(['k1', 'k2', 'first']),
      users: fc.subarray([`${issuer} p1`, 'u1']),
      claims: fc.constantFrom({ groups: ['x'] }, { groups: ['x', 'y'] }, { groups: ['y'], team: ['t'] }),
    },
    { requiredKeys: [] },
  ),
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
const personRule = fc
  .record({ who, ...withServers, ...opened })
  .map(({ who: named, ...rule }) =>
    defined({ ...rule, ...(named && { who: { users: named.users, claims: named.claims } }) }),
  )
const keyRule = fc.record({ ...withServers, ...opened }).map(defined)
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

const world = fc.record({
  people: fc.array(personRule, { maxLength: 4 }),
  keys: fc.tuple(fc.array(keyRule, { maxLength: 3 }), fc.array(keyRule, { maxLength: 3 })),
  servers: fc.tuple(definitionOf, definitionOf, definitionOf),
  asked: fc.record({
    who: fc.constantFrom('p1', 'p2', 'k1', 'k2'),
    at: fc.constantFrom('s1', 's2'),
    through: fc.boolean(),
    kind: fc.constantFrom(...kinds),
    name,
    readOnly: fc.boolean(),
  }),
})
type World = typeof world extends fc.Arbitrary<infer T> ? T : never

const claimsOf: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  p1: { groups: ['x'] },
  p2: { groups: ['y'], team: ['t'] },
}
const keyNames: Readonly<Record<string, { readonly name: string; readonly user: string | null }>> = {
  k1: { name: 'first', user: 'u1' },
  k2: { name: 'second', user: null },
}

/** What the rules say, read as a person would read them. */
class Reading {
  constructor(readonly world: World) {}

  get #asked() {
    return this.world.asked
  }

  get #isKey(): boolean {
    return this.#asked.who in keyNames
  }

  #own(at: string): readonly RuleWire[] {
    const { people, keys } = this.world
    const mine = this.#isKey
      ? keys[this.#asked.who === 'k1' ? 0 : 1]
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
    const key = keyNames[caller]
    if (key) {
      if (keys?.includes(caller) || keys?.includes(key.name)) return true
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

function definition(serverName: string, { access, toolFilter }: World['servers'][0]): ServerDefinition {
  const isGroup = serverName === group
  const wire = {
    name: serverName,
    ...(isGroup
      ? { transport: 'group', members: [{ all: true }] }
      : { transport: 'streamable-http', url: 'http://x' }),
    ...(access !== undefined && { access }),
    ...(toolFilter !== undefined && { toolFilter }),
  }
  const parsed = parseDefinition(wire, { now: new Date(0).toISOString() })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return parsed.definition
}

function callerIn({ people, keys, asked }: World): Principal {
  const { who: caller } = asked
  const key = keyNames[caller]
  if (!key) {
    const book = new RuleBook()
    book.take(people.map(ruleOf), [issuer])
    return personPrincipal({ issuer, subject: caller, claims: claimsOf[caller] ?? {}, expiresAtMs: 1 }, book)
  }
  const access = keys[caller === 'k1' ? 0 : 1].map(ruleOf)
  const facts = { id: caller, ...key, role: null, access }
  return keyPrincipal(facts, new KeyGrants({ facts, version: 0, endsAtMs: null, counts: true, limits: null }))
}

const listForm = {
  tool: ['tools/list', 'tools', 'name', 'tools/call', 'name'],
  prompt: ['prompts/list', 'prompts', 'name', 'prompts/get', 'name'],
  resource: ['resources/list', 'resources', 'uri', 'resources/read', 'uri'],
  template: ['resources/templates/list', 'resourceTemplates', 'uriTemplate', 'completion/complete', 'ref'],
} as const

/** Whether a list shows it to this reach, and a call of it goes through. */
function seenAndUsed(
  reach: Reach,
  kind: ItemKind,
  item: string,
  facts: ItemFacts,
): readonly [boolean, boolean] {
  const [list, member, key, method, param] = listForm[kind]
  const shown = { [key]: item, annotations: { readOnlyHint: facts.readOnly } }
  const answer = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { [member]: [shown] } })
  const seen = filteredAnswer(reach, list, answer).includes(JSON.stringify(shown))
  const named = param === 'ref' ? { type: 'ref/resource', uri: item } : item
  const message = scanMessage(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { [param]: named } }))
  if (message === null) throw new Error('no message')
  const refused = refusedItem(reach, message, { known: () => facts, reread: async () => facts })
  return [seen, refused === null]
}

function outcomeOf(given: World) {
  const { at, through, kind, name: item, readOnly } = given.asked
  const decider = new AccessDecider(new TokenTable([], 'client'))
  const [s1, s2, g] = given.servers
  const groupDefinition = definition(group, g)
  const target = definition(at, at === 's1' ? s1 : s2)
  const principal = callerIn(given)
  const comesIn = !through || decider.server(principal, groupDefinition).allowed
  const there = comesIn && decider.server(principal, target, through ? groupDefinition : null).allowed
  if (!there) return { visible: false, usable: false, decided: false }
  const facts = { readOnly }
  const [visible, usable] = seenAndUsed(reachOf(principal.grants, target), kind, item, facts)
  const shown = kind === 'tool' || kind === 'prompt' ? `${at}__${item}` : item
  const ofGroup = reachOf(principal.grants, groupDefinition)
  const left = !through || !ofGroup.hides(kind) || ofGroup.allows(kind, shown, facts)
  const decided = decider.decide(
    principal,
    target,
    kind,
    item,
    through ? groupDefinition : null,
    facts,
  ).allowed
  return { visible: visible && left, usable: usable && left, decided: decided && left }
}

test('what is visible is what is usable, and both are what the rules say', () => {
  let open = 0
  fc.assert(
    fc.property(world, (given) => {
      const allowed = new Reading(given).allows()
      if (allowed) open++
      expect(outcomeOf(given)).toEqual({ visible: allowed, usable: allowed, decided: allowed })
    }),
    { numRuns: 4_000 },
  )
  // Of worlds in which nothing is ever open it would hold, too.
  expect(open).toBeGreaterThan(200)
})

test('what one key opens never adds to another', () => {
  fc.assert(
    fc.property(world, fc.array(keyRule, { maxLength: 3 }), (given, rules) => {
      const asked = { ...given.asked, who: 'k1' as const }
      const [own] = given.keys
      const before = outcomeOf({ ...given, asked })
      expect(outcomeOf({ ...given, asked, keys: [own, [...rules, { servers: ['*'] }]] })).toEqual(before)
      expect(outcomeOf({ ...given, asked, people: [...given.people, { servers: ['*'] }] })).toEqual(before)
    }),
    { numRuns: 1_000 },
  )
})
