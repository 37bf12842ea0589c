/**
 * Reads and writes IP addresses, strictly.
 *
 * Pure. Only the canonical notations count: dotted decimal without leading zeros (`010.0.0.1` is
 * octal to some readers, so it is nothing here) and RFC 4291 text for IPv6. An IPv4-mapped IPv6
 * address *is* its IPv4 address, because a dual-stack socket reports one for the other.
 */

export interface Ip4 {
  readonly family: 4
  /** Unsigned 32 bits. */
  readonly value: number
}

export interface Ip6 {
  readonly family: 6
  /** Four unsigned 32-bit words, most significant first. */
  readonly words: readonly [number, number, number, number]
}

export type Ip = Ip4 | Ip6

/** The longest text that can be an address: full IPv6 with an embedded IPv4, and a zone. */
const textMax = 80

/** The address that `text` spells, or null. A zone (`%eth0`) is dropped: it names a local interface, not a host. */
export function parseIp(text: string): Ip | null {
  if (text.length > textMax) return null
  if (!text.includes(':')) {
    const value = parseIp4(text)
    return value === null ? null : { family: 4, value }
  }
  const zone = text.indexOf('%')
  if (zone === text.length - 1) return null
  return parseIp6(zone < 0 ? text : text.slice(0, zone))
}

/** Canonical text: dotted decimal, or RFC 5952. Equal addresses give equal text. */
export function formatIp(ip: Ip): string {
  if (ip.family === 4) {
    const { value } = ip
    return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
  }
  const groups = ip.words.flatMap((word) => [word >>> 16, word & 0xffff])
  const [start, length] = longestZeroRun(groups)
  const hex = groups.map((group) => group.toString(16))
  if (length < 2) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

/** 127.0.0.0/8 or ::1. */
export function isLoopback(ip: Ip): boolean {
  if (ip.family === 4) return ip.value >>> 24 === 127
  const [a, b, c, d] = ip.words
  return a === 0 && b === 0 && c === 0 && d === 1
}

function parseIp4(text: string): number | null {
  const length = text.length
  if (length < 7 || length > 15) return null
  let value = 0
  let octet = -1
  let dots = 0
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code === 46) {
      if (octet < 0 || ++dots > 3) return null
      value = value * 256 + octet
      octet = -1
    } else {
      const digit = code - 48
      if (digit < 0 || digit > 9 || octet === 0) return null
      octet = octet < 0 ? digit : octet * 10 + digit
      if (octet > 255) return null
    }
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : null
}

function parseIp6(text: string): Ip | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const head = parseGroups(halves[0] ?? '', halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : []
  if (head === null || tail === null) return null
  const missing = 8 - head.length - tail.length
  // "::" stands for at least one group; without it there are exactly eight.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail]
  const word = (at: number): number => (groups[at] ?? 0) * 65_536 + (groups[at + 1] ?? 0)
  const words: Ip6['words'] = [word(0), word(2), word(4), word(6)]
  if (words[0] === 0 && words[1] === 0 && words[2] === 0xffff) return { family: 4, value: words[3] }
  return { family: 6, words }
}

function parseGroups(text: string, mayEndInIp4: boolean): number[] | null {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (part.includes('.')) {
      const value = mayEndInIp4 && index === parts.length - 1 ? parseIp4(part) : null
      if (value === null) return null
      groups.push(value >>> 16, value & 0xffff)
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return null
      groups.push(Number.parseInt(part, 16))
    }
  }
  return groups
}

function longestZeroRun(groups: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0]
  let start = 0
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue
    if (i - start > best[1]) best = [start, i - start]
    start = i + 1
  }
  return best
}
