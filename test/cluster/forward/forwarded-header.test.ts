/** The header of forwarded requests: what a member says counts once, for one receiver, for a minute; nobody else's does. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  type Carried,
  digestOfBody,
  headerLivesMs,
  readHeader,
  type SignedRequest,
  writeHeader,
} from '../../../src/cluster/forward/wire/forwarded-header.ts'
import { Serials } from '../../../src/cluster/forward/wire/serials.ts'
import { createSeal } from '../../../src/cluster/seal.ts'
import { wireVersion } from '../../../src/cluster/wire-version.ts'

const seal = createSeal(['s'.repeat(32)])
const codes = (text: string) => seal.macs('forward', text)
const nowMs = 1_700_000_000_000
const carried: Carried = {
  wire: wireVersion,
  from: 'a'.repeat(16),
  to: 'b'.repeat(16),
  atMs: nowMs,
  serial: 1,
  principal: { id: 'token:ab', shown: 'token:ab', role: 'client' },
  peer: '10.0.0.1',
  client: '203.0.113.9',
  base: 'https://gw.example',
  requestId: 'x-1',
  digest: digestOfBody('{"jsonrpc":"2.0","id":1,"method":"ping"}'),
}
const request: SignedRequest = {
  method: 'POST',
  target: '/mcp-proxy/files/stream',
  sessionId: 'c1.x.y.z',
}
const header = writeHeader(carried, request, codes)
const read = (given: string | null, by: Partial<SignedRequest> = {}, self = carried.to, at = nowMs) =>
  readHeader(given, { ...request, ...by }, self, at, codes)

describe('the header of a forwarded request', () => {
  test('tells what was carried', () => {
    expect(read(header)).toEqual(carried)
  })

  test('names both versions where it is of another one, whatever its form is then', () => {
    const later = { wire: wireVersion + 1, whose: 'something else' } as unknown as Carried
    expect(read(writeHeader(later, request, codes))).toBe(
      `it is of version ${wireVersion + 1} of what replicas say to each other, and this one speaks ${wireVersion}`,
    )
    // One that says none is of the first.
    const { wire: _, ...earlier } = carried
    expect(read(writeHeader(earlier as Carried, request, codes))).toContain('it is of version 1 of')
  })

  const [said = '', code = ''] = header.split('.')
  const forged = Buffer.from(
    JSON.stringify({ ...carried, principal: { id: 'token:cd', shown: 'token:cd', role: 'client' } }),
  ).toString('base64url')
  const other = createSeal(['t'.repeat(32)])
  test.each([
    { why: 'nobody has written one', given: null, says: 'there is none' },
    { why: 'another principal under the same code', given: `${forged}.${code}`, says: 'its code is wrong' },
    { why: 'no code', given: said, says: 'it has no code' },
    { why: 'an empty code', given: `${said}.`, says: 'its code is wrong' },
    { why: 'it is endless', given: `${'A'.repeat(70_000)}.${code}`, says: 'it is too long' },
    {
      why: 'the code of another cluster',
      given: writeHeader(carried, request, (text) => other.macs('forward', text)),
      says: 'its code is wrong',
    },
    {
      why: 'a code of the same cluster for something else',
      given: writeHeader(carried, request, (text) => seal.macs('session id', text)),
      says: 'its code is wrong',
    },
    {
      why: 'an admin is nobody that is passed on',
      given: writeHeader(
        { ...carried, principal: { id: 'admin:x', shown: 'admin:x', role: 'admin' as 'client' } },
        request,
        codes,
      ),
      says: 'it is of another form',
    },
  ])('counts for nothing: $why', ({ given, says }) => {
    expect(read(given)).toBe(says)
  })

  test.each([
    { why: 'another method', by: { method: 'DELETE' } },
    { why: 'another server', by: { target: '/mcp-proxy/mail/stream' } },
    { why: 'another session', by: { sessionId: 'c1.x.y.w' } },
    { why: 'no session', by: { sessionId: null } },
  ])('counts for the request that it was written for alone: $why', ({ by }) => {
    expect(read(header, by)).toBe('its code is wrong')
  })

  test('is for one receiver', () => {
    expect(read(header, {}, 'c'.repeat(16))).toBe('it is for another member')
  })

  test.each([
    { why: 'now', afterMs: 0, counts: true },
    { why: 'at the end of its minute', afterMs: headerLivesMs, counts: true },
    { why: 'later', afterMs: headerLivesMs + 1, counts: false },
    { why: 'from a clock that is ahead', afterMs: -headerLivesMs - 1, counts: false },
  ])('lives for a minute: $why', ({ afterMs, counts }) => {
    expect(typeof read(header, {}, carried.to, nowMs + afterMs) === 'object').toBe(counts)
  })

  test('is no header with any character changed', () => {
    const place = fc.integer({ min: 0, max: header.length - 1 })
    fc.assert(
      fc.property(place, fc.constantFrom(...'ABCxyz019-_.'), (at, character) => {
        const changed = header.slice(0, at) + character + header.slice(at + 1)
        expect(typeof read(changed) === 'object').toBe(changed === header)
      }),
    )
  })
})

describe('the serials of a sender', () => {
  test('count once each, in any order', () => {
    const order = fc.shuffledSubarray(Array.from({ length: 200 }, (_, index) => index + 1))
    fc.assert(
      fc.property(order, (serials) => {
        const seen = new Serials()
        for (const serial of serials) expect(seen.take('a', serial, 0)).toBe(true)
        for (const serial of serials) expect(seen.take('a', serial, 0)).toBe(false)
      }),
    )
  })

  test('are remembered as by a set, for as far back as they count', () => {
    const jumps = fc.array(
      fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 60_000, max: 70_000 })),
      {
        maxLength: 60,
      },
    )
    const back = fc.integer({ min: 0, max: 70_000 })
    fc.assert(
      fc.property(jumps, back, (steps, behind) => {
        const serials = new Serials()
        const all = new Set<number>()
        let newest = 0
        for (const step of steps) {
          newest += step
          for (const serial of [newest, Math.max(1, newest - behind)]) {
            const fresh = !all.has(serial) && serial > newest - 65_536
            expect(serials.take('a', serial, 0)).toBe(fresh)
            if (fresh) all.add(serial)
          }
        }
      }),
    )
  })

  test('of one sender say nothing of another', () => {
    const serials = new Serials()
    expect(serials.take('a', 7, 0)).toBe(true)
    expect(serials.take('b', 7, 0)).toBe(true)
  })

  test('take bounded room: a sender is forgotten only when none of its headers counts any more', () => {
    const serials = new Serials()
    for (let sender = 0; sender < 1_024; sender++) expect(serials.take(`s${sender}`, 1, 0)).toBe(true)
    expect(serials.take('one more', 1, headerLivesMs)).toBe(false)
    expect(serials.take('one more', 1, 2 * headerLivesMs + 1)).toBe(true)
  })
})
