/** Reads the `Host` of a request, strictly: it decides access and goes into URLs that clients follow. */
import { formatIp, isLoopback, parseIp } from './ip.ts'

export interface HostName {
  /** Lower case, without port, brackets or a trailing dot. */
  readonly name: string
  /** Digits, or empty. */
  readonly port: string
  /** Lower case, as it stands in a URL. */
  readonly text: string
  /** Only this machine can be meant. */
  readonly loopback: boolean
}

/** RFC 3986 names and addresses only; no percent-encoding, no user info, and `_` because container names have it. */
const plain = /^(?:([a-z0-9_](?:[a-z0-9._-]*[a-z0-9._])?)|\[([0-9a-f:.]+)\])(?::([0-9]{1,5}))?$/

/** The parts of a host text such as `localhost:6001` or `[::1]`, or null. */
export function parseHost(text: string): HostName | null {
  if (text.length > 260) return null
  const lower = text.toLowerCase()
  const match = plain.exec(lower)
  if (match === null) return null
  const [, written = '', literal = '', port = ''] = match
  const ip = literal === '' ? null : parseIp(literal)
  if (literal !== '' && ip === null) return null
  const name = ip === null ? written.replace(/\.$/, '') : formatIp(ip)
  return { name, port, text: lower, loopback: isLoopbackHost(name) }
}

/** `localhost`, or a loopback address: the names under which only this machine can be meant. */
export function isLoopbackHost(name: string): boolean {
  if (name === 'localhost') return true
  const ip = parseIp(name)
  return ip !== null && isLoopback(ip)
}

/** A host as it stands in a URL: an address of IPv6 in brackets. */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** Whether a host is an IP address: a page cannot make one its own, as it can a name (DNS rebinding). */
export function isIpHost(name: string): boolean {
  return parseIp(name) !== null
}
