/** Ids of sessions in a cluster: what they say, and that nobody else can make one. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  instanceIn,
  isGenuine,
  mintSessionId,
  type SessionBinding,
} from '../../../src/cluster/forward/session-ids.ts'
import { createSeal } from '../../../src/cluster/seal.ts'

const secret = 's'.repeat(32)
const codesOf = (secrets: readonly string[]) => {
  const seal = createSeal(secrets)
  return (text: string) => seal.macs('session id', text)
}
const codes = codesOf([secret])
const binding: SessionBinding = { principalId: 'token:ab', serverName: 'files', endpoint: 'stream' }
const instance = '0123456789abcdef'

describe('the id of a session in a cluster', () => {
  test('says who has begun it, in characters that fit into a header and a URL', () => {
    const id = mintSessionId(instance, binding, codes)
    expect(id).toMatch(/^c1\.0123456789abcdef\.[\w-]{22}\.[\w-]{22}$/)
    expect(instanceIn(id)).toBe(instance)
    expect(isGenuine(id, binding, codes)).toBe(true)
  })

  test('is another one each time', () => {
    const ids = Array.from({ length: 1_000 }, () => mintSessionId(instance, binding, codes))
    expect(new Set(ids).size).toBe(1_000)
  })

  const id = mintSessionId(instance, binding, codes)
  test.each([
    { why: 'another principal borrows it', id, by: { ...binding, principalId: 'token:cd' } },
    { why: 'it is shown at another server', id, by: { ...binding, serverName: 'mail' } },
    { why: 'it is shown at the other endpoint', id, by: { ...binding, endpoint: 'sse' as const } },
    { why: 'it names another owner', id: id.replace('0123', '0124'), by: binding },
    { why: 'a character more', id: `${id}A`, by: binding },
    { why: 'the id of one process only', id: crypto.randomUUID(), by: binding },
    { why: 'nothing', id: '', by: binding },
    { why: 'no code', id: id.slice(0, id.lastIndexOf('.')), by: binding },
    { why: 'a code of nothing', id: `${id.slice(0, id.lastIndexOf('.'))}.${'-'.repeat(22)}`, by: binding },
    { why: 'another version', id: id.replace('c1.', 'c2.'), by: binding },
  ])('opens nothing: $why', ({ id: given, by }) => {
    expect(isGenuine(given, by, codes)).toBe(false)
  })

  test('of another cluster opens nothing', () => {
    expect(isGenuine(mintSessionId(instance, binding, codesOf(['t'.repeat(32)])), binding, codes)).toBe(false)
  })

  test('counts while the secret that signed it is one of several', () => {
    const old = mintSessionId(instance, binding, codes)
    expect(isGenuine(old, binding, codesOf(['n'.repeat(32), secret]))).toBe(true)
    expect(isGenuine(old, binding, codesOf(['n'.repeat(32)]))).toBe(false)
  })

  test('with any character changed opens nothing', () => {
    const place = fc.integer({ min: 0, max: id.length - 1 })
    const character = fc.constantFrom(...'ABCxyz019-_.')
    fc.assert(
      fc.property(place, character, (at, other) => {
        const changed = id.slice(0, at) + other + id.slice(at + 1)
        expect(isGenuine(changed, binding, codes)).toBe(changed === id)
      }),
    )
  })

  test('keeps apart principals and servers that read alike when joined', () => {
    const text = fc.string({ minLength: 0, maxLength: 12 })
    fc.assert(
      fc.property(text, text, text, text, (principalId, serverName, principal2, server2) => {
        const minted = mintSessionId(instance, { principalId, serverName, endpoint: 'stream' }, codes)
        const by = { principalId: principal2, serverName: server2, endpoint: 'stream' as const }
        expect(isGenuine(minted, by, codes)).toBe(principalId === principal2 && serverName === server2)
      }),
    )
  })
})
