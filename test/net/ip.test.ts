import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { countingKey, isLoopbackPeer, peerAddress } from '../../src/net/address.ts'
import { formatIp, isLoopback, parseIp } from '../../src/net/ip.ts'

/** The canonical text of what `text` spells, or null. */
function canonical(text: string): string | null {
  const ip = parseIp(text)
  return ip === null ? null : formatIp(ip)
}

describe('addresses', () => {
  test.each([
    { text: '0.0.0.0', is: '0.0.0.0', why: 'the lowest' },
    { text: '255.255.255.255', is: '255.255.255.255', why: 'the highest, beyond a signed integer' },
    { text: '::', is: '::', why: 'all zeros' },
    { text: '::1', is: '::1', why: 'loopback' },
    { text: '2001:DB8:0:0:0:0:0:1', is: '2001:db8::1', why: 'lower case and compressed, as RFC 5952 wants' },
    { text: '2001:db8:0:1:1:1:1:1', is: '2001:db8:0:1:1:1:1:1', why: 'a single zero group stays' },
    { text: '1:0:0:2:0:0:0:3', is: '1:0:0:2::3', why: 'the longer run is compressed' },
    { text: '1:0:0:2:2:0:0:3', is: '1::2:2:0:0:3', why: 'of equal runs the first' },
    { text: 'fe80::1%eth0', is: 'fe80::1', why: 'a zone names a local interface, not a host' },
    { text: '::ffff:192.0.2.7', is: '192.0.2.7', why: 'IPv4-mapped is IPv4' },
    { text: '::FFFF:c000:207', is: '192.0.2.7', why: 'IPv4-mapped in hexadecimal' },
    { text: '64:ff9b::192.0.2.1', is: '64:ff9b::c000:201', why: 'an embedded IPv4 address' },
    { text: '1::', is: '1::', why: 'zeros at the end' },
    { text: '1:2:3:4:5:6:7::', is: '1:2:3:4:5:6:7:0', why: 'one zero group written as ::' },
  ])('$text is $is: $why', ({ text, is }) => {
    expect(canonical(text)).toBe(is)
  })

  test.each([
    { text: '', why: 'nothing' },
    { text: '1.2.3', why: 'three parts are four to inet_aton' },
    { text: '1.2.3.4.5', why: 'five parts' },
    { text: '256.1.1.1', why: 'an octet over 255' },
    { text: '010.0.0.1', why: 'a leading zero is octal to some readers' },
    { text: '0x7f.0.0.1', why: 'hexadecimal octets' },
    { text: '2130706433', why: 'one big number' },
    { text: '1.2.3.4 ', why: 'a space' },
    { text: '1..2.3', why: 'an empty octet' },
    { text: '１.2.3.4', why: 'a full-width digit' },
    { text: '1.2.3.-4', why: 'a sign' },
    { text: ':', why: 'one colon' },
    { text: ':::', why: 'three colons' },
    { text: '1::2::3', why: 'two gaps' },
    { text: '1:2:3:4:5:6:7', why: 'seven groups' },
    { text: '1:2:3:4:5:6:7:8:9', why: 'nine groups' },
    { text: '1:2:3:4::5:6:7:8', why: 'a gap of nothing' },
    { text: '12345::', why: 'five hexadecimal digits' },
    { text: '::g', why: 'no hexadecimal digit' },
    { text: '1.2.3.4::', why: 'IPv4 at the front' },
    { text: '::1.2.3.4:5', why: 'IPv4 in the middle' },
    { text: '[::1]', why: 'brackets belong to URLs' },
    { text: 'fe80::1%', why: 'an empty zone' },
    { text: `::1%${'a'.repeat(100)}`, why: 'longer than any address' },
    { text: 'localhost', why: 'a name' },
  ])('"$text" is none: $why', ({ text }) => {
    expect(parseIp(text)).toBeNull()
  })

  test('text of any address parses back to itself', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const once = canonical(text)
        expect(once).not.toBeNull()
        expect(canonical(once ?? '')).toBe(once)
      }),
    )
  })

  test('reads any text without throwing', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'0123456789abcdef:.%[]/ ') }),
        (text) => void parseIp(text),
      ),
    )
  })

  test.each([
    ['127.0.0.1', true],
    ['127.255.255.254', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['128.0.0.1', false],
    ['::', false],
    ['0.0.0.0', false],
    ['::2', false],
  ] as const)('%s is loopback: %p', (text, expected) => {
    const ip = parseIp(text)
    expect(ip !== null && isLoopback(ip)).toBe(expected)
  })
})

describe('the peer', () => {
  test.each([
    { socket: '127.0.0.1', peer: '127.0.0.1', loopback: true },
    { socket: '::ffff:10.1.2.3', peer: '10.1.2.3', loopback: false },
    { socket: '::ffff:127.0.0.1', peer: '127.0.0.1', loopback: true },
    { socket: 'FE80::1%lo', peer: 'fe80::1', loopback: false },
    { socket: '', peer: null, loopback: false },
    { socket: null, peer: null, loopback: false },
    { socket: undefined, peer: null, loopback: false },
  ])('of a socket that says $socket is $peer', ({ socket, peer, loopback }) => {
    expect<string | null>(peerAddress(socket)).toBe(peer)
    expect(isLoopbackPeer(peerAddress(socket))).toBe(loopback)
  })

  test('is counted by address for IPv4 and by /64 for IPv6, where one host owns a whole /64', () => {
    const key = (text: string) => countingKey(peerAddress(text) ?? expect.unreachable())
    expect(key('192.0.2.1')).toBe('192.0.2.1')
    expect(key('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64')
    expect(key('2001:db8:1:2:ffff::')).toBe('2001:db8:1:2::/64')
    expect(key('2001:db8:1:3::')).not.toBe('2001:db8:1:2::/64')
  })
})
