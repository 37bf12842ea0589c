/** Which cookies go back to a server. */
import { describe, expect, test } from 'bun:test'
import { type Cookies, cookieHeader, cookiesAfter } from '../../src/net/cookies.ts'

const none: Cookies = new Map()
const nowMs = Date.parse('2026-01-01T00:00:00Z')

describe('an answer with Set-Cookie', () => {
  test.each<{ why: string; before?: Record<string, string>; said: string; after: string | undefined }>([
    { why: 'sets one', said: 'a=1', after: 'a=1' },
    { why: 'attributes stay here', said: 'a=1; Path=/; HttpOnly; Secure; SameSite=Lax', after: 'a=1' },
    {
      why: 'several, joined by commas as headers are, with a date in one',
      said: 'a=1; Expires=Thu, 01 Jan 2099 00:00:00 GMT; Path=/, b=x=y',
      after: 'a=1; b=x=y',
    },
    { why: 'replaces', before: { a: '1', b: '2' }, said: 'a=3', after: 'b=2; a=3' },
    { why: 'takes back by age', before: { a: '1', b: '2' }, said: 'a=; Max-Age=0', after: 'b=2' },
    {
      why: 'takes back by date',
      before: { a: '1' },
      said: 'a=; expires=Thu, 01 Jan 1970 00:00:00 GMT',
      after: undefined,
    },
    {
      why: 'age wins over date',
      said: 'a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60',
      after: 'a=1',
    },
    { why: 'no name', said: '=1', after: undefined },
    { why: 'no pair', said: 'a', after: undefined },
    { why: 'what would make a header of its own', said: 'a=1\r\nx: y', after: undefined },
    { why: 'what a header cannot carry', said: 'a=\u20ac', after: undefined },
    { why: 'too large for all of them', said: `a=${'x'.repeat(9_000)}`, after: undefined },
  ])('$why', ({ before, said, after }) => {
    const cookies = cookiesAfter(new Map(Object.entries(before ?? {})), said, nowMs)
    expect(cookieHeader(undefined, cookies)).toBe(after)
  })

  test('that changes nothing gives the same object', () => {
    const cookies = cookiesAfter(none, 'a=1', nowMs)
    expect(cookiesAfter(cookies, 'a=1; Path=/', nowMs)).toBe(cookies)
    expect(cookiesAfter(none, 'b=; Max-Age=0', nowMs)).toBe(none)
  })

  test('keeps the newest within a bound on their number and on their characters', () => {
    let cookies = none
    for (let n = 0; n < 1_000; n++) cookies = cookiesAfter(cookies, `c${n}=${'x'.repeat(n % 600)}`, nowMs)
    expect(cookies.size).toBeLessThanOrEqual(32)
    expect((cookieHeader(undefined, cookies) ?? '').length).toBeLessThan(8 * 1024 + 200)
    expect(cookies.has('c999')).toBe(true)
    expect(cookies.has('c0')).toBe(false)
  })
})

test('cookies stand behind those that the definition sends itself, and never in their place', () => {
  const cookies: Cookies = new Map([
    ['a', '1'],
    ['b', '2'],
  ])
  expect(cookieHeader('b=own; c=3', cookies)).toBe('b=own; c=3; a=1')
  expect(cookieHeader('b=own', none)).toBe('b=own')
})
