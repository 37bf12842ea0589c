import { describe, expect, test } from 'bun:test'
import {
  addressList,
  baseUrl,
  groupName,
  hostList,
  hostName,
  originList,
  tokenList,
} from '../../src/config/network-values.ts'
import { choice, duration, flagValue, integer, list, size, type ValueKind } from '../../src/config/values.ts'

interface Row {
  readonly kind: ValueKind
  readonly input: unknown
  readonly value?: unknown
  readonly fault?: string
  readonly why: string
}

const port = integer(0, 65_535)
const anyDuration = duration(1, 60_000)
const level = choice('debug', 'info')

const rows: readonly Row[] = [
  { kind: port, input: 6001, value: 6001, why: 'a number is a number' },
  { kind: port, input: '6001', value: 6001, why: 'YAML writers quote ports' },
  { kind: port, input: ' 6001 ', value: 6001, why: 'a secret file ends in a line break' },
  { kind: port, input: 'abc', fault: 'must be a whole number from 0 to 65535, got "abc"', why: 'no number' },
  { kind: port, input: 70_000, fault: 'must be a whole number from 0 to 65535, got 70000', why: 'too large' },
  {
    kind: port,
    input: '6001.5',
    fault: 'must be a whole number from 0 to 65535, got "6001.5"',
    why: 'not whole',
  },
  { kind: port, input: '-1', fault: 'must be a whole number from 0 to 65535, got "-1"', why: 'negative' },
  {
    kind: port,
    input: '0x10',
    fault: 'must be a whole number from 0 to 65535, got "0x10"',
    why: 'hexadecimal',
  },
  { kind: port, input: '', fault: 'must be a whole number from 0 to 65535, got ""', why: 'Number("") is 0' },
  {
    kind: port,
    input: true,
    fault: 'must be a whole number from 0 to 65535, got true',
    why: 'Number(true) is 1',
  },
  { kind: anyDuration, input: '10s', value: 10_000, why: 'seconds' },
  { kind: anyDuration, input: '500ms', value: 500, why: 'milliseconds' },
  { kind: anyDuration, input: '0.5m', value: 30_000, why: 'a fraction' },
  { kind: anyDuration, input: '1500', value: 1500, why: 'no unit is milliseconds' },
  { kind: anyDuration, input: 1500, value: 1500, why: 'no unit is milliseconds' },
  {
    kind: anyDuration,
    input: 10,
    fault: '10 without a unit means milliseconds; write "10s" or "10ms"',
    why: 'whoever writes 10 means seconds',
  },
  {
    kind: anyDuration,
    input: '2m',
    fault: 'must be a duration such as 10s, 500ms or 1h30m, from 1ms to 1m, got "2m"',
    why: 'above its bound',
  },
  {
    kind: anyDuration,
    input: 'soon',
    fault: 'must be a duration such as 10s, 500ms or 1h30m, from 1ms to 1m, got "soon"',
    why: 'a word',
  },
  { kind: size(1), input: '4MiB', value: 4_194_304, why: 'binary units' },
  { kind: size(1), input: '10MB', value: 10_000_000, why: 'decimal units' },
  { kind: size(1), input: '512 kib', value: 524_288, why: 'people write a space and small letters' },
  { kind: size(1), input: 1024, value: 1024, why: 'no unit is bytes' },
  {
    kind: size(1, 1024),
    input: '4 lumps',
    fault: 'must be a size such as 4MiB or 512KiB, from 1B to 1KiB, got "4 lumps"',
    why: 'an unknown unit',
  },
  { kind: level, input: 'INFO', value: 'info', why: 'case is no meaning' },
  { kind: level, input: 'loud', fault: 'must be one of debug, info, got "loud"', why: 'no such word' },
  { kind: flagValue(), input: 'yes', value: true, why: 'one of the usual words' },
  { kind: flagValue(), input: false, value: false, why: 'a YAML boolean' },
  { kind: flagValue(), input: 'maybe', fault: 'must be true or false, got "maybe"', why: 'neither' },
  { kind: list({ takes: 'words' }), input: 'a, b ,a', value: ['a', 'b'], why: 'spaces and repeats go' },
  { kind: list({ takes: 'words' }), input: ['a', 7], value: ['a', '7'], why: 'YAML makes numbers of digits' },
  { kind: list({ takes: 'words' }), input: 'a\nb\n', value: ['a', 'b'], why: 'a file has one a line' },
  { kind: list({ takes: 'words' }), input: [], value: [], why: 'an empty list in a file is meant' },
  {
    kind: list({ takes: 'words' }),
    input: 'a,,b',
    fault: 'entry 2 is empty',
    why: '"$UNSET" between commas',
  },
  { kind: list({ takes: 'words' }), input: '', fault: 'entry 1 is empty', why: '"$UNSET" alone' },
  { kind: list({ takes: 'words' }), input: { a: 1 }, fault: 'must be a list of words', why: 'a map' },
  { kind: tokenList(), input: 'a1,b-2', value: ['a1', 'b-2'], why: 'tokens' },
  {
    kind: tokenList(),
    input: ['my secret'],
    fault: 'entry 1 must be printable ASCII without spaces, at most 4096 characters',
    why: 'no header can carry it, and the fault must not repeat it',
  },
  { kind: groupName(), input: 'team', value: 'team', why: 'a group' },
  { kind: groupName(), input: false, value: false, why: 'no group, as YAML writes it' },
  { kind: groupName(), input: 'false', value: false, why: 'no group, as a variable writes it' },
  { kind: groupName(), input: '', value: null, why: 'a variable that is there and empty' },
  { kind: groupName(), input: null, value: null, why: 'a key without a value' },
  { kind: groupName(), input: true, fault: 'must be the name of a group, or false', why: 'which one?' },
  { kind: groupName(), input: 'a b', fault: 'must be the name of a group, or false', why: 'no name' },
  { kind: hostName(), input: 'localhost', value: 'localhost', why: 'a name' },
  { kind: hostName(), input: '[::1]', value: '::1', why: 'brackets belong to URLs' },
  {
    kind: hostName(),
    input: 'localhost:80',
    fault: 'must be a host name or an address without port, got "localhost:80"',
    why: 'the port has its own setting',
  },
  {
    kind: hostName(),
    input: 'http://x',
    fault: 'must be a host name or an address without port, got "http://x"',
    why: 'a URL',
  },
  { kind: baseUrl(), input: 'https://x.example/a/', value: 'https://x.example/a', why: 'one form of a URL' },
  { kind: baseUrl(), input: '', value: null, why: 'generated when empty' },
  {
    kind: baseUrl(),
    input: 'ftp://x',
    fault:
      'must be an http or https URL without query and credentials, such as https://tools.example.com/mcp',
    why: 'not a web address',
  },
  {
    kind: baseUrl(),
    input: 'https://u:p@x.example',
    fault:
      'must be an http or https URL without query and credentials, such as https://tools.example.com/mcp',
    why: 'the fault must not repeat a password',
  },
  {
    kind: hostList(),
    input: 'a.example:8080,b',
    value: ['a.example:8080', 'b'],
    why: 'a Host header has a port',
  },
  {
    kind: hostList(),
    input: 'http://a',
    fault: 'entry 1 ("http://a") is not a host name, with or without a port',
    why: 'a URL',
  },
  {
    kind: addressList(),
    input: '10.0.0.0/8, ::1',
    value: ['10.0.0.0/8', '::1'],
    why: 'networks and addresses',
  },
  { kind: addressList(), input: ['10.0.0.1/8'], value: ['10.0.0.1/8'], why: 'host bits are cleared later' },
  {
    kind: addressList(),
    input: '10.0.0.0/33',
    fault: 'entry 1 ("10.0.0.0/33") is wrong: the prefix length must be a whole number from 0 to 32',
    why: 'a prefix too long',
  },
  {
    kind: addressList(),
    input: '::1,lan',
    fault: 'entry 2 ("lan") is wrong: not an IP address or CIDR block, such as 10.0.0.0/8 or ::1',
    why: 'a word',
  },
  {
    kind: originList(),
    input: 'https://a.example/x',
    fault: 'entry 1 ("https://a.example/x") is not an origin such as https://app.example.com',
    why: 'an origin has no path',
  },
]

describe('reading one value', () => {
  test.each([...rows])('$why', ({ kind, input, value, fault }) => {
    const expected: unknown = fault === undefined ? { value } : { fault }
    expect(kind.read(input) as unknown).toEqual(expected)
  })
})
