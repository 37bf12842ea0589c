/** What rules grant to people: who is named, what adds up, what must agree, and what a change does to what is open. */
import { describe, expect, test } from 'bun:test'
import { personPrincipal } from '../../src/access/person.ts'
import { type ItemFacts, type ItemKind, type RuledFields, reachOf } from '../../src/access/reach.ts'
import { RuleBook } from '../../src/access/rules.ts'
import { type AccessRule, type RuleWire, ruleOf } from '../../src/registry/access/rule-schema.ts'

const issuer = 'https://id.example'
const everything = ['tool', 'prompt', 'resource', 'template'] as const

interface Given {
  /** `auth.oauth.access`. */
  readonly rules?: readonly RuleWire[]
  /** `access` of the server. */
  readonly own?: readonly RuleWire[]
  readonly claims?: Readonly<Record<string, readonly string[]>>
  readonly issuers?: readonly string[]
}

const server = (name: string, own?: readonly RuleWire[]): RuledFields & { toolFilter: null } => ({
  name,
  toolFilter: null,
  access: own === undefined ? null : own.map(ruleOf),
})

function personUnder({ rules = [], own, claims = {}, issuers = [issuer] }: Given) {
  const book = new RuleBook()
  book.take(rules.map(ruleOf), issuers)
  const principal = personPrincipal({ issuer, subject: 'alice', claims, expiresAtMs: 1 }, book)
  if (principal.grants === null) throw new Error('a person has grants')
  return { book, principal, grants: principal.grants, docs: server('docs', own) }
}

const reaches = (given: Given): boolean => {
  const { grants, docs } = personUnder(given)
  return grants.server(docs, null).allowed
}

/** Whether a call is allowed; a server that is not there has nothing that could be called. */
function allows(given: Given, kind: ItemKind, name: string | null, facts: ItemFacts | null = null): boolean {
  const { grants, docs } = personUnder(given)
  return grants.server(docs, null).allowed && reachOf(grants, docs).allows(kind, name, facts)
}

test('the id of a person is of issuer and subject, 128 bits of it, and of nothing else', () => {
  const book = new RuleBook()
  const id = (of: string, subject: string, claims = {}) =>
    personPrincipal({ issuer: of, subject, claims, expiresAtMs: 1 }, book).id
  expect(id(issuer, 'alice')).toBe('oauth:ccce22fbce9a7c89795ec0ec6d38dafb')
  expect(id(issuer, 'alice', { groups: ['eng'] })).toBe(id(issuer, 'alice'))
  const others = [
    id(issuer, 'bob'),
    id(`${issuer}/`, 'alice'),
    id(`${issuer} a`, 'lice'),
    id(issuer, 'Alice'),
  ]
  expect(new Set([id(issuer, 'alice'), ...others]).size).toBe(5)
})

describe('a server is there', () => {
  const eng = { claims: { groups: ['eng'] } }
  test.each<{ why: string; given: Given; there: boolean }>([
    { why: 'no rule at all', given: {}, there: false },
    { why: 'a rule for everybody', given: { rules: [{ servers: ['docs'] }] }, there: true },
    { why: 'a rule for every server', given: { rules: [{ servers: ['*'] }] }, there: true },
    { why: 'a rule by pattern', given: { rules: [{ servers: ['do*'] }] }, there: true },
    { why: 'a rule for another server', given: { rules: [{ servers: ['files'] }] }, there: false },
    { why: 'a name that only looks alike', given: { rules: [{ servers: ['DOCS'] }] }, there: false },
    {
      why: 'a rule for the group',
      given: { rules: [{ who: eng, servers: ['*'] }], claims: { groups: ['x', 'eng'] } },
      there: true,
    },
    {
      why: 'a rule for another group',
      given: { rules: [{ who: eng, servers: ['*'] }], claims: { groups: ['ops'] } },
      there: false,
    },
    {
      why: 'a rule for a group, and none said',
      given: { rules: [{ who: eng, servers: ['*'] }] },
      there: false,
    },
    {
      why: 'a rule for a group and a scope, with both',
      given: {
        rules: [{ who: { claims: { groups: ['eng'], scopes: ['r'] } }, servers: ['*'] }],
        claims: { groups: ['eng'], scopes: ['r'] },
      },
      there: true,
    },
    {
      why: 'the same with one of them',
      given: {
        rules: [{ who: { claims: { groups: ['eng'], scopes: ['r'] } }, servers: ['*'] }],
        claims: { groups: ['eng'] },
      },
      there: false,
    },
    {
      why: 'the person by name',
      given: { rules: [{ who: { users: [`${issuer} alice`] }, servers: ['*'] }] },
      there: true,
    },
    {
      why: 'a namesake elsewhere',
      given: { rules: [{ who: { users: ['https://other.example alice'] }, servers: ['*'] }] },
      there: false,
    },
    {
      why: 'the subject alone, which another issuer could give',
      given: { rules: [{ who: { users: ['alice'] }, servers: ['*'] }] },
      there: false,
    },
    {
      why: 'the person by name, who is not in the group',
      given: { rules: [{ who: { users: [`${issuer} alice`], ...eng }, servers: ['*'] }] },
      there: false,
    },
    {
      why: 'rules add up',
      given: { rules: [{ who: eng, servers: ['docs'] }, { servers: ['do*'] }] },
      there: true,
    },
    { why: 'a rule of its own for everybody', given: { own: [{}] }, there: true },
    {
      why: 'a rule of its own for the group',
      given: { own: [{ who: eng }], claims: { groups: ['eng'] } },
      there: true,
    },
    { why: 'a rule of its own for another group', given: { own: [{ who: eng }] }, there: false },
    { why: 'a rule of its own for a key', given: { own: [{ who: { keys: ['ci'] } }] }, there: false },
    {
      why: 'a rule elsewhere gives nothing back',
      given: { rules: [{ servers: ['*'] }], own: [{ who: eng }] },
      there: false,
    },
    {
      why: 'its issuer counts no more',
      given: { rules: [{ servers: ['*'] }], own: [{}], issuers: [] },
      there: false,
    },
  ])('$why: $there', ({ given, there }) => {
    expect(reaches(given)).toBe(there)
  })
})

describe('what a server has', () => {
  const search: Given = { rules: [{ servers: ['docs'], tools: ['search_*', 'read'] }] }
  test.each<{
    why: string
    given: Given
    kind: ItemKind
    name: string | null
    facts?: ItemFacts
    allowed: boolean
  }>([
    { why: 'a tool by pattern', given: search, kind: 'tool', name: 'search_all', allowed: true },
    { why: 'a tool by name', given: search, kind: 'tool', name: 'read', allowed: true },
    { why: 'another tool', given: search, kind: 'tool', name: 'write', allowed: false },
    { why: 'a name that cannot be told', given: search, kind: 'tool', name: null, allowed: false },
    { why: 'what the rule says nothing of', given: search, kind: 'prompt', name: 'x', allowed: true },
    {
      why: 'a resource by pattern',
      given: { rules: [{ servers: ['*'], resources: ['file:///pub/*'] }] },
      kind: 'resource',
      name: 'file:///pub/a',
      allowed: true,
    },
    {
      why: 'another resource',
      given: { rules: [{ servers: ['*'], resources: ['file:///pub/*'] }] },
      kind: 'resource',
      name: 'file:///etc',
      allowed: false,
    },
    {
      why: 'a template is a resource',
      given: { rules: [{ servers: ['*'], resources: ['file:///pub/*'] }] },
      kind: 'template',
      name: 'file:///{x}',
      allowed: false,
    },
    {
      why: 'no tool at all',
      given: { rules: [{ servers: ['*'], tools: [] }] },
      kind: 'tool',
      name: 'x',
      allowed: false,
    },
    {
      why: 'a tool that says that it only reads',
      given: { rules: [{ servers: ['*'], readOnly: true }] },
      kind: 'tool',
      name: 'x',
      facts: { readOnly: true },
      allowed: true,
    },
    {
      why: 'one that says nothing',
      given: { rules: [{ servers: ['*'], readOnly: true }] },
      kind: 'tool',
      name: 'x',
      facts: { readOnly: false },
      allowed: false,
    },
    {
      why: 'one of which nothing is known',
      given: { rules: [{ servers: ['*'], readOnly: true }] },
      kind: 'tool',
      name: 'x',
      allowed: false,
    },
    {
      why: 'a prompt is never written to',
      given: { rules: [{ servers: ['*'], readOnly: true }] },
      kind: 'prompt',
      name: 'x',
      allowed: true,
    },
    {
      why: 'tools of two rules add up',
      given: {
        rules: [
          { servers: ['docs'], tools: ['a'] },
          { servers: ['docs'], tools: ['b'] },
        ],
      },
      kind: 'tool',
      name: 'b',
      allowed: true,
    },
    {
      why: 'rules in two places must agree',
      given: { rules: [{ servers: ['docs'], tools: ['a', 'b'] }], own: [{ tools: ['b', 'c'] }] },
      kind: 'tool',
      name: 'b',
      allowed: true,
    },
    {
      why: 'neither gives back what the other takes',
      given: { rules: [{ servers: ['docs'], tools: ['a', 'b'] }], own: [{ tools: ['b', 'c'] }] },
      kind: 'tool',
      name: 'c',
      allowed: false,
    },
  ])('$why: $allowed', ({ given, kind, name, facts, allowed }) => {
    expect(allows(given, kind, name, facts ?? null)).toBe(allowed)
  })

  test('is hidden in lists only where a rule could hide something', () => {
    const hidden = (given: Given) => {
      const { grants, docs } = personUnder(given)
      return everything.filter((kind) => reachOf(grants, docs).hides(kind))
    }
    expect(hidden({ rules: [{ servers: ['*'] }] })).toEqual([])
    expect(hidden({ rules: [{ servers: ['*'], tools: ['a'] }] })).toEqual(['tool'])
    expect(hidden({ rules: [{ servers: ['*'], tools: ['a'] }, { servers: ['docs'] }] })).toEqual([])
    expect(hidden({ rules: [{ servers: ['*'], readOnly: true, resources: [] }] })).toEqual([
      'tool',
      'resource',
      'template',
    ])
    expect(hidden({ rules: [{ servers: ['*'] }], own: [{ prompts: ['a'] }] })).toEqual(['prompt'])
  })
})

describe('through a group', () => {
  const group = server('team')
  test.each<{ why: string; rules: readonly RuleWire[]; own?: readonly RuleWire[]; there: boolean }>([
    {
      why: 'who may use the group may use what asks for nothing of its own',
      rules: [{ servers: ['team'] }],
      there: true,
    },
    { why: 'who may not', rules: [], there: false },
    {
      why: 'rules of the server itself hold',
      rules: [{ servers: ['team'] }],
      own: [{ who: { claims: { groups: ['x'] } } }],
      there: false,
    },
  ])('$why: $there', ({ rules, own, there }) => {
    const { grants, docs } = personUnder({ rules, ...(own === undefined ? {} : { own }) })
    expect(grants.server(docs, group).allowed).toBe(there)
  })

  test('what a rule says of a server in it holds there too', () => {
    const { grants, docs } = personUnder({
      rules: [{ servers: ['team'] }, { servers: ['docs'], tools: ['a'] }],
    })
    expect(grants.server(docs, group).allowed).toBe(true)
    expect(reachOf(grants, docs).allows('tool', 'b')).toBe(false)
  })
})

describe('a configuration that is read again', () => {
  test('counts at once for whoever is there', () => {
    const { book, grants, docs } = personUnder({ rules: [{ servers: ['docs'] }] })
    const reach = reachOf(grants, docs)
    expect(reach.allows('tool', 'b')).toBe(true)
    const narrowed: AccessRule[] = [ruleOf({ servers: ['docs'], tools: ['a'] })]
    book.take(narrowed, [issuer])
    expect([reach.hides('tool'), reach.allows('tool', 'a'), reach.allows('tool', 'b')]).toEqual([
      true,
      true,
      false,
    ])
    book.take([], [issuer])
    expect(grants.server(docs, null).allowed).toBe(false)
  })
})

describe('a scope that is missing', () => {
  const needs = (...scopes: string[]): RuleWire => ({ who: { claims: { scopes } }, servers: ['docs'] })
  test.each<{ why: string; given: Given; scopes: readonly string[] | null }>([
    {
      why: 'is named beside those that there are',
      given: { rules: [needs('docs')], claims: { scopes: ['mcp'] } },
      scopes: ['mcp', 'docs'],
    },
    { why: 'is one of several that would do', given: { rules: [needs('a', 'b')] }, scopes: ['a'] },
    {
      why: 'is found in rules of the server',
      given: { own: [{ who: { claims: { scopes: ['own'] } } }] },
      scopes: ['own'],
    },
    {
      why: 'is no use where a group is missing as well',
      given: { rules: [{ who: { claims: { scopes: ['a'], groups: ['eng'] } }, servers: ['docs'] }] },
      scopes: null,
    },
    {
      why: 'is no use where no rule names the server',
      given: { rules: [{ ...needs('a'), servers: ['files'] }] },
      scopes: null,
    },
    {
      why: 'is no use to people of another issuer',
      given: { rules: [needs('a')], issuers: [] },
      scopes: null,
    },
  ])('$why', ({ given, scopes }) => {
    const { grants, docs } = personUnder(given)
    expect(grants.scopesFor(docs)).toEqual(scopes as never)
  })
})

test('a decision names the rule, and the place that has none', () => {
  const { grants, docs } = personUnder({ rules: [{ servers: ['x'] }, { servers: ['docs'], tools: ['a'] }] })
  expect(grants.server(docs, null)).toEqual({ allowed: true, rule: 'auth.oauth.access[1]' })
  expect(grants.decide(docs, 'tool', 'a', null).rule).toBe('auth.oauth.access[1]')
  expect(grants.decide(docs, 'tool', 'b', null).rule).toBe('no rule of auth.oauth.access opens this tool')
  expect(grants.server(server('files'), null).rule).toBe('no rule names files for this caller')
  const owned = server('files', [{ who: { claims: { groups: ['x'] } } }])
  expect(grants.server(owned, null).rule).toBe('no rule of access of files names this caller')
})
