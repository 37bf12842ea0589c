/** What keys grant: who is named, what adds up, what must agree, what a change does; and that no two keys ever add up. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { AccessDecider } from '../../src/access/decide.ts'
import { type HeldKey, type KeyFacts, KeyGrants, keyPrincipal } from '../../src/access/key.ts'
import { type ItemFacts, type ItemKind, reachOf } from '../../src/access/reach.ts'
import { TokenTable } from '../../src/access/tokens.ts'
import { type RuleWire, ruleOf } from '../../src/registry/access/rule-schema.ts'
import type { ServerDefinition } from '../../src/registry/definition.ts'
import { everythingGroup, parseDefinition } from '../../src/registry/definition-schema.ts'

function definition(name: string, more: object = {}): ServerDefinition {
  const parsed = parseDefinition({ name, transport: 'stdio', command: 'x', ...more }, { now: '' })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return parsed.definition
}
const group = (name: string, more: object = {}): ServerDefinition =>
  definition(name, { transport: 'group', command: undefined, members: [{ all: true }], ...more })

interface Mutable extends HeldKey {
  facts: KeyFacts
  version: number
  counts: boolean
}

function keyWith(access: readonly RuleWire[], more: Partial<KeyFacts> = {}) {
  const facts = {
    id: 'abcdefgh',
    name: 'ci',
    user: 'svc-ci',
    role: null,
    access: access.map(ruleOf),
    ...more,
  }
  const held: Mutable = { facts, version: 0, endsAtMs: null, counts: true, limits: null }
  return { held, principal: keyPrincipal(facts, new KeyGrants(held)) }
}

const decider = new AccessDecider(new TokenTable([], 'client'))
const readOnly: ItemFacts = { readOnly: true }

test('a principal has the id of its key, its name and its user; one of the admin API another one', () => {
  const { id, shown, name, user, role } = keyWith([]).principal
  expect({ id, shown, name, user, role }).toEqual({
    id: 'key:abcdefgh',
    shown: 'key:abcdefgh',
    name: 'ci',
    user: 'svc-ci',
    role: 'client',
  })
  const admin = keyWith([], { role: 'viewer', user: null }).principal
  expect([admin.id, admin.role, 'user' in admin]).toEqual(['admin:abcdefgh', 'viewer', false])
})

interface Row {
  readonly why: string
  readonly access: readonly RuleWire[]
  readonly own?: object
  readonly rule: string
  readonly there: boolean
}

describe('a server is there', () => {
  const byName = { access: [{ who: { keys: ['ci'] } }] }
  test.each<Row>([
    { why: 'nothing named', access: [], there: false, rule: 'no rule of key ci names docs' },
    {
      why: 'another server',
      access: [{ servers: ['files'] }],
      there: false,
      rule: 'no rule of key ci names docs',
    },
    { why: 'an empty list', access: [{ servers: [] }], there: false, rule: 'no rule of key ci names docs' },
    { why: 'named', access: [{ servers: ['docs'] }], there: true, rule: 'access[0] of key ci' },
    {
      why: 'by pattern',
      access: [{ servers: ['x'] }, { servers: ['do*'] }],
      there: true,
      rule: 'access[1] of key ci',
    },
    {
      why: 'in capitals',
      access: [{ servers: ['DOCS'] }],
      there: false,
      rule: 'no rule of key ci names docs',
    },
    {
      why: 'named, and by the server by name',
      access: [{ servers: ['docs'] }],
      own: byName,
      there: true,
      rule: 'access[0] of key ci and access[0] of docs',
    },
    {
      why: 'named, and by the server by id',
      access: [{ servers: ['docs'] }],
      own: { access: [{ who: { keys: ['abcdefgh'] } }] },
      there: true,
      rule: 'access[0] of key ci and access[0] of docs',
    },
    {
      why: 'named, and by the server by user',
      access: [{ servers: ['docs'] }],
      own: { access: [{ who: { users: ['svc-ci'] } }] },
      there: true,
      rule: 'access[0] of key ci and access[0] of docs',
    },
    {
      why: 'named, and the server is for everybody',
      access: [{ servers: ['docs'] }],
      own: { access: [{}] },
      there: true,
      rule: 'access[0] of key ci and access[0] of docs',
    },
    {
      why: 'named, and the server names another key',
      access: [{ servers: ['docs'] }],
      own: { access: [{ who: { keys: ['cd'] } }] },
      there: false,
      rule: 'no rule of access of docs names this caller',
    },
    {
      why: 'named, and the server names a claim, which no key has',
      access: [{ servers: ['docs'] }],
      own: { access: [{ who: { users: ['svc-ci'], claims: { groups: ['eng'] } } }] },
      there: false,
      rule: 'no rule of access of docs names this caller',
    },
    {
      why: 'named by the server alone',
      access: [{ servers: ['files'] }],
      own: byName,
      there: false,
      rule: 'no rule of key ci names docs',
    },
    {
      why: 'a server for tokens of its own alone',
      access: [{ servers: ['docs'] }],
      own: { authTokens: ['t'], authTokensOnly: true },
      there: false,
      rule: 'no token of authTokens of the server',
    },
  ])('$why: $there', ({ access, own, there, rule }) => {
    const { principal } = keyWith(access)
    expect(decider.server(principal, definition('docs', own))).toEqual({ allowed: there, rule })
  })
})

describe('through a group', () => {
  const docs = definition('docs')
  const guarded = definition('docs', { access: [{ who: { keys: ['cd'] } }] })
  const naming = definition('docs', { access: [{ who: { keys: ['ci'] } }] })
  const team = group('team')
  test.each<{
    why: string
    access: RuleWire[]
    server: ServerDefinition
    by: ServerDefinition
    there: boolean
  }>([
    { why: 'a member without rules', access: [{ servers: ['team'] }], server: docs, by: team, there: true },
    {
      why: 'one that names another key',
      access: [{ servers: ['team'] }],
      server: guarded,
      by: team,
      there: false,
    },
    { why: 'one that names the key', access: [{ servers: ['team'] }], server: naming, by: team, there: true },
    {
      why: 'a group that the key does not name',
      access: [{ servers: ['x'] }],
      server: docs,
      by: team,
      there: false,
    },
    {
      why: 'a member that it names itself',
      access: [{ servers: ['docs'] }],
      server: docs,
      by: team,
      there: true,
    },
    {
      why: 'a group that names another key',
      access: [{ servers: ['team'] }],
      server: docs,
      by: group('team', { access: [{ who: { keys: ['cd'] } }] }),
      there: false,
    },
    {
      why: 'that of everything',
      access: [{ servers: ['docs'] }],
      server: docs,
      by: everythingGroup,
      there: true,
    },
    {
      why: 'that of everything opens no server that the key does not name, whatever it is called',
      access: [{ servers: ['mcp'] }],
      server: docs,
      by: everythingGroup,
      there: false,
    },
  ])('$why: $there', ({ access, server, by, there }) => {
    expect(decider.server(keyWith(access).principal, server, by).allowed).toBe(there)
  })

  test('the group does not make the server reachable by its own endpoint', () => {
    expect(decider.server(keyWith([{ servers: ['team'] }]).principal, docs).allowed).toBe(false)
  })

  test('where all servers are together rules count for each of them, and for no name that is shown there', () => {
    const { principal } = keyWith([{ servers: ['*'], tools: ['search_*'], readOnly: true }])
    const reach = reachOf(principal.grants, everythingGroup)
    expect([reach.hides('tool'), reach.allows('tool', 'docs__search_x')]).toEqual([false, true])
  })
})

describe('what a server has', () => {
  const search = [
    { servers: ['docs'], tools: ['search_*'], prompts: [] },
    { servers: ['docs'], tools: ['read'], readOnly: true },
  ]
  test.each<{
    why: string
    access?: RuleWire[]
    own?: object
    kind?: ItemKind
    name: string | null
    facts?: ItemFacts
    rule: string
    open: boolean
  }>([
    { why: 'a tool by pattern', name: 'search_x', rule: 'access[0] of key ci', open: true },
    {
      why: 'a tool that no rule names',
      name: 'write',
      rule: 'no rule of key ci opens this tool',
      open: false,
    },
    {
      why: 'one that says that it only reads',
      name: 'read',
      facts: readOnly,
      rule: 'access[1] of key ci',
      open: true,
    },
    {
      why: 'one that does not say so',
      name: 'read',
      facts: { readOnly: false },
      rule: 'access[1] of key ci opens only tools that say readOnlyHint: true',
      open: false,
    },
    { why: 'a name that cannot be told', name: null, rule: 'no rule of key ci opens this tool', open: false },
    {
      why: 'prompts of none, of which the other rule says nothing',
      kind: 'prompt',
      name: 'p',
      rule: 'access[1] of key ci',
      open: true,
    },
    {
      why: 'prompts of none',
      access: [{ servers: ['docs'], prompts: [] }],
      kind: 'prompt',
      name: 'p',
      rule: 'no rule of key ci opens this prompt',
      open: false,
    },
    {
      why: 'a resource by pattern',
      access: [{ servers: ['docs'], resources: ['docs://a/*'] }],
      kind: 'resource',
      name: 'docs://a/1',
      rule: 'access[0] of key ci',
      open: true,
    },
    {
      why: 'a resource whose server would climb out of it',
      access: [{ servers: ['docs'], resources: ['docs://a/*'] }],
      kind: 'resource',
      name: 'docs://a/../b/1',
      rule: 'no rule of key ci opens this resource',
      open: false,
    },
    {
      why: 'one that climbs, and is named as it is',
      access: [{ servers: ['docs'], resources: ['docs://a/../b/1'] }],
      kind: 'resource',
      name: 'docs://a/../b/1',
      rule: 'access[0] of key ci',
      open: true,
    },
    {
      why: 'one that climbs, where all are open',
      access: [{ servers: ['docs'], resources: ['*'] }],
      kind: 'resource',
      name: 'docs://a/../b/1',
      rule: 'access[0] of key ci',
      open: true,
    },
    {
      why: 'one with dots that climb nowhere',
      access: [{ servers: ['docs'], resources: ['docs://a/*'] }],
      kind: 'resource',
      name: 'docs://a/v1..v2/..x/y../...',
      rule: 'access[0] of key ci',
      open: true,
    },
    {
      why: 'a template outside of it',
      access: [{ servers: ['docs'], resources: ['docs://a/*'] }],
      kind: 'template',
      name: 'docs://b/{x}',
      rule: 'no rule of key ci opens this template',
      open: false,
    },
    {
      why: 'what the server narrows',
      own: { access: [{ who: { keys: ['ci'] }, tools: ['search_a'] }] },
      name: 'search_b',
      rule: 'no rule of access of docs opens this tool',
      open: false,
    },
    {
      why: 'a server whose rules are an empty list',
      own: { access: [] },
      name: 'search_x',
      rule: 'no rule of access of docs opens this tool',
      open: false,
    },
    {
      why: 'what both open',
      own: { access: [{ who: { keys: ['cd'] } }, { who: { keys: ['ci'] }, tools: ['search_a'] }] },
      name: 'search_a',
      rule: 'access[0] of key ci and access[1] of docs',
      open: true,
    },
    {
      why: 'what a rule for another key would open',
      own: { access: [{ who: { keys: ['cd'] } }, { who: { keys: ['ci'] }, tools: ['search_a'] }] },
      name: 'search_b',
      rule: 'no rule of access of docs opens this tool',
      open: false,
    },
    {
      why: 'what the filter hides',
      own: { toolFilter: { mode: 'block', list: ['search_x'] } },
      name: 'search_x',
      rule: 'toolFilter of docs (block) lists it',
      open: false,
    },
  ])('$why: $open', ({ access = search, own, kind = 'tool', name, facts = null, rule, open }) => {
    const reach = reachOf(keyWith(access).principal.grants, definition('docs', own))
    expect(reach.decide(kind, name, facts)).toEqual({ allowed: open, rule })
    expect(reach.allows(kind, name, facts)).toBe(open)
  })
})

test.each([
  '..',
  '../',
  '%2e%2e/',
  '.%2E/',
  '%252e%252e/',
  '%25252e./',
  '..%2f',
  '..%5C',
  '..\\',
  '.\t./',
  '.\r\n./',
  '..;x/',
  '?path=../',
  '#../',
  '%25252525252525252e/',
])('a URI that climbs fits no pattern, however it is written: %j', (upwards) => {
  const reach = reachOf(
    keyWith([{ servers: ['docs'], resources: ['docs://a/*'] }]).principal.grants,
    definition('docs'),
  )
  expect(reach.allows('resource', `docs://a/${upwards}`)).toBe(false)
  expect(reach.allows('resource', `docs://a/x/${upwards}`)).toBe(false)
})

test('a key that is changed grants what it says now, to whoever holds its grants', () => {
  const { held, principal } = keyWith([{ servers: ['docs'], tools: ['a'] }])
  const docs = definition('docs')
  const reach = reachOf(principal.grants, docs)
  expect([reach.allows('tool', 'a'), reach.allows('tool', 'b')]).toEqual([true, false])
  held.facts = { ...held.facts, access: [ruleOf({ servers: ['docs'], tools: ['b'] })] }
  held.version++
  expect([reach.allows('tool', 'a'), reach.allows('tool', 'b')]).toEqual([false, true])
  held.facts = { ...held.facts, access: [] }
  held.version++
  expect(decider.server(principal, docs).allowed).toBe(false)
})

describe('for any rules', () => {
  const names = ['a', 'b', 'ab', 'docs', 'files'] as const
  const some = fc.subarray(['a', 'b', 'a*', '*b', '*', 'docs'], { minLength: 0 })
  const anyRule: fc.Arbitrary<RuleWire> = fc.record(
    { servers: some, tools: some, prompts: some, resources: some, readOnly: fc.boolean() },
    { requiredKeys: ['servers'] },
  )
  const anyRules = fc.array(anyRule, { maxLength: 4 })
  const anyWho = fc.option(fc.record({ keys: fc.subarray(['one', 'two'], { minLength: 1 }) }), {
    nil: undefined,
  })
  const anyOwn = fc.option(
    fc.array(fc.record({ who: anyWho, tools: some, readOnly: fc.boolean() }, { requiredKeys: [] }), {
      maxLength: 3,
    }),
    { nil: undefined },
  )
  const anyItem = fc.record({
    kind: fc.constantFrom<ItemKind>('tool', 'prompt', 'resource', 'template'),
    name: fc.constantFrom(...names),
    facts: fc.constantFrom<ItemFacts | null>(null, readOnly, { readOnly: false }),
  })

  test('two keys never add up: what is open to one key is opened by its own rules and by one for it', () => {
    fc.assert(
      fc.property(anyRules, anyRules, anyOwn, anyItem, (one, two, own, { kind, name, facts }) => {
        const docs = definition('docs', own === undefined ? {} : { access: JSON.parse(JSON.stringify(own)) })
        const open = (rules: readonly RuleWire[], who: string, server = docs): boolean => {
          const { principal } = keyWith(rules, { name: who, id: `${who}-----`.slice(0, 8), user: null })
          return (
            decider.server(principal, server).allowed &&
            reachOf(principal.grants, server).allows(kind, name, facts)
          )
        }
        const both = open([...one, ...two], 'one')
        // More rules open more, and never less; another key's rules are none of them.
        if (open(one, 'one')) expect(both).toBe(true)
        expect(open(one, 'one')).toBe(one.some((rule) => open([rule], 'one')))
        // The server only ever takes away.
        if (open(one, 'one')) expect(open(one, 'one', definition('docs'))).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })

  test('what is decided is what is allowed, and hides is false only where all is', () => {
    fc.assert(
      fc.property(anyRules, anyOwn, anyItem, (rules, own, { kind, name, facts }) => {
        const docs = definition('docs', own === undefined ? {} : { access: JSON.parse(JSON.stringify(own)) })
        const { principal } = keyWith(rules, { name: 'one' })
        const reach = reachOf(principal.grants, docs)
        expect(reach.decide(kind, name, facts).allowed).toBe(reach.allows(kind, name, facts))
        if (!reach.hides(kind)) expect(reach.allows(kind, name, facts)).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })
})
