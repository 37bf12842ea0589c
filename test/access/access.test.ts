/** Who may use what: every principal at every kind of definition, and that what is visible is what is callable. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { AccessDecider } from '../../src/access/decide.ts'
import { filteredAnswer, isFiltered, refusedItem, unknownItem } from '../../src/access/items.ts'
import { anonymous, type Principal } from '../../src/access/principal.ts'
import { type Grants, type ItemKind, reachOf } from '../../src/access/reach.ts'
import { digestOf, TokenTable } from '../../src/access/tokens.ts'
import { GatewayError } from '../../src/errors.ts'
import { scanMessage } from '../../src/protocol/jsonrpc.ts'
import type { ServerDefinition } from '../../src/registry/definition.ts'
import { definitionOf } from '../registry/definitions.ts'

const server = (name: string, more: object = {}) =>
  definitionOf({ name, transport: 'stdio', command: 'x', ...more })
const group = (more: object = {}) =>
  definitionOf({ name: 'team', transport: 'group', members: [{ all: true }], ...more })

const definitions = {
  open: server('open'),
  own: server('own', { authTokens: ['own'] }),
  only: server('only', { authTokens: ['own'], authTokensOnly: true }),
  asks: server('asks', { requireAuth: true }),
}
const groups = { open: group(), own: group({ authTokens: ['group'] }) }
const tokens = { global: 'global', own: 'own', group: 'group', other: 'other', none: null } as const
type Who = keyof typeof tokens

const principals: Readonly<Record<Who, Principal>> = {
  none: anonymous,
  global: principalOf('global'),
  own: principalOf('own'),
  group: principalOf('group'),
  other: principalOf('other'),
}

function principalOf(token: string): Principal {
  const principal = new TokenTable([token], 'client').find(digestOf(token))
  if (principal === null) throw new Error('a token finds itself')
  return principal
}

const closed = new AccessDecider(new TokenTable(['global'], 'client'))
const open = new AccessDecider(new TokenTable([], 'client'))
const everybody: readonly Who[] = ['none', 'global', 'own', 'group', 'other']

describe('whether a server is there', () => {
  /** Who may use it: directly, through an open group, through a group with a token of its own. */
  test.each<{
    gateway: 'with global tokens' | 'without'
    definition: keyof typeof definitions
    direct: Who[]
    openGroup: Who[]
    ownGroup: Who[]
    why: string
  }>([
    {
      gateway: 'with global tokens',
      definition: 'open',
      direct: ['global'],
      openGroup: ['global'],
      ownGroup: ['global', 'group'],
      why: 'it asks for a global token, or for that of the group by which one came',
    },
    {
      gateway: 'with global tokens',
      definition: 'own',
      direct: ['global', 'own'],
      openGroup: ['global', 'own'],
      ownGroup: ['global', 'own'],
      why: 'its own door holds through a group as well',
    },
    {
      gateway: 'with global tokens',
      definition: 'only',
      direct: ['own'],
      openGroup: ['own'],
      ownGroup: ['own'],
      why: 'only its own tokens open it, wherever one comes from',
    },
    {
      gateway: 'with global tokens',
      definition: 'asks',
      direct: ['global'],
      openGroup: ['global'],
      ownGroup: ['global', 'group'],
      why: 'it asks for a token, as everything does here',
    },
    {
      gateway: 'without',
      definition: 'open',
      direct: ['none'],
      openGroup: everybody.slice(),
      ownGroup: everybody.slice(),
      why: 'it is there for all; whose token opens something else is nobody in particular here',
    },
    {
      gateway: 'without',
      definition: 'own',
      direct: ['own'],
      openGroup: ['own'],
      ownGroup: ['own'],
      why: 'its tokens open it, and nothing else does',
    },
    {
      gateway: 'without',
      definition: 'only',
      direct: ['own'],
      openGroup: ['own'],
      ownGroup: ['own'],
      why: 'the same',
    },
    {
      gateway: 'without',
      definition: 'asks',
      direct: [],
      openGroup: [],
      ownGroup: ['group'],
      why: 'it asks for a token, and the token of a group is one',
    },
  ])('$definition, $gateway: $why', ({ gateway, definition, direct, openGroup, ownGroup }) => {
    const decider = gateway === 'without' ? open : closed
    const who = (through: ServerDefinition | null): Who[] =>
      everybody.filter((name) => decider.server(principals[name], definitions[definition], through).allowed)
    expect({ direct: who(null), openGroup: who(groups.open), ownGroup: who(groups.own) }).toEqual({
      direct,
      openGroup,
      ownGroup,
    })
  })

  test('its door says the same of a token as of the principal that it makes', () => {
    for (const decider of [open, closed]) {
      for (const definition of Object.values(definitions)) {
        for (const token of Object.values(tokens)) {
          const door = decider.doorOf(definition)
          const asked = door.authenticate(token === null ? null : `Bearer ${token}`, decider.global)
          const admitted = !(asked instanceof GatewayError)
          if (admitted) expect(decider.server(asked, definition).allowed).toBe(true)
          else if (token !== null) expect(decider.server(principalOf(token), definition).allowed).toBe(false)
          else expect(decider.server(anonymous, definition).allowed).toBe(false)
        }
      }
    }
  })

  test.each<{ why: string; gateway: AccessDecider; group: ServerDefinition; who: Record<Who, string> }>([
    {
      why: 'servers’ tokens open a group that has none, for what they open',
      gateway: closed,
      group: groups.open,
      who: { none: '401', global: 'client', own: 'client', group: '401', other: '401' },
    },
    {
      why: 'they do not open a group that has tokens of its own',
      gateway: closed,
      group: groups.own,
      who: { none: '401', global: 'client', own: '401', group: 'client', other: '401' },
    },
    {
      why: 'an open group knows whose token it is shown',
      gateway: open,
      group: groups.open,
      who: { none: 'anonymous', global: 'anonymous', own: 'client', group: 'anonymous', other: 'anonymous' },
    },
    {
      why: 'a group that asks for a token takes those of its servers',
      gateway: open,
      group: group({ requireAuth: true }),
      who: { none: '401', global: '401', own: 'client', group: '401', other: '401' },
    },
  ])('$why', ({ gateway, group: definition, who }) => {
    const door = gateway.doorOf(definition)
    const guests = () => Object.values(definitions).map((fields) => gateway.doorOf(fields))
    const roles = Object.entries(tokens).map(([name, token]) => {
      const asked = door.authenticate(token === null ? null : `Bearer ${token}`, gateway.global, guests)
      if (asked instanceof GatewayError) return [name, '401']
      // What let somebody in keeps the session open.
      expect(door.admits(asked.id, gateway.global, guests)).toBe(true)
      return [name, asked.role]
    })
    expect(Object.fromEntries(roles)).toEqual(who)
    expect(door.isClosed(gateway.global, guests)).toBe(false)
  })

  test('an address is judged beside the token', () => {
    const here = server('here', { allowedIPs: ['10.0.0.0/8'] })
    const [inside, outside] = ['10.1.2.3', '192.0.2.1'] as never[]
    expect(open.keptOut(inside ?? null, [here, definitions.open])).toEqual([])
    expect(open.keptOut(outside ?? null, [here, definitions.open])).toEqual(['here'])
    expect(open.keptOut(null, [here])).toEqual(['here'])
  })

  test('a change of the global tokens counts at once, and is told', () => {
    const decider = new AccessDecider(new TokenTable(['global'], 'client'))
    const { version } = decider
    decider.reload(new TokenTable(['other'], 'client'))
    expect(decider.server(principals.global, definitions.open).allowed).toBe(false)
    expect(decider.server(principals.other, definitions.open).allowed).toBe(true)
    expect(decider.version).toBeGreaterThan(version)
  })
})

/** A server that has no tools. */
const noTools = { known: () => null, reread: async () => null }

/** Grants as keys will have them, of one pattern for each kind: a stand-in for the rules that are to come. */
function grantsOf(allowed: Partial<Record<ItemKind, readonly string[]>>, readOnly = false): Grants {
  return {
    endsAtMs: null,
    limits: null,
    counts: true,
    server: () => ({ allowed: true, rule: 'the key' }),
    scopesFor: () => null,
    hides: (_server, kind) => allowed[kind] !== undefined || (kind === 'tool' && readOnly),
    decide(_server, kind, name, facts) {
      const list = allowed[kind]
      const listed = list === undefined || (name !== null && list.includes(name))
      const safe = !readOnly || kind !== 'tool' || facts?.readOnly === true
      return {
        allowed: listed && safe,
        rule: listed ? (safe ? 'the key' : 'readOnly of the key') : 'not in the key',
      }
    },
  }
}

const filters = {
  none: server('none'),
  allow: server('allow', { toolFilter: { mode: 'allow', list: ['a'] } }),
  block: server('block', { toolFilter: { mode: 'block', list: ['a'] } }),
  nothing: server('nothing', { toolFilter: { mode: 'allow', list: [] } }),
}
const grants = {
  all: null,
  b: grantsOf({ tool: ['b'] }),
  ab: grantsOf({ tool: ['a', 'b'], prompt: ['a'] }),
  uris: grantsOf({ resource: ['x:a'], template: [] }),
  readOnly: grantsOf({}, true),
}

const listForms = {
  tool: { method: 'tools/list', list: 'tools', key: 'name' },
  prompt: { method: 'prompts/list', list: 'prompts', key: 'name' },
  resource: { method: 'resources/list', list: 'resources', key: 'uri' },
  template: { method: 'resources/templates/list', list: 'resourceTemplates', key: 'uriTemplate' },
} as const

/** What each kind is asked for with. */
function requestFor(kind: ItemKind, name: string): string {
  const text = JSON.stringify(name)
  switch (kind) {
    case 'tool':
      return `{"id":1,"method":"tools/call","params":{"name":${text}}}`
    case 'prompt':
      return `{"id":1,"method":"prompts/get","params":{"name":${text}}}`
    case 'resource':
      return `{"id":1,"method":"resources/read","params":{"uri":${text}}}`
    case 'template':
      return `{"id":1,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":${text}}}}`
  }
}

function messageOf(text: string) {
  const message = scanMessage(text)
  if (message === null) throw new Error(`no message: ${text}`)
  return message
}

const names: Readonly<Record<ItemKind, readonly string[]>> = {
  tool: ['a', 'b', 'c'],
  prompt: ['a', 'b', 'c'],
  resource: ['x:a', 'x:b', 'x:c'],
  template: ['x:{a}', 'x:{b}', 'x:{c}'],
}
const all = { tool: names.tool, prompt: names.prompt, resource: names.resource, template: names.template }

describe('what is visible is what is callable', () => {
  // 4 filters × 5 callers × 4 kinds × 3 names.
  test.each<{
    filter: keyof typeof filters
    caller: keyof typeof grants
    visible: Partial<Record<ItemKind, readonly string[]>>
    why: string
  }>([
    { filter: 'none', caller: 'all', visible: {}, why: 'nothing hides anything' },
    { filter: 'none', caller: 'b', visible: { tool: ['b'] }, why: 'the key names one tool' },
    { filter: 'none', caller: 'ab', visible: { tool: ['a', 'b'], prompt: ['a'] }, why: 'and another' },
    { filter: 'none', caller: 'uris', visible: { resource: ['x:a'], template: [] }, why: 'URIs are names' },
    { filter: 'none', caller: 'readOnly', visible: { tool: ['a'] }, why: 'a says that it changes nothing' },
    { filter: 'allow', caller: 'all', visible: { tool: ['a'] }, why: 'the filter names one tool' },
    { filter: 'allow', caller: 'b', visible: { tool: [] }, why: 'filter and key must both allow' },
    { filter: 'allow', caller: 'ab', visible: { tool: ['a'], prompt: ['a'] }, why: 'and here they do' },
    {
      filter: 'allow',
      caller: 'uris',
      visible: { tool: ['a'], resource: ['x:a'], template: [] },
      why: 'a filter is about tools',
    },
    { filter: 'allow', caller: 'readOnly', visible: { tool: ['a'] }, why: 'both allow a' },
    { filter: 'block', caller: 'all', visible: { tool: ['b', 'c'] }, why: 'all but one' },
    { filter: 'block', caller: 'b', visible: { tool: ['b'] }, why: 'of which the key names one' },
    { filter: 'block', caller: 'ab', visible: { tool: ['b'], prompt: ['a'] }, why: 'the other is blocked' },
    {
      filter: 'block',
      caller: 'uris',
      visible: { tool: ['b', 'c'], resource: ['x:a'], template: [] },
      why: 'each rule for itself',
    },
    { filter: 'block', caller: 'readOnly', visible: { tool: [] }, why: 'the only safe one is blocked' },
    { filter: 'nothing', caller: 'all', visible: { tool: [] }, why: 'an empty list allows nothing' },
    { filter: 'nothing', caller: 'b', visible: { tool: [] }, why: 'whatever the key says' },
    {
      filter: 'nothing',
      caller: 'ab',
      visible: { tool: [], prompt: ['a'] },
      why: 'prompts are not filtered',
    },
    {
      filter: 'nothing',
      caller: 'uris',
      visible: { tool: [], resource: ['x:a'], template: [] },
      why: 'the same',
    },
    { filter: 'nothing', caller: 'readOnly', visible: { tool: [] }, why: 'safe or not' },
  ])('filter $filter, caller $caller: $why', ({ filter, caller, visible }) => {
    const reach = reachOf(grants[caller], filters[filter])
    const expected = { ...all, ...visible }
    for (const kind of ['tool', 'prompt', 'resource', 'template'] as const) {
      const { method, list, key } = listForms[kind]
      const items = names[kind].map((name) => ({
        [key]: name,
        ...(kind === 'tool' && name === 'a' ? { annotations: { readOnlyHint: true } } : {}),
      }))
      const answer = `{"result":{"${list}":${JSON.stringify(items)},"nextCursor":"c"}}`
      const shown = JSON.parse(filteredAnswer(reach, method, answer)) as { result: Record<string, unknown[]> }
      const listed = (shown.result[list] ?? []).map((item) => Reflect.get(item as object, key))
      expect([kind, ...listed]).toEqual([kind, ...expected[kind]])
      expect(isFiltered(reach, method) || listed.length === 3).toBe(true)
      for (const name of names[kind]) {
        const facts = { readOnly: name === 'a' }
        const decision = reach.decide(kind, name, facts)
        const allowed = expected[kind].includes(name)
        expect([kind, name, decision.allowed]).toEqual([kind, name, allowed])
        expect(reach.allows(kind, name, facts)).toBe(allowed)
        expect(decision.rule).not.toBe('')
        // What a call tells is its name alone: a rule about a tool's own words lets none through unseen.
        const refused = refusedItem(reach, messageOf(requestFor(kind, name)), noTools)
        if (caller !== 'readOnly' || kind !== 'tool') expect(refused).toBe(allowed ? null : kind)
        else expect(refused).toBe('tool')
      }
    }
  })

  test('a filter holds in the same way for any list and any name', () => {
    const word = fc.oneof(fc.constantFrom('a', 'b', '__proto__', ''), fc.string({ maxLength: 5 }))
    fc.assert(
      fc.property(
        fc.constantFrom('allow', 'block'),
        fc.array(word, { maxLength: 4 }),
        fc.array(word, { maxLength: 4 }),
        (mode, list, tools) => {
          const reach = reachOf(null, server('any', { toolFilter: { mode, list } }))
          const answer = JSON.stringify({ id: 1, result: { tools: tools.map((name) => ({ name })) } })
          const shown = JSON.parse(filteredAnswer(reach, 'tools/list', answer)) as {
            result: { tools: { name: string }[] }
          }
          const callable = tools.filter(
            (name) => refusedItem(reach, messageOf(requestFor('tool', name)), noTools) === null,
          )
          expect(shown.result.tools.map(({ name }) => name)).toEqual(callable)
          expect(callable).toEqual(tools.filter((name) => list.includes(name) === (mode === 'allow')))
        },
      ),
    )
  })
})

describe('a request whose item cannot be told', () => {
  const reach = reachOf(
    grantsOf({ tool: ['a'], prompt: ['a'], resource: ['x:a'], template: ['x:{a}'] }),
    definitions.open,
  )

  test.each<{ why: string; text: string; refused: ItemKind | null }>([
    {
      why: 'two names',
      text: '{"id":1,"method":"tools/call","params":{"name":"a","name":"a"}}',
      refused: 'tool',
    },
    { why: 'no text', text: '{"id":1,"method":"tools/call","params":{"name":["a"]}}', refused: 'tool' },
    { why: 'no parameters', text: '{"id":1,"method":"tools/call"}', refused: 'tool' },
    {
      why: 'an escape is read',
      text: '{"id":1,"method":"tools/call","params":{"name":"\\u0061"}}',
      refused: null,
    },
    {
      why: 'a subscription',
      text: '{"id":1,"method":"resources/subscribe","params":{"uri":"x:b"}}',
      refused: 'resource',
    },
    {
      why: 'the end of a subscription',
      text: '{"id":1,"method":"resources/unsubscribe","params":{"uri":"x:b"}}',
      refused: 'resource',
    },
    {
      why: 'a completion of a prompt',
      text: '{"id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"b"}}}',
      refused: 'prompt',
    },
    {
      why: 'a completion of a template',
      text: '{"id":1,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"x:{a}"}}}',
      refused: null,
    },
    { why: 'a completion of nothing', text: '{"id":1,"method":"completion/complete"}', refused: 'template' },
    { why: 'a list is nothing of one item', text: '{"id":1,"method":"tools/list"}', refused: null },
  ])('$why', ({ text, refused }) => {
    expect(refusedItem(reach, messageOf(text), noTools)).toBe(refused)
    expect(refusedItem(reachOf(null, definitions.open), messageOf(text), noTools)).toBeNull()
  })

  test('is answered as by a server that has no such thing', () => {
    expect(unknownItem('tool', 'legacy')).toEqual({ code: -32602, message: 'Unknown tool' })
    expect(unknownItem('resource', 'legacy').code).toBe(-32002)
    expect(unknownItem('resource', 'modern').code).toBe(-32602)
  })

  test.each(['{"error":{}}', '{"result":{}}', '{"result":{"tools":[{"name"', ''])(
    'a list that is none stays as it is: %p',
    (text) => {
      expect(filteredAnswer(reach, 'tools/list', text)).toBe(text)
    },
  )
})

describe('the reason', () => {
  test.each<{ why: string; decision: ReturnType<AccessDecider['decide']>; says: string }>([
    {
      why: 'a token and no other rule',
      decision: closed.decide(principals.global, definitions.open, 'tool', 'a'),
      says: 'true: a token of auth.global_tokens; no rule hides it',
    },
    {
      why: 'a filter',
      decision: closed.decide(principals.global, filters.block, 'tool', 'a'),
      says: 'false: toolFilter of block (block) lists it',
    },
    {
      why: 'a filter that allows',
      decision: closed.decide(principals.global, filters.allow, 'tool', 'a'),
      says: 'true: a token of auth.global_tokens; toolFilter of allow (allow) lists it',
    },
    {
      why: 'a typing slip',
      decision: closed.decide(principals.global, filters.allow, 'tool', 'A'),
      says: 'false: toolFilter of allow (allow) does not list it',
    },
    {
      why: 'the wrong token comes before the filter',
      decision: closed.decide(principals.other, filters.allow, 'tool', 'A'),
      says: 'false: no token of auth.global_tokens',
    },
    {
      why: 'a server as a whole',
      decision: closed.decide(principals.own, definitions.only, 'server', null),
      says: 'true: a token of authTokens of the server',
    },
    {
      why: 'through a group',
      decision: closed.decide(principals.group, definitions.open, 'server', null, groups.own),
      says: 'true: a token of authTokens of the group',
    },
    {
      why: 'a token where none exists',
      decision: open.decide(anonymous, definitions.asks, 'prompt', 'a'),
      says: 'false: the server asks for a token (requireAuth), and none is configured',
    },
    {
      why: 'the key',
      decision: closed.decide({ ...principals.global, grants: grants.b }, definitions.open, 'tool', 'a'),
      says: 'false: not in the key',
    },
  ])('$why', ({ decision, says }) => {
    expect(`${decision.allowed}: ${decision.rule}`).toBe(says)
  })
})

test('a decision about a call takes next to no time', () => {
  const message = messageOf(requestFor('tool', 'a'))
  /** Of the quickest round: what else the machine does only makes rounds slower. */
  const timeUs = (definition: ServerDefinition, rounds = 20, runs = 10_000): number => {
    const times = Array.from({ length: rounds }, () => {
      const begun = performance.now()
      for (let run = 0; run < runs; run++) void refusedItem(reachOf(null, definition), message, noTools)
      return ((performance.now() - begun) * 1_000) / runs
    })
    return Math.min(...times)
  }
  expect(timeUs(definitions.open)).toBeLessThan(0.5)
  expect(timeUs(filters.allow)).toBeLessThan(5)
})
