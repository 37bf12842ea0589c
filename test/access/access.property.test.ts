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
import { ruleOf } from '../../src/registry/access/rule-schema.ts'
import type { ServerDefinition } from '../../src/registry/definition.ts'
import { parseDefinition } from '../../src/registry/definition-schema.ts'
import { claimsOf, group, issuer, keyNames, keyRule, Reading, type World, world } from './reading.ts'

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
  const access = keys[caller === 'keyone11' ? 0 : 1].map(ruleOf)
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
      const asked = { ...given.asked, who: 'keyone11' as const }
      const [own] = given.keys
      const before = outcomeOf({ ...given, asked })
      expect(outcomeOf({ ...given, asked, keys: [own, [...rules, { servers: ['*'] }]] })).toEqual(before)
      expect(outcomeOf({ ...given, asked, people: [...given.people, { servers: ['*'] }] })).toEqual(before)
    }),
    { numRuns: 1_000 },
  )
})
