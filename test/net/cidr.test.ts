import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import IPCIDR from 'ip-cidr'
import { type CidrSet, noNetworks, parseCidrSet } from '../../src/net/cidr.ts'
import { formatIp, parseIp } from '../../src/net/ip.ts'

function setOf(...texts: string[]): CidrSet {
  const parsed = parseCidrSet(texts)
  if (!parsed.ok) throw new Error(parsed.errors.join('; '))
  return parsed.set
}

function has(set: CidrSet, text: string): boolean {
  const ip = parseIp(text)
  if (ip === null) throw new Error(`${text} is no address`)
  return set.contains(ip)
}

describe('a CIDR set', () => {
  test.each([
    {
      list: ['10.0.0.0/8'],
      inside: ['10.0.0.0', '10.255.255.255', '::ffff:10.1.1.1'],
      outside: ['9.255.255.255', '11.0.0.0', '::a00:1'],
    },
    { list: ['192.0.2.5'], inside: ['192.0.2.5'], outside: ['192.0.2.4', '192.0.2.6'] },
    { list: ['0.0.0.0/0'], inside: ['0.0.0.0', '255.255.255.255'], outside: ['::1'] },
    { list: ['::/0'], inside: ['::', 'ffff::'], outside: ['10.0.0.1'] },
    { list: ['2001:db8::/33'], inside: ['2001:db8:7fff:ffff::1'], outside: ['2001:db8:8000::'] },
    { list: ['::/80'], inside: ['::', '::1', '::fffe:ffff:ffff'], outside: ['10.0.0.1', '0:0:0:1::'] },
    { list: ['::fffe:0:0/95'], inside: ['::fffe:1:1'], outside: ['10.0.0.1', '::1'] },
    { list: ['fe80::/10'], inside: ['fe80::1%eth0', 'febf::'], outside: ['fec0::'] },
    { list: ['::ffff:10.0.0.0/104'], inside: ['10.9.9.9'], outside: ['11.0.0.0'] },
    { list: ['::ffff:192.0.2.1'], inside: ['192.0.2.1'], outside: ['192.0.2.2'] },
    { list: ['::1', '127.0.0.0/8'], inside: ['::1', '127.1.2.3'], outside: ['::2', '128.0.0.0'] },
    {
      list: ['255.255.255.255/32', '128.0.0.0/1'],
      inside: ['255.255.255.255', '128.0.0.0'],
      outside: ['127.255.255.255'],
    },
    { list: [' 10.0.0.0/8 '], inside: ['10.1.1.1'], outside: ['11.1.1.1'] },
    { list: [], inside: [], outside: ['0.0.0.0', '::'] },
  ])('of $list holds exactly its addresses', ({ list, inside, outside }) => {
    const set = setOf(...list)
    expect(set.size).toBe(list.length)
    for (const text of inside) expect(has(set, text)).toBe(true)
    for (const text of outside) expect(has(set, text)).toBe(false)
  })

  test.each([
    { text: '10.0.0.1/8', warning: '"10.0.0.1/8" has host bits set; taken as the network 10.0.0.0/8' },
    {
      text: '2001:db8::1/32',
      warning: '"2001:db8::1/32" has host bits set; taken as the network 2001:db8::/32',
    },
    {
      text: '::ffff:10.0.0.1/104',
      warning: '"::ffff:10.0.0.1/104" has host bits set; taken as the network 10.0.0.0/8',
    },
    { text: 'fe80::%eth0/64', warning: '"fe80::%eth0/64": the zone after % is ignored' },
  ])('takes $text with a warning', ({ text, warning }) => {
    const parsed = parseCidrSet([text])
    if (!parsed.ok) expect.unreachable()
    expect(parsed.warnings).toEqual([warning])
  })

  test.each([
    { text: '10.0.0.0/33', fault: '"10.0.0.0/33": the prefix length must be a whole number from 0 to 32' },
    { text: '::1/129', fault: '"::1/129": the prefix length must be a whole number from 0 to 128' },
    { text: '10.0.0.0/08', fault: '"10.0.0.0/08": the prefix length must be a whole number from 0 to 32' },
    { text: '10.0.0.0/-1', fault: '"10.0.0.0/-1": the prefix length must be a whole number from 0 to 32' },
    { text: '10.0.0.0/', fault: '"10.0.0.0/": the prefix length must be a whole number from 0 to 32' },
    {
      text: '10.0.0.0/255.0.0.0',
      fault: '"10.0.0.0/255.0.0.0": the prefix length must be a whole number from 0 to 32',
    },
    {
      text: '::ffff:10.0.0.0/8',
      fault: '"::ffff:10.0.0.0/8": an IPv4-mapped network needs a prefix length of 96 or more',
    },
    { text: 'office', fault: '"office": not an IP address or CIDR block, such as 10.0.0.0/8 or ::1' },
    { text: '', fault: '"": not an IP address or CIDR block, such as 10.0.0.0/8 or ::1' },
    { text: '10.0.0/8', fault: '"10.0.0/8": not an IP address or CIDR block, such as 10.0.0.0/8 or ::1' },
    { text: '*', fault: '"*": not an IP address or CIDR block, such as 10.0.0.0/8 or ::1' },
  ])('refuses "$text" by name', ({ text, fault }) => {
    expect(parseCidrSet(['127.0.0.1', text])).toEqual({ ok: false, errors: [fault] })
  })

  test('names every bad entry, not only the first', () => {
    const parsed = parseCidrSet(['a', '10.0.0.0/8', 'b'])
    if (parsed.ok) expect.unreachable()
    expect(parsed.errors).toHaveLength(2)
  })

  test('the empty set holds nothing', () => {
    expect(noNetworks.size).toBe(0)
    expect(has(noNetworks, '127.0.0.1')).toBe(false)
  })

  test('agrees with the library about random networks and addresses', () => {
    const network = fc.oneof(
      fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })),
      fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })),
    )
    fc.assert(
      fc.property(network, fc.oneof(fc.ipV4(), fc.ipV6()), ([address, bits], probe) => {
        const ip = parseIp(address)
        const other = parseIp(probe)
        fc.pre(ip !== null && other !== null && ip.family === other.family)
        // The library misreads IPv4-mapped networks, which the table above covers.
        fc.pre((ip.family === 6) === address.includes(':') && (other.family === 6) === probe.includes(':'))
        const cidr = `${formatIp(ip)}/${bits}`
        expect(setOf(cidr).contains(other)).toBe(new IPCIDR(cidr).contains(formatIp(other)))
      }),
    )
  })
})
