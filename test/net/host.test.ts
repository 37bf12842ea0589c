import { describe, expect, test } from 'bun:test'
import { isIpHost, isLoopbackHost, parseHost } from '../../src/net/host.ts'

describe('a Host', () => {
  test.each([
    { text: 'Localhost:6001', name: 'localhost', port: '6001', loopback: true },
    { text: 'localhost.', name: 'localhost', port: '', loopback: true },
    { text: '127.0.0.1', name: '127.0.0.1', port: '', loopback: true },
    { text: '127.8.8.8:80', name: '127.8.8.8', port: '80', loopback: true },
    { text: '[::1]:6001', name: '::1', port: '6001', loopback: true },
    { text: '[0:0::1]', name: '::1', port: '', loopback: true },
    { text: '[::ffff:127.0.0.1]', name: '127.0.0.1', port: '', loopback: true },
    { text: 'mcp_proxy:6001', name: 'mcp_proxy', port: '6001', loopback: false },
    { text: 'gw.example', name: 'gw.example', port: '', loopback: false },
    { text: 'localhost.evil.example', name: 'localhost.evil.example', port: '', loopback: false },
    { text: '127.0.0.1.evil.example', name: '127.0.0.1.evil.example', port: '', loopback: false },
    { text: '2130706433', name: '2130706433', port: '', loopback: false },
    { text: '0x7f.1', name: '0x7f.1', port: '', loopback: false },
    { text: '0.0.0.0', name: '0.0.0.0', port: '', loopback: false },
  ])('$text is $name', ({ text, name, port, loopback }) => {
    expect(parseHost(text)).toEqual({ name, port, text: text.toLowerCase(), loopback })
    expect(isLoopbackHost(name)).toBe(loopback)
  })

  test.each([
    { text: '', why: 'empty' },
    { text: 'a b', why: 'a space' },
    { text: 'a, b', why: 'two Host lines' },
    { text: 'x/admin', why: 'a path' },
    { text: 'x?y', why: 'a query' },
    { text: 'x#y', why: 'a fragment' },
    { text: 'user@x', why: 'user info' },
    { text: '%6cocalhost', why: 'percent-encoding' },
    { text: 'x:', why: 'a colon without a port' },
    { text: 'x:port', why: 'a port by name' },
    { text: 'x:123456', why: 'a port of six digits' },
    { text: '[::1', why: 'an open bracket' },
    { text: '[::1]x', why: 'text after the bracket' },
    { text: '[:::]', why: 'no address in the brackets' },
    { text: '::1', why: 'IPv6 without brackets' },
    { text: '-x', why: 'a dash in front' },
    { text: 'lоcalhost', why: 'a Cyrillic letter' },
    { text: 'a'.repeat(300), why: 'too long' },
  ])('"$text" is none: $why', ({ text }) => {
    expect(parseHost(text)).toBeNull()
  })

  test('an address is no name that a page could take', () => {
    expect(isIpHost('10.1.2.3')).toBe(true)
    expect(isIpHost('10.1.2.3.nip.io')).toBe(false)
  })
})
