/**
 * Who the client is when reverse proxies stand between it and the gateway.
 *
 * Pure. The chain is walked from the right, because every proxy appends what it saw and everything
 * to the left of the first stranger was written by that stranger (CONTRACT.md, "Access rules").
 * Nothing here is read unless the socket's peer is a trusted proxy. Cases: test/net/forwarded.test.ts
 */
import type { ClientAddress, PeerAddress } from './address.ts'
import type { CidrSet } from './cidr.ts'
import { parseHost } from './host.ts'
import { formatIp, type Ip, parseIp } from './ip.ts'

/** The part of `Headers` that is used; several lines of one name must come joined by commas. */
export interface HeaderSource {
  get(name: string): string | null
}

export interface Forwarding {
  /** The client; the peer itself when no trusted proxy forwarded for it; null when nobody can say. */
  readonly client: ClientAddress | null
  /** What trusted proxies say the client addressed; null when they do not, or not credibly. */
  readonly proto: 'http' | 'https' | null
  readonly host: string | null
  /** A path without trailing slash, such as `/tools`. */
  readonly prefix: string | null
}

/** A chain longer than this ends at its last good hop: ten thousand entries cost no more than 64. */
const hopsMax = 64

/** Every header by which a proxy marks a request as forwarded; one of them present means "not from here". */
const markers = [
  'x-forwarded-for',
  'forwarded',
  'forwarded-for',
  'x-forwarded',
  'x-forwarded-by',
  'x-forwarded-scheme',
  'x-forwarded-ssl',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-prefix',
  'x-forwarded-port',
  'x-forwarded-server',
  'x-original-forwarded-for',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
  'fly-client-ip',
  'do-connecting-ip',
  'x-azure-clientip',
  'x-appengine-user-ip',
  'x-envoy-external-address',
  'x-original-host',
  'x-original-url',
  'cdn-loop',
  'via',
] as const

/** Whether any proxy, honest or pretended, has left a mark. */
export function hasForwardingHeaders(headers: HeaderSource): boolean {
  return markers.some((name) => headers.get(name) !== null)
}

/** Reads the chain. Without a trusted peer the answer is the peer and no header is looked at. */
export function readForwarding(
  peer: PeerAddress | null,
  headers: HeaderSource,
  trusted: CidrSet,
): Forwarding {
  if (peer === null || trusted.size === 0) return directFrom(peer)
  const peerIp = parseIp(peer)
  if (peerIp === null || !trusted.contains(peerIp)) return directFrom(peer)

  const list = headers.get('x-forwarded-for')
  const standard = headers.get('forwarded')
  const byList = list === null ? null : walk(peerIp, trusted, listEntries(list))
  const byStandard = standard === null ? null : walk(peerIp, trusted, forwardedEntries(standard))
  const walked = byList ?? byStandard
  // A proxy maintains one of the two headers and hands the other through from the client. When they
  // disagree there is no telling which one is the client's invention, so neither is believed.
  const conflict = byList !== null && byStandard !== null && byList.address !== byStandard.address
  const hops = walked?.hops ?? 1
  return {
    client: conflict ? null : ((walked?.address ?? peer) as string as ClientAddress),
    proto: readProto(pick(headers.get('x-forwarded-proto'), hops) ?? byStandard?.last?.proto),
    host:
      parseHost(pick(headers.get('x-forwarded-host'), hops) ?? byStandard?.last?.host ?? '')?.text ?? null,
    prefix: readPrefix(pick(headers.get('x-forwarded-prefix'), hops)),
  }
}

interface Entry {
  readonly ip: Ip
  readonly proto?: string | undefined
  readonly host?: string | undefined
}

interface Walk {
  readonly address: string
  /** Trusted addresses passed, the peer included. */
  readonly hops: number
  readonly last: Entry | null
}

/** What is known where no proxy speaks for the client: the peer is the client. */
export function directFrom(peer: PeerAddress | null): Forwarding {
  return { client: peer as string | null as ClientAddress | null, proto: null, host: null, prefix: null }
}

/** `entries` yields from right to left and stops, or yields null, at garbage. */
function walk(peer: Ip, trusted: CidrSet, entries: Iterable<Entry | null>): Walk {
  let address = formatIp(peer)
  let hops = 1
  let last: Entry | null = null
  for (const entry of entries) {
    if (entry === null) break
    address = formatIp(entry.ip)
    last = entry
    if (!trusted.contains(entry.ip) || hops === hopsMax) break
    hops++
  }
  return { address, hops, last }
}

function* listEntries(header: string): Iterable<Entry | null> {
  for (const text of fromRight(header, ',')) {
    const ip = parseNode(text)
    yield ip === null ? null : { ip }
  }
}

function* forwardedEntries(header: string): Iterable<Entry | null> {
  for (const text of fromRight(header, ',')) yield parseElement(text)
}

/**
 * The parts of a list from right to left, quoted strings kept whole. From the right, so that a quote
 * which a client opens and never closes cannot swallow the entry that the proxy appended after it.
 */
function* fromRight(text: string, separator: string): Iterable<string> {
  let end = text.length
  let quoted = false
  for (let i = text.length - 1; i >= 0; i--) {
    const char = text[i]
    if (char === '"' && !(quoted && isEscaped(text, i))) quoted = !quoted
    else if (char === separator && !quoted) {
      yield trimSpace(text.slice(i + 1, end))
      end = i
    }
  }
  yield trimSpace(text.slice(0, end))
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0
  while (text[at - 1 - slashes] === '\\') slashes++
  return slashes % 2 === 1
}

/** One element of `Forwarded` (RFC 7239); null without exactly one readable `for`. */
function parseElement(text: string): Entry | null {
  const pairs = new Map<string, string>()
  for (const pair of fromRight(text, ';')) {
    const equals = pair.indexOf('=')
    const name = pair.slice(0, equals).toLowerCase()
    if (equals < 1 || pairs.has(name)) return null
    pairs.set(name, unquote(pair.slice(equals + 1)))
  }
  const ip = parseNode(pairs.get('for') ?? '')
  return ip === null ? null : { ip, proto: pairs.get('proto'), host: pairs.get('host') }
}

function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text
  return text.slice(1, -1).replace(/\\(.)/g, '$1')
}

/** An address with an optional port: `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1`, `[2001:db8::1]:80`. */
function parseNode(text: string): Ip | null {
  if (text.startsWith('[')) {
    const close = text.indexOf(']')
    const inside = text.slice(1, Math.max(1, close))
    return inside.includes(':') && isPortOrNothing(text.slice(close + 1)) ? parseIp(inside) : null
  }
  const colon = text.indexOf(':')
  if (colon < 0 || text.indexOf(':', colon + 1) >= 0) return parseIp(text)
  return isPortOrNothing(text.slice(colon)) ? parseIp(text.slice(0, colon)) : null
}

function isPortOrNothing(text: string): boolean {
  return text === '' || /^:[0-9]{1,5}$/.test(text)
}

/** The value that the outermost trusted proxy wrote: as far from the right as the chain was believed. */
function pick(header: string | null, hops: number): string | undefined {
  if (header === null) return undefined
  let picked: string | undefined
  let passed = 0
  for (const value of fromRight(header, ',')) {
    picked = value
    if (++passed === hops) break
  }
  return picked
}

function readProto(text: string | undefined): Forwarding['proto'] {
  const lower = text?.toLowerCase()
  return lower === 'http' || lower === 'https' ? lower : null
}

/** A prefix goes into an SSE line and a URL: path segments of harmless characters, no `..`. */
function readPrefix(text: string | undefined): string | null {
  if (text === undefined || text.length > 256) return null
  const path = text.endsWith('/') ? text.slice(0, -1) : text
  if (path === '') return ''
  return /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/.test(path) ? path : null
}

function trimSpace(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && (text[start] === ' ' || text[start] === '\t')) start++
  while (end > start && (text[end - 1] === ' ' || text[end - 1] === '\t')) end--
  return text.slice(start, end)
}
