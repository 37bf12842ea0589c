/** Which token of a caller is given for a server's, and for how long it is kept. */
import { describe, expect, test } from 'bun:test'
import { personPrincipal } from '../../../src/access/person.ts'
import { RuleBook } from '../../../src/access/rules.ts'
import { CallerTokens } from '../../../src/identity/oauth/caller-tokens.ts'

const issuer = 'https://id.example'
const isServer = (name: string): boolean => name === 'docs' || name === 'tracker'

function open(told: string[] = []) {
  const book = new RuleBook()
  book.take([], [issuer])
  const tokens = new CallerTokens((owner) => told.push(owner))
  const person = (subject: string, lifetimeMs = 60_000) =>
    personPrincipal({ issuer, subject, claims: {}, expiresAtMs: Date.now() + lifetimeMs }, book)
  const came = (token: string, subject: string, places: readonly string[], lifetimeMs?: number) =>
    tokens.came(token, person(subject, lifetimeMs), issuer, {
      everywhere: places.length === 0,
      places: new Set(places),
    })
  const ofAda = (server: string) => tokens.of(person('ada').id, server, isServer)?.token ?? null
  return { tokens, came, ofAda, book, person }
}

describe('the token that is given', () => {
  test.each<{ why: string; came: [token: string, places: string[]][]; server: string; given: string | null }>(
    [
      { why: 'the one for the server', came: [['a', ['docs']]], server: 'docs', given: 'a' },
      { why: 'none that is for another server', came: [['a', ['tracker']]], server: 'docs', given: null },
      { why: 'one for everything', came: [['a', []]], server: 'docs', given: 'a' },
      {
        why: 'one for a group, whose members are called with it',
        came: [['a', ['team']]],
        server: 'docs',
        given: 'a',
      },
      {
        why: 'the one for the server before any other',
        came: [
          ['a', ['docs']],
          ['b', ['team']],
        ],
        server: 'docs',
        given: 'a',
      },
      {
        why: 'of several the one that came last',
        came: [
          ['a', ['docs']],
          ['b', ['docs']],
          ['a', ['docs']],
        ],
        server: 'docs',
        given: 'a',
      },
    ],
  )('is $why', ({ came, server, given }) => {
    const opened = open()
    for (const [token, places] of came) opened.came(token, 'ada', places)
    expect(opened.ofAda(server)).toBe(given)
  })

  test('is nobody else’s', () => {
    const { came, ofAda } = open()
    came('b', 'bob', [])
    expect(ofAda('docs')).toBeNull()
  })
})

describe('a token counts no more', () => {
  test('when it has ended', () => {
    const { came, ofAda } = open()
    came('a', 'ada', [], -1)
    expect(ofAda('docs')).toBeNull()
  })

  test('when its issuer says so, also for whoever holds it already', () => {
    const { tokens, came, ofAda, person } = open()
    came('a', 'ada', [])
    const held = tokens.of(person('ada').id, 'docs', isServer)
    expect(held?.counts).toBe(true)
    tokens.refused('a')
    expect(held?.counts).toBe(false)
    expect(ofAda('docs')).toBeNull()
  })

  test('when its issuer is trusted no more', () => {
    const { came, ofAda, book } = open()
    came('a', 'ada', [])
    book.take([], [])
    expect(ofAda('docs')).toBeNull()
  })
})

test('of one person eight are kept, and of all no more than there is room for', () => {
  const { tokens, came, ofAda, person } = open()
  for (let at = 0; at < 20; at++) came(`t${at}`, 'ada', [`docs`])
  expect(ofAda('docs')).toBe('t19')
  tokens.refused('t12')
  for (let at = 13; at < 20; at++) tokens.refused(`t${at}`)
  expect(ofAda('docs')).toBeNull()
  const large = 'x'.repeat(1024 * 1024)
  for (let at = 0; at < 40; at++) came(`${at}${large}`, `user${at}`, [])
  expect(tokens.of(person('user0').id, 'docs', isServer)).toBeNull()
  expect(tokens.of(person('user39').id, 'docs', isServer)).not.toBeNull()
})

test('of what there is no room for nothing counts any more: nobody here would hear that it was taken back', () => {
  const { tokens, came, person } = open()
  const held = (subject: string) => tokens.of(person(subject).id, 'docs', isServer)
  came('first', 'ada', [])
  const first = held('ada')
  for (let at = 0; at < 8; at++) came(`t${at}`, 'ada', [])
  expect(first?.counts).toBe(false)
  const large = 'x'.repeat(1024 * 1024)
  const newest = held('ada')
  for (let at = 0; at < 40; at++) came(`${at}${large}`, `user${at}`, [])
  expect(newest?.counts).toBe(false)
})

test('whoever has waited for a new token of somebody is told once', () => {
  const told: string[] = []
  const { came } = open(told)
  for (const token of ['a', 'a', 'b', 'a']) came(token, 'ada', [])
  expect(told).toHaveLength(2)
})
