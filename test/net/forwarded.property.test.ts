/**
 * The one promise of the walk: whatever a stranger writes to the left of its own address, it never
 * becomes anybody else. The stranger's part is arbitrary; the proxies append as proxies do.
 */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { peerAddress } from '../../src/net/address.ts'
import { type CidrSet, parseCidrSet } from '../../src/net/cidr.ts'
import { readForwarding } from '../../src/net/forwarded.ts'
import { formatIp, parseIp } from '../../src/net/ip.ts'

const trusted: CidrSet = (() => {
  const parsed = parseCidrSet(['10.0.0.0/8', '2001:db8:a::/48'])
  if (!parsed.ok) throw new Error('bad proxies')
  return parsed.set
})()

const proxy = fc.oneof(
  fc.integer({ min: 1, max: 250 }).map((n) => `10.0.0.${n}`),
  fc.integer({ min: 1, max: 250 }).map((n) => `2001:db8:a::${n}`),
)
const stranger = fc.oneof(fc.ipV4(), fc.ipV6()).filter((text) => {
  const ip = parseIp(text)
  return ip !== null && !trusted.contains(ip)
})
/** What an attacker may write: addresses of proxies and of this machine, quotes, separators, anything. */
const forged = fc
  .array(
    fc.oneof(
      proxy,
      fc.constantFrom(
        '127.0.0.1',
        '::1',
        'for=127.0.0.1',
        'for="10.0.0.1"',
        '"',
        '\\"',
        ',',
        ';',
        'for="',
        '=',
        ' ',
        'unknown',
        '',
      ),
      fc.string({ maxLength: 8 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(', ').replace(/[^\x20-\x7e]/g, ''))
const hops = fc.array(proxy, { minLength: 1, maxLength: 5 })

function canonical(text: string): string {
  const ip = parseIp(text)
  if (ip === null) throw new Error(text)
  return formatIp(ip)
}

/** The header as it arrives: every proxy has appended the address that it was called from. */
function chain(
  forgedPart: string,
  from: string,
  proxies: readonly string[],
  entry: (text: string) => string,
): string {
  const appended = [from, ...proxies.slice(0, -1)].map(entry)
  return [...(forgedPart === '' ? [] : [forgedPart]), ...appended].join(', ')
}

test('a stranger behind proxies is always itself, whatever it wrote into X-Forwarded-For', () => {
  fc.assert(
    fc.property(forged, stranger, hops, (text, from, proxies) => {
      const headers = new Headers({ 'x-forwarded-for': chain(text, from, proxies, (entry) => entry) })
      const peer = peerAddress(proxies.at(-1))
      expect<string | null>(readForwarding(peer, headers, trusted).client).toBe(canonical(from))
    }),
    { numRuns: 2000 },
  )
})

test('the same for Forwarded', () => {
  const element = (text: string) => `for="${text.includes(':') ? `[${text}]` : text}";proto=https`
  fc.assert(
    fc.property(forged, stranger, hops, (text, from, proxies) => {
      const headers = new Headers({ forwarded: chain(text, from, proxies, element) })
      const peer = peerAddress(proxies.at(-1))
      expect<string | null>(readForwarding(peer, headers, trusted).client).toBe(canonical(from))
    }),
    { numRuns: 2000 },
  )
})

test('a stranger that sends the other header as well is itself or nobody', () => {
  fc.assert(
    fc.property(forged, forged, stranger, hops, (text, other, from, proxies) => {
      const headers = new Headers({
        'x-forwarded-for': chain(text, from, proxies, (entry) => entry),
        forwarded: other,
      })
      const { client } = readForwarding(peerAddress(proxies.at(-1)), headers, trusted)
      expect([canonical(from), null]).toContain(client)
    }),
    { numRuns: 2000 },
  )
})

test('a stranger without proxies is always itself', () => {
  fc.assert(
    fc.property(forged, forged, stranger, (text, other, from) => {
      const headers = new Headers({ 'x-forwarded-for': text, forwarded: other, 'x-forwarded-proto': text })
      const { client, proto } = readForwarding(peerAddress(from), headers, trusted)
      expect<string | null>(client).toBe(canonical(from))
      expect(proto).toBeNull()
    }),
  )
})
