/** Addresses, networks and chains of proxies: nothing that a stranger writes makes it anybody else. */
import { expect } from 'bun:test'
import { isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { peerAddress } from '../../src/net/address.ts'
import { type CidrSet, parseCidrSet } from '../../src/net/cidr.ts'
import { hasForwardingHeaders, readForwarding } from '../../src/net/forwarded.ts'
import { formatIp, type Ip, isLoopback, parseIp } from '../../src/net/ip.ts'
import { cases } from './cases.ts'
import { fuzz } from './fuzzer.ts'
import { mutated } from './inputs.ts'

/** The address as a number of 128 bits, IPv4 among the mapped ones. */
function numberOf(ip: Ip): bigint {
  if (ip.family === 4) return 0xffff_0000_0000n + BigInt(ip.value)
  return ip.words.reduce((sum, word) => (sum << 32n) + BigInt(word), 0n)
}

const address = fc.oneof(
  fc.ipV4(),
  fc.ipV4Extended(),
  fc.ipV6(),
  fc.constantFrom(
    '127.0.0.1',
    '::1',
    '::',
    '::ffff:10.0.0.1',
    '::ffff:a00:1',
    '10.0.0.1',
    '010.0.0.1',
    '2001:db8::1',
    '1:2:3:4:5:6:7::',
    '::2:3:4:5:6:7:8',
    'fe80::1%eth0',
    '1.2.3',
    '0x7f.1',
  ),
)
const addressTokens = [
  ':',
  '::',
  '.',
  '0',
  '00',
  'f',
  '255',
  '256',
  '%',
  '/',
  'x',
  ' ',
  '-',
  '[',
  ']',
  '\0',
  '٣',
  '１',
]

fuzz('an address is read as the system reads it, and has one canonical text', {
  inputs: mutated(address, addressTokens),
  cases: cases.addresses,
  runs: 10_000,
  holds: (text) => {
    const ip = parseIp(text)
    const [bare = '', zone] = text.includes(':') ? text.split(/%(.*)/s) : [text]
    const expected = bare.includes(':') ? isIPv6(bare) && zone !== '' : isIPv4(text)
    if (text.length <= 80) expect(ip !== null).toBe(expected)
    if (ip === null) return
    const canonical = formatIp(ip)
    expect(parseIp(canonical)).toEqual(ip)
    if (ip.family === 6) expect(`[${canonical}]`).toBe(new URL(`http://[${canonical}]/`).hostname)
    else if (!bare.includes(':')) expect(canonical).toBe(bare)
    expect(isLoopback(ip)).toBe(numberOf(ip) === 1n || numberOf(ip) >> 24n === 0xffff_7fn)
  },
})

const network = fc
  .tuple(
    address,
    fc.option(fc.oneof(fc.integer({ min: -1, max: 130 }).map(String), fc.constantFrom('08', '', '+8', '8 '))),
  )
  .map(([text, prefix]) => (prefix === null ? text : `${text}/${prefix}`))

fuzz('a network holds the addresses that its prefix says, and a doubtful one is refused', {
  inputs: fc.record({
    network: fc.oneof(network, mutated(network, addressTokens)),
    near: fc.stringMatching(/^[0-9a-f]{1,32}$/),
    bit: fc.nat(127),
    other: address,
  }),
  cases: cases.networks,
  runs: 4_000,
  holds: ({ network: text, near: digits, bit, other }) => {
    const near = BigInt(`0x${digits}`)
    const parse = parseCidrSet([text])
    const [, base = '', prefix] = /^([^/]*)(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text.trim()) ?? []
    const ip = parseIp(base)
    const short = ip?.family === 4 && !base.includes(':')
    const bits = prefix === undefined ? 128 : Number(prefix) + (short ? 96 : 0)
    const valid = ip !== null && bits <= 128 && (ip.family === 6 || bits >= 96)
    expect(parse.ok).toBe(valid)
    if (!parse.ok || ip === null) return
    const shift = BigInt(128 - bits)
    const first = numberOf(ip)
    // Inside, a bit away, and anywhere.
    const inside = ((first >> shift) << shift) | (near & ((1n << shift) - 1n))
    const others = [inside, first ^ (1n << BigInt(bit)), near].map((number) => parseIp(textOf(number)))
    for (const candidate of [...others, parseIp(other)]) {
      if (candidate === null) continue
      // The two families have networks of their own.
      const within = candidate.family === ip.family && numberOf(candidate) >> shift === first >> shift
      expect(parse.set.contains(candidate)).toBe(within)
    }
  },
})

function textOf(number: bigint): string {
  return (number.toString(16).padStart(32, '0').match(/.{4}/g) ?? []).join(':')
}

function networksOf(texts: readonly string[]): CidrSet {
  const parse = parseCidrSet(texts)
  if (!parse.ok) throw new Error('no networks')
  return parse.set
}
const trusted = networksOf(['10.0.0.0/8', '2001:db8:a::/48'])
const proxy = fc.oneof(
  fc.nat(250).map((n) => `10.0.0.${n}`),
  fc.nat(0xfff).map((n) => `2001:db8:a::${n.toString(16)}`),
)
const stranger = fc.oneof(fc.ipV4(), fc.ipV6()).filter((text) => {
  const ip = parseIp(text)
  return ip !== null && !trusted.contains(ip)
})
const element = (text: string) =>
  `for="${text.includes(':') ? `[${text}]:80` : text}";proto=https;host=a.example`
const list = fc.array(fc.oneof(proxy, stranger, address), { maxLength: 5 }).map((texts) => texts.join(', '))
const elements = fc
  .array(fc.oneof(proxy, stranger).map(element), { maxLength: 5 })
  .map((texts) => texts.join(', '))
const headerTokens = [
  '"',
  '\\"',
  '\\',
  ',',
  ', ',
  ';',
  '=',
  'for=',
  'for="',
  '[',
  ']',
  ':80',
  '127.0.0.1',
  '10.0.0.1',
  'unknown',
  '_x',
  ' ',
  '\t',
  'proto=http',
  '../',
  '/a',
  '@',
]
const header = (texts: fc.Arbitrary<string>) =>
  mutated(texts, headerTokens).map((text) => text.replace(/[\0\r\n]/g, ''))
const prefix = fc.constantFrom('', '/', '/tools', '/a/../b', '//evil.example', '/a\\b', '/%2e', '/a/')

fuzz('a stranger behind proxies is itself or nobody, whatever it writes', {
  inputs: fc.record({
    list: fc.option(header(list)),
    standard: fc.option(header(elements)),
    proto: fc.option(header(fc.constantFrom('http', 'https, http', 'HTTPS'))),
    host: fc.option(header(fc.constantFrom('a.example', '[::1]:80', 'a.example:8080, b.example'))),
    prefix: fc.option(header(prefix)),
    from: stranger,
    proxies: fc.array(proxy, { minLength: 1, maxLength: 5 }),
    appendsList: fc.boolean(),
  }),
  cases: cases.chains,
  runs: 3_000,
  holds: (input) => {
    const appended = [input.from, ...input.proxies.slice(0, -1)]
    const chain = (forged: string | null, texts: readonly string[]) =>
      [...(forged === null ? [] : [forged]), ...texts].join(', ')
    const fields = new Map<string, string | null>([
      ['x-forwarded-for', input.appendsList ? chain(input.list, appended) : input.list],
      ['forwarded', input.appendsList ? input.standard : chain(input.standard, appended.map(element))],
      ['x-forwarded-proto', input.proto],
      ['x-forwarded-host', input.host],
      ['x-forwarded-prefix', input.prefix],
    ])
    const headers = { get: (name: string) => fields.get(name) ?? null }
    const {
      client,
      proto,
      host,
      prefix: path,
    } = readForwarding(peerAddress(input.proxies.at(-1)), headers, trusted)
    const ip = parseIp(input.from)
    const other = input.appendsList ? input.standard : input.list
    const allowed = [ip && formatIp(ip), ...(other === null ? [] : [null])]
    expect(allowed).toContain(client as string | null)
    expect([null, 'http', 'https']).toContain(proto)
    expect(host ?? 'a').toMatch(/^[a-z0-9._:[\]-]+$/)
    expect(path ?? '').toMatch(/^(?:\/[A-Za-z0-9._~-]+)*$/)
    expect(path ?? '').not.toMatch(/\/\.{1,2}(?:\/|$)/)
    expect(hasForwardingHeaders(headers)).toBe(true)
    // Straight from the stranger nothing is believed.
    const direct = readForwarding(peerAddress(input.from), headers, trusted)
    expect({ ...direct }).toEqual({
      client: peerAddress(input.from) as never,
      proto: null,
      host: null,
      prefix: null,
    })
  },
})
