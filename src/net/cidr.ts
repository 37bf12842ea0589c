/**
 * Sets of IP networks: compiled once at start, asked on every request.
 *
 * `ip-cidr` computes the range of a network that is already in canonical form, and no more. It reads texts too
 * leniently for an allow-list (`10.0.0.0/08`; an IPv4-mapped network counts as one address), so `parseIp` reads
 * them, and it builds objects and big integers for each question, so the matcher is our own.
 */
import { formatIp, type Ip, type Ip6, parseIp } from './ip.ts'

/** Loaded when a network is listed, which most gateways do not; at once, since settings are checked in one go. */
const ipCidr = () => require('ip-cidr') as typeof import('ip-cidr')

/** Networks as inclusive ranges. Made by `parseCidrSet` only. */
export interface CidrSet {
  /** Number of entries; 0 means that nothing was listed, which some rules read as "no restriction". */
  readonly size: number
  contains(ip: Ip): boolean
}

export type CidrParse =
  | { readonly ok: true; readonly set: CidrSet; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly errors: readonly string[] }

interface Range4 {
  readonly first: number
  readonly last: number
}

interface Range6 {
  readonly first: Ip6['words']
  readonly last: Ip6['words']
}

/**
 * Compiles a list such as `["10.0.0.0/8", "::1", "192.168.1.5"]`. Host bits are cleared with a
 * warning; anything that is no network is an error that quotes it and says what is wrong.
 */
export function parseCidrSet(texts: readonly string[]): CidrParse {
  const errors: string[] = []
  const warnings: string[] = []
  const ranges4: Range4[] = []
  const ranges6: Range6[] = []
  for (const raw of texts) {
    const text = raw.trim()
    const range = parseNetwork(text, warnings)
    if (typeof range === 'string') errors.push(`"${raw}": ${range}`)
    else if (range.first.family === 4 && range.last.family === 4) {
      ranges4.push({ first: range.first.value, last: range.last.value })
    } else if (range.first.family === 6 && range.last.family === 6) {
      ranges6.push({ first: range.first.words, last: range.last.words })
    }
  }
  if (errors.length > 0) return { ok: false, errors }
  return { ok: true, set: compile(ranges4, ranges6), warnings }
}

/** The empty set: contains nothing. */
export const noNetworks: CidrSet = compile([], [])

function compile(ranges4: readonly Range4[], ranges6: readonly Range6[]): CidrSet {
  return {
    size: ranges4.length + ranges6.length,
    contains(ip) {
      if (ip.family === 4) {
        for (const range of ranges4) if (ip.value >= range.first && ip.value <= range.last) return true
        return false
      }
      for (const range of ranges6) {
        if (compareWords(ip.words, range.first) >= 0 && compareWords(ip.words, range.last) <= 0) return true
      }
      return false
    },
  }
}

function compareWords(a: Ip6['words'], b: Ip6['words']): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || a[3] - b[3]
}

/** One entry as its first and last address, or the reason why it is none. */
function parseNetwork(text: string, warnings: string[]): { first: Ip; last: Ip } | string {
  const match = /^([^/]*)(?:\/(.*))?$/.exec(text)
  const addressText = match?.[1] ?? ''
  const prefixText = match?.[2]
  const address = parseIp(addressText)
  if (address === null) return 'not an IP address or CIDR block, such as 10.0.0.0/8 or ::1'
  if (addressText.includes('%')) warnings.push(`"${text}": the zone after % is ignored`)
  if (prefixText === undefined) return { first: address, last: address }
  // What is written as IPv6 but is IPv4-mapped counts its prefix from bit 96.
  const mapped = address.family === 4 && addressText.includes(':')
  const bitsMax = address.family === 4 && !mapped ? 32 : 128
  if (!/^(0|[1-9][0-9]{0,2})$/.test(prefixText) || Number(prefixText) > bitsMax) {
    return `the prefix length must be a whole number from 0 to ${bitsMax}`
  }
  if (mapped && Number(prefixText) < 96) return 'an IPv4-mapped network needs a prefix length of 96 or more'
  const bits = Number(prefixText) - (mapped ? 96 : 0)
  return networkRange(text, address, bits, warnings)
}

function networkRange(
  text: string,
  address: Ip,
  bits: number,
  warnings: string[],
): { first: Ip; last: Ip } | string {
  const { default: IPCIDR } = ipCidr()
  let cidr: InstanceType<typeof IPCIDR>
  try {
    cidr = new IPCIDR(`${formatIp(address)}/${bits}`)
  } catch {
    return 'not a CIDR block'
  }
  const first = parseIp(cidr.start<string>())
  const end = parseIp(cidr.end<string>())
  // `::/80` ends with the last IPv4-mapped address. Lost, the entry would restrict nobody.
  const last: Ip | null =
    address.family === 6 && end?.family === 4 ? { family: 6, words: [0, 0, 0xffff, end.value] } : end
  if (first === null || last === null) return 'not a CIDR block'
  if (formatIp(first) !== formatIp(address)) {
    warnings.push(`"${text}" has host bits set; taken as the network ${formatIp(first)}/${bits}`)
  }
  return { first, last }
}
