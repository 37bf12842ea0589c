/** How seldom an issuer is asked for its keys, and how long they count. */
import { describe, expect, test } from 'bun:test'
import { KeySet } from '../../../src/identity/oauth/key-set.ts'
import { issuerKey } from '../../support/issuer.ts'

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
const one = await issuerKey('ES256', 'one')
const two = await issuerKey('ES256', 'two')
const { jwk: rsa } = await issuerKey('RS256', 'one')
const { jwk: ed } = await issuerKey('Ed25519', 'one')

function keySet(published: { keys: unknown[]; fails?: boolean }) {
  let nowMs = 0
  const loads: number[] = []
  const failures: string[] = []
  let withdrawals = 0
  const set = new KeySet({
    load: async () => {
      loads.push(nowMs)
      if (published.fails === true) throw new Error('the issuer is away')
      return JSON.stringify({ keys: published.keys })
    },
    failed: (reason) => void failures.push(reason),
    withdrawn: () => void withdrawals++,
    nowMs: () => nowMs,
  })
  return {
    find: async (id: string | null, algorithm = 'ES256') => (await set.find(algorithm, id)).length,
    pass: (ms: number) => {
      nowMs += ms
    },
    /** Lets what nobody waits for come to its end. */
    settle: () => Bun.sleep(0),
    loads,
    failures,
    withdrawals: () => withdrawals,
  }
}

describe('an issuer is asked', () => {
  test('once, for all tokens of keys that are known', async () => {
    const keys = keySet({ keys: [one.jwk] })
    for (let n = 0; n < 100; n++) expect(await keys.find('one')).toBe(1)
    expect(keys.loads).toHaveLength(1)
  })

  test('once, for all who ask at the same time', async () => {
    const keys = keySet({ keys: [one.jwk] })
    const found = await Promise.all(Array.from({ length: 100 }, () => keys.find('one')))
    expect(new Set(found)).toEqual(new Set([1]))
    expect(keys.loads).toHaveLength(1)
  })

  test('once in 30 s, for however many keys that nobody has', async () => {
    const keys = keySet({ keys: [one.jwk] })
    await keys.find('one')
    for (let n = 0; n < 10_000; n++) await keys.find(`random-${n}`)
    expect(keys.loads).toHaveLength(1)
    keys.pass(30_000)
    await Promise.all(Array.from({ length: 100 }, (_, n) => keys.find(`other-${n}`)))
    expect(keys.loads).toHaveLength(2)
  })

  test('for a key that is new, once 30 s have passed since the last time', async () => {
    const published = { keys: [one.jwk] }
    const keys = keySet(published)
    expect(await keys.find('one')).toBe(1)
    published.keys = [one.jwk, two.jwk]
    keys.pass(29_999)
    expect(await keys.find('two')).toBe(0)
    keys.pass(1)
    expect(await keys.find('two')).toBe(1)
  })

  test('anew after ten minutes, while nobody waits', async () => {
    const keys = keySet({ keys: [one.jwk] })
    await keys.find('one')
    keys.pass(10 * minuteMs + 1)
    expect(await keys.find('one')).toBe(1)
    await keys.settle()
    expect(keys.loads).toHaveLength(2)
  })

  test('once in 30 s when it does not answer', async () => {
    const keys = keySet({ keys: [], fails: true })
    for (let n = 0; n < 100; n++)
      await expect(keys.find('one')).rejects.toMatchObject({ code: 'ISSUER_UNAVAILABLE' })
    expect(keys.loads).toHaveLength(1)
    expect(keys.failures).toEqual(['the issuer is away'])
  })
})

describe('keys', () => {
  test('count for a day when the issuer is away, and no longer', async () => {
    const published = { keys: [one.jwk], fails: false }
    const keys = keySet(published)
    await keys.find('one')
    published.fails = true
    for (let hour = 1; hour < 24; hour++) {
      keys.pass(60 * minuteMs)
      expect(await keys.find('one')).toBe(1)
    }
    await keys.settle()
    keys.pass(60 * minuteMs + 1)
    await expect(keys.find('one')).rejects.toMatchObject({
      code: 'ISSUER_UNAVAILABLE',
      retryAfterSeconds: 30,
    })
    published.fails = false
    keys.pass(dayMs)
    expect(await keys.find('one')).toBe(1)
  })

  test('that nobody knows are not refused while the issuer is away: it may have new ones', async () => {
    const published = { keys: [one.jwk], fails: false }
    const keys = keySet(published)
    await keys.find('one')
    published.fails = true
    keys.pass(30_000)
    await expect(keys.find('two')).rejects.toMatchObject({ code: 'ISSUER_UNAVAILABLE' })
    expect(await keys.find('one')).toBe(1)
  })

  test('that are gone are told of, once; new ones are not', async () => {
    const published = { keys: [one.jwk] }
    const keys = keySet(published)
    await keys.find('one')
    published.keys = [one.jwk, two.jwk]
    keys.pass(30_000)
    await keys.find('two')
    expect(keys.withdrawals()).toBe(0)
    published.keys = [two.jwk]
    keys.pass(30_000)
    await keys.find('three')
    expect(keys.withdrawals()).toBe(1)
    expect(await keys.find('one')).toBe(0)
  })

  test('that a token does not name are tried, up to eight', async () => {
    const many = await Promise.all(Array.from({ length: 12 }, () => issuerKey()))
    expect(await keySet({ keys: [one.jwk, two.jwk] }).find(null)).toBe(2)
    expect(await keySet({ keys: many.map(({ jwk }) => jwk) }).find(null)).toBe(8)
  })

  test.each([
    { why: 'is for encryption', jwk: { ...one.jwk, use: 'enc' } },
    { why: 'is for signing', jwk: { ...one.jwk, key_ops: ['sign'] } },
    { why: 'is of another algorithm', jwk: { ...one.jwk, alg: 'ES384' } },
    { why: 'is of another kind', jwk: rsa },
    { why: 'is on another curve', jwk: ed },
    {
      why: 'is a secret, which a token could be signed with by anybody who reads it',
      jwk: { kty: 'oct', k: 'AAAA', kid: 'one' },
    },
    { why: 'cannot be read', jwk: { ...one.jwk, x: 'AA' } },
    { why: 'has another name', jwk: { ...one.jwk, kid: 'ONE' } },
    { why: 'is no map', jwk: 'one' },
  ])('are passed over when one $why', async ({ jwk }) => {
    expect(await keySet({ keys: [jwk, two.jwk] }).find('one')).toBe(0)
  })

  test.each(['RS256', 'PS512'])('of RSA verify %s', async (algorithm) => {
    expect(await keySet({ keys: [rsa] }).find('one', algorithm)).toBe(1)
  })

  test.each(['EdDSA', 'Ed25519'])('on Ed25519 verify %s', async (algorithm) => {
    expect(await keySet({ keys: [ed] }).find('one', algorithm)).toBe(1)
  })

  test.each(['{}', '[]', '{"keys":{}}', 'x', ''])('are none in %p', async (text) => {
    const set = new KeySet({ load: async () => text, failed() {}, withdrawn() {}, nowMs: () => 0 })
    await expect(set.find('ES256', 'one')).rejects.toMatchObject({ code: 'ISSUER_UNAVAILABLE' })
  })
})
