import { describe, expect, test } from 'bun:test'
import { peerAddress } from '../../src/net/address.ts'
import { parseCidrSet } from '../../src/net/cidr.ts'
import { hasForwardingHeaders, readForwarding } from '../../src/net/forwarded.ts'

/** The proxies of every case that names no others. */
const proxies = ['10.0.0.0/8', '2001:db8:a::/48']

interface Case {
  readonly why: string
  /** The socket's word; `10.0.0.1`, a trusted proxy, when absent. */
  readonly peer?: string | null
  /** One entry per header line. */
  readonly xff?: string | readonly string[]
  readonly fwd?: string | readonly string[]
  readonly trusted?: readonly string[]
  readonly client: string | null
}

const stranger = '203.0.113.9'
const many = (entry: string, count: number) => new Array(count).fill(entry).join(', ')

const direct: Case[] = [
  { peer: stranger, client: stranger, why: 'no proxy, no header' },
  { peer: stranger, xff: '127.0.0.1', client: stranger, why: 'a stranger claims loopback' },
  { peer: stranger, xff: '10.0.0.1', client: stranger, why: 'a stranger claims to be a proxy' },
  {
    peer: stranger,
    fwd: 'for=127.0.0.1',
    client: stranger,
    why: 'a stranger claims loopback the standard way',
  },
  {
    peer: stranger,
    xff: many('10.0.0.1', 10_000),
    client: stranger,
    why: 'a stranger sends ten thousand entries',
  },
  {
    peer: '127.0.0.1',
    xff: '198.51.100.1',
    client: '127.0.0.1',
    why: 'loopback is trusted only when listed',
  },
  { peer: '10.0.0.1', xff: '198.51.100.1', trusted: [], client: '10.0.0.1', why: 'nobody is trusted' },
  { peer: '11.0.0.1', xff: '198.51.100.1', client: '11.0.0.1', why: 'just outside the trusted network' },
  {
    peer: '::ffff:203.0.113.9',
    xff: '127.0.0.1',
    client: stranger,
    why: 'a dual-stack socket writes IPv4 as IPv6',
  },
  { peer: '2001:db8:b::1', xff: '127.0.0.1', client: '2001:db8:b::1', why: 'an IPv6 stranger' },
  { peer: null, client: null, why: 'a unix socket has no address' },
  { peer: null, xff: '127.0.0.1', client: null, why: 'a unix socket cannot be a trusted proxy' },
  {
    peer: null,
    fwd: 'for=127.0.0.1',
    trusted: ['0.0.0.0/0', '::/0'],
    client: null,
    why: 'not even where all are',
  },
  { peer: 'garbage', xff: '127.0.0.1', client: null, why: 'a peer that is no address' },
  { peer: '10.0.0.1', client: '10.0.0.1', why: 'a proxy that forwards for nobody is itself the client' },
]

const chains: Case[] = [
  { xff: stranger, client: stranger, why: 'one proxy, one client' },
  { xff: `127.0.0.1, ${stranger}`, client: stranger, why: 'a spoofed leftmost entry' },
  { xff: `10.9.9.9, ${stranger}`, client: stranger, why: 'a spoofed proxy to the left of the stranger' },
  { xff: `10.9.9.9, 127.0.0.1, ${stranger}, 10.0.0.2`, client: stranger, why: 'the same behind two proxies' },
  { xff: `${stranger}, 10.0.0.3, 10.0.0.2`, client: stranger, why: 'three proxies in a row' },
  {
    xff: '10.0.0.3, 10.0.0.2',
    client: '10.0.0.3',
    why: 'trusted all the way: the leftmost made the request',
  },
  { xff: '127.0.0.1', client: '127.0.0.1', why: 'a trusted proxy vouches for its own loopback client' },
  {
    xff: `127.0.0.1, ${stranger}`,
    trusted: ['10.0.0.0/8', '127.0.0.0/8'],
    client: stranger,
    why: 'loopback trusted too',
  },
  { xff: [stranger, '10.0.0.2'], client: stranger, why: 'two header lines are one list' },
  {
    xff: ['127.0.0.1', stranger],
    client: stranger,
    why: 'a line of the client before the line of the proxy',
  },
  { xff: ['127.0.0.1', '127.0.0.1', '127.0.0.1', stranger], client: stranger, why: 'several spoofed lines' },
  {
    peer: '127.0.0.1',
    xff: stranger,
    trusted: ['127.0.0.1'],
    client: stranger,
    why: 'a proxy on the same machine',
  },
  { peer: '::1', xff: stranger, trusted: ['::1'], client: stranger, why: 'the same over IPv6' },
  {
    peer: '::ffff:10.0.0.1',
    xff: stranger,
    client: stranger,
    why: 'the trusted proxy on a dual-stack socket',
  },
  { peer: '2001:db8:a::1', xff: stranger, client: stranger, why: 'a trusted IPv6 proxy' },
  { xff: `${stranger}, 2001:db8:a::2`, client: stranger, why: 'an IPv6 proxy in the chain' },
  {
    xff: '10.0.0.2',
    trusted: ['10.0.0.1'],
    client: '10.0.0.2',
    why: 'a single trusted address, not its neighbour',
  },
  {
    xff: `${stranger}, 198.51.100.1`,
    trusted: ['0.0.0.0/0'],
    client: stranger,
    why: 'everything trusted: the leftmost',
  },
  { xff: many('10.0.0.2', 10_000), client: '10.0.0.2', why: 'ten thousand proxies' },
  {
    xff: `127.0.0.1, ${many('10.0.0.2', 64)}`,
    client: '10.0.0.2',
    why: 'a chain too long to be followed to its end',
  },
  {
    xff: `${many('127.0.0.1', 10_000)}, ${stranger}`,
    client: stranger,
    why: 'ten thousand entries behind a stranger',
  },
]

const spellings: Case[] = [
  { xff: '203.0.113.9:5678', client: stranger, why: 'a port after IPv4, as some load balancers write it' },
  { xff: '203.0.113.9:', client: '10.0.0.1', why: 'a colon without a port' },
  { xff: '203.0.113.9:123456', client: '10.0.0.1', why: 'a port of six digits' },
  { xff: '203.0.113.9:http', client: '10.0.0.1', why: 'a port by name' },
  { xff: '2001:db8::1', client: '2001:db8::1', why: 'bare IPv6' },
  { xff: '[2001:db8::1]', client: '2001:db8::1', why: 'IPv6 in brackets' },
  { xff: '[2001:db8::1]:443', client: '2001:db8::1', why: 'IPv6 in brackets with a port' },
  { xff: '[2001:db8::1', client: '10.0.0.1', why: 'a bracket that never closes' },
  { xff: '[2001:db8::1]x', client: '10.0.0.1', why: 'text after the bracket' },
  { xff: '[203.0.113.9]', client: '10.0.0.1', why: 'IPv4 in brackets' },
  { xff: '2001:DB8:0:0::1', client: '2001:db8::1', why: 'another spelling of the same address' },
  { xff: 'fe80::1%eth0', client: 'fe80::1', why: 'a zone' },
  { xff: '[fe80::1%25eth0]:80', client: 'fe80::1', why: 'a zone in a URL spelling' },
  { xff: '::ffff:203.0.113.9', client: stranger, why: 'IPv4-mapped' },
  {
    xff: '127.0.0.1, ::ffff:203.0.113.9, ::ffff:10.0.0.2',
    client: stranger,
    why: 'an IPv4-mapped proxy is that proxy',
  },
  { xff: `  ${stranger}\t`, client: stranger, why: 'white space around an entry' },
  { xff: `127.0.0.1,${stranger},10.0.0.2`, client: stranger, why: 'no space after the comma' },
]

const garbage: Case[] = [
  { xff: '', client: '10.0.0.1', why: 'an empty header' },
  { xff: ',', client: '10.0.0.1', why: 'only a comma' },
  { xff: `${stranger},`, client: '10.0.0.1', why: 'an empty entry on the right ends the walk' },
  {
    xff: `127.0.0.1,,${stranger}`,
    client: stranger,
    why: 'an empty entry behind the stranger is not reached',
  },
  { xff: 'unknown', client: '10.0.0.1', why: 'a proxy that does not know' },
  {
    xff: '127.0.0.1, unknown, 10.0.0.2',
    client: '10.0.0.2',
    why: 'unknown ends the walk at the last good hop',
  },
  { xff: '_hidden', client: '10.0.0.1', why: 'an obfuscated identifier' },
  { xff: '127.0.0.1, <script>, 10.0.0.2', client: '10.0.0.2', why: 'markup' },
  { xff: '127.0.0.1 10.0.0.2', client: '10.0.0.1', why: 'a space instead of a comma' },
  { xff: '127.0.0.1;10.0.0.2', client: '10.0.0.1', why: 'a semicolon instead of a comma' },
  { xff: '010.0.0.1', client: '10.0.0.1', why: 'an octal spelling of a proxy' },
  { xff: '127.0.0.1, 10.1', client: '10.0.0.1', why: 'a short spelling of a proxy' },
  { xff: '2130706433', client: '10.0.0.1', why: 'loopback as one number' },
  { xff: '0x7f.1', client: '10.0.0.1', why: 'loopback in hexadecimal' },
  { xff: 'localhost', client: '10.0.0.1', why: 'a name' },
  { xff: '10.0.0.0/8', client: '10.0.0.1', why: 'a network' },
  {
    xff: `"127.0.0.1, ${stranger}`,
    client: stranger,
    why: 'a quote that would swallow what the proxy appends',
  },
  { xff: `127.0.0.1\\, ${stranger}`, client: stranger, why: 'a backslash before the comma' },
  { xff: `${'1'.repeat(5000)}, ${stranger}`, client: stranger, why: 'a long entry that is not reached' },
  { xff: '1'.repeat(5000), client: '10.0.0.1', why: 'a long entry that is' },
]

const standard: Case[] = [
  { fwd: `for=${stranger}`, client: stranger, why: 'the plain form' },
  { fwd: `For="${stranger}"`, client: stranger, why: 'quoted, and another case' },
  { fwd: `for="${stranger}:4711";proto=https`, client: stranger, why: 'with a port and a protocol' },
  { fwd: 'for="[2001:db8::1]:4711"', client: '2001:db8::1', why: 'IPv6 as RFC 7239 writes it' },
  { fwd: 'for="[2001:db8::1]"', client: '2001:db8::1', why: 'IPv6 without a port' },
  { fwd: `by=10.0.0.1;for=${stranger};host=gw`, client: stranger, why: 'the pair stands anywhere' },
  { fwd: `for=127.0.0.1, for=${stranger}`, client: stranger, why: 'a spoofed leftmost element' },
  { fwd: ['for=127.0.0.1', `for=${stranger}`], client: stranger, why: 'a spoofed line' },
  { fwd: `for=${stranger}, for=10.0.0.2`, client: stranger, why: 'two proxies' },
  {
    fwd: `for="127.0.0.1, for=${stranger}`,
    client: stranger,
    why: 'an open quote cannot swallow the appended element',
  },
  { fwd: `for="\\"127.0.0.1, for="${stranger}"`, client: stranger, why: 'nor an escaped one' },
  { fwd: 'for="127.0.0.1, 10.0.0.2"', client: '10.0.0.1', why: 'a list inside quotes is no address' },
  { fwd: 'for=unknown', client: '10.0.0.1', why: 'unknown' },
  { fwd: 'for=_SEVKISEK', client: '10.0.0.1', why: 'an obfuscated identifier' },
  { fwd: 'for=127.0.0.1;for=10.0.0.2', client: '10.0.0.1', why: 'two clients in one element' },
  { fwd: 'proto=https', client: '10.0.0.1', why: 'no client at all' },
  { fwd: '127.0.0.1', client: '10.0.0.1', why: 'an address without a name' },
  { fwd: 'for=', client: '10.0.0.1', why: 'an empty value' },
  { fwd: '', client: '10.0.0.1', why: 'an empty header' },
  { fwd: `for = ${stranger}`, client: '10.0.0.1', why: 'spaces around = are not in the grammar' },
  { xff: stranger, fwd: `for=${stranger}`, client: stranger, why: 'both headers, one word' },
  {
    xff: '10.7.7.7',
    fwd: `for=${stranger}`,
    client: null,
    why: 'they disagree: one is the client’s invention',
  },
  { xff: stranger, fwd: 'for=10.7.7.7', client: null, why: 'the same the other way round' },
]

const all = [...direct, ...chains, ...spellings, ...garbage, ...standard]

function headersOf(row: Pick<Case, 'xff' | 'fwd'>): Headers {
  const headers = new Headers()
  for (const line of [row.xff ?? []].flat()) headers.append('x-forwarded-for', line)
  for (const line of [row.fwd ?? []].flat()) headers.append('forwarded', line)
  return headers
}

function clientOf(row: Case): string | null {
  const trusted = parseCidrSet(row.trusted ?? proxies)
  if (!trusted.ok) throw new Error(trusted.errors.join())
  const peer = peerAddress(row.peer === undefined ? '10.0.0.1' : row.peer)
  return readForwarding(peer, headersOf(row), trusted.set).client
}

describe('the client address', () => {
  test('is settled by at least 80 cases', () => {
    expect(all.length).toBeGreaterThanOrEqual(80)
  })

  for (const [title, rows] of Object.entries({ direct, chains, spellings, garbage, standard })) {
    test.each(rows)(`${title}: $why`, (row) => {
      expect(clientOf(row)).toBe(row.client)
    })
  }

  test('costs no more for ten thousand entries than for a hundred', () => {
    const trusted = parseCidrSet(proxies)
    const peer = peerAddress('10.0.0.1')
    if (!trusted.ok) expect.unreachable()
    const read = { long: 0, short: 0 }
    for (const [name, count] of [
      ['long', 10_000],
      ['short', 100],
    ] as const) {
      const counting = { size: 1, contains: () => ++read[name] > 0 }
      readForwarding(peer, headersOf({ xff: many('10.0.0.2', count) }), counting)
    }
    expect(read.long).toBe(read.short)
  })
})

describe('what trusted proxies say of the URL', () => {
  const ask = (headers: Record<string, string>, peer = '10.0.0.1') => {
    const trusted = parseCidrSet(proxies)
    if (!trusted.ok) throw new Error('bad proxies')
    const { proto, host, prefix } = readForwarding(peerAddress(peer), new Headers(headers), trusted.set)
    return { proto, host, prefix }
  }
  const nothing = { proto: null, host: null, prefix: null }

  test.each([
    {
      why: 'all three are taken',
      headers: {
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'GW.example:8443',
        'x-forwarded-prefix': '/a/b/',
      },
      says: { proto: 'https', host: 'gw.example:8443', prefix: '/a/b' },
    },
    {
      why: 'of a list, the value of the outermost trusted proxy, which is the only hop here',
      headers: { 'x-forwarded-for': stranger, 'x-forwarded-proto': 'http, https' },
      says: { ...nothing, proto: 'https' },
    },
    {
      why: 'two trusted hops reach one value further left',
      headers: { 'x-forwarded-for': `${stranger}, 10.0.0.2`, 'x-forwarded-proto': 'ftp, https, http' },
      says: { ...nothing, proto: 'https' },
    },
    {
      why: 'a single value counts however many hops there are',
      headers: { 'x-forwarded-for': `${stranger}, 10.0.0.2`, 'x-forwarded-proto': 'https' },
      says: { ...nothing, proto: 'https' },
    },
    {
      why: 'Forwarded carries them too',
      headers: {
        forwarded: `for=1.2.3.4;proto=http;host=evil, for=${stranger};proto=https;host="gw.example"`,
      },
      says: { ...nothing, proto: 'https', host: 'gw.example' },
    },
    { why: 'another scheme is none', headers: { 'x-forwarded-proto': 'javascript' }, says: nothing },
    { why: 'a host with a path', headers: { 'x-forwarded-host': 'gw.example/evil' }, says: nothing },
    { why: 'a host with user info', headers: { 'x-forwarded-host': 'user@gw.example' }, says: nothing },
    { why: 'a host with a space', headers: { 'x-forwarded-host': 'gw example' }, says: nothing },
    { why: 'an empty host', headers: { 'x-forwarded-host': '' }, says: nothing },
    { why: 'a prefix that climbs', headers: { 'x-forwarded-prefix': '/a/../admin' }, says: nothing },
    {
      why: 'a prefix that names another host',
      headers: { 'x-forwarded-prefix': '//evil.example' },
      says: nothing,
    },
    { why: 'a prefix without a slash', headers: { 'x-forwarded-prefix': 'evil' }, says: nothing },
    { why: 'a prefix with markup', headers: { 'x-forwarded-prefix': '/<b>' }, says: nothing },
    {
      why: 'the root as a prefix is no prefix',
      headers: { 'x-forwarded-prefix': '/' },
      says: { ...nothing, prefix: '' },
    },
  ])('$why', ({ headers, says }) => {
    expect(ask(headers)).toEqual(says as never)
    expect(ask(headers, stranger)).toEqual(nothing)
  })
})

describe('the marks of a proxy', () => {
  test.each([
    'x-forwarded-for',
    'forwarded',
    'x-forwarded-host',
    'x-forwarded-proto',
    'x-forwarded-prefix',
    'x-real-ip',
    'x-client-ip',
    'true-client-ip',
    'cf-connecting-ip',
    'via',
  ])('%s is one, even when it is empty', (name) => {
    expect(hasForwardingHeaders(new Headers({ [name]: '' }))).toBe(true)
  })

  test('a plain request has none', () => {
    expect(
      hasForwardingHeaders(new Headers({ host: 'localhost', accept: '*/*', 'user-agent': 'curl' })),
    ).toBe(false)
  })
})
