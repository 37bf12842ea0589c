/**
 * Keeps registered URLs away from places that no MCP server lives in.
 *
 * The attack: somebody who may register a server, or a server that redirects, points the gateway at
 * the metadata service of the cloud machine it runs on and reads that machine's credentials. Names
 * are resolved and every address is judged, because a harmless name may lead to a forbidden address.
 * Called at registration, and by the HTTP transports before each connect and each redirect.
 *
 * A name server could answer differently a moment later, when the connection is made: the transports
 * connect to the addresses that were judged here (`routes.ts`).
 */
import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { GatewayError } from '../../../../errors.ts'
import { formatIp, parseIp } from '../../../../net/ip.ts'
import type { OutgoingProxies } from '../../../../net/outgoing-proxy.ts'
import { within } from '../../../../runtime/patience.ts'
import type { UrlGuard } from './routes.ts'

/** Where a socket listens: a host as it was bound (an address or a name, IPv6 without brackets), and its port. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

export interface UrlPolicy {
  /** `security.privateUpstreams`: whether loopback and private networks may be reached. */
  readonly privateUpstreams: 'allowed' | 'refused'
  /** Every address of a host name; the system's resolver when absent. */
  readonly resolve?: (host: string) => Promise<readonly string[]>
  /** Where the gateway itself listens, which is never an upstream; null as long as it does not. */
  readonly ownListener?: () => ListenAddress | null
  /** The addresses of this machine; those of its network interfaces when absent. */
  readonly interfaceAddresses?: () => readonly string[]
}

const resolveMsMax = 5_000

/** Names under which clouds serve credentials; they are refused even where they do not resolve. */
const metadataNames: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'metadata.azure.internal',
  'metadata.tencentyun.com',
  'instance-data',
  'instance-data.ec2.internal',
  'rancher-metadata',
])

/** Never a server: what the cloud, the link or nobody answers on. */
const forbidden = ranges([
  ['0.0.0.0/8', 'an unspecified address'],
  ['169.254.0.0/16', 'a link-local address, where clouds serve credentials'],
  ['100.100.100.200/32', 'the metadata service of Alibaba Cloud'],
  ['168.63.129.16/32', 'the platform service of Azure'],
  ['192.0.0.192/32', 'the metadata service of Oracle Cloud'],
  ['224.0.0.0/4', 'a multicast address'],
  ['240.0.0.0/4', 'a reserved address'],
  ['::/128', 'an unspecified address'],
  ['fe80::/10', 'a link-local address'],
  ['fec0::/10', 'a site-local address'],
  ['fd00:ec2::/32', 'the metadata service of AWS'],
  ['fd20:ce::254/128', 'the metadata service of Google Cloud'],
  ['ff00::/8', 'a multicast address'],
])

const loopback = ranges([
  ['127.0.0.0/8', 'a loopback address'],
  ['::1/128', 'a loopback address'],
])

/** Fine for most gateways, which sit next to their servers; refused on request. */
const privateNetworks = [
  ...loopback,
  ...ranges([
    ['10.0.0.0/8', 'a private address'],
    ['100.64.0.0/10', 'a carrier-internal address'],
    ['172.16.0.0/12', 'a private address'],
    ['192.0.0.0/24', 'a protocol-internal address'],
    ['192.168.0.0/16', 'a private address'],
    ['198.18.0.0/15', 'a benchmarking address'],
    ['fc00::/7', 'a private address'],
  ]),
]

type Ranges = readonly { readonly why: string; readonly block: BlockList }[]

function ranges(rows: readonly (readonly [string, string])[]): Ranges {
  return rows.map(([range, why]) => {
    const [network = '', bits = ''] = range.split('/')
    const block = new BlockList()
    block.addSubnet(network, Number(bits), network.includes(':') ? 'ipv6' : 'ipv4')
    return { why, block }
  })
}

/**
 * Resolves with the addresses of the URL's host when it may be connected to. Rejects with URL_FORBIDDEN
 * when it may not be, and with SERVER_UNAVAILABLE when its host cannot be resolved within 5 s.
 *
 * `from` is the URL that redirects here. A server may redirect outwards or to its like, never further in: who
 * registers a URL inside means it, while a stranger's redirect inside is an attack. On this machine its like is
 * its own port: another one is another program, which may trust whoever comes from here.
 *
 * Nothing leads to the gateway's own listener, neither a registered URL nor a redirect: its admin API trusts this
 * machine, and a server that is the gateway itself would wait for itself.
 */
export async function checkUpstreamUrl(
  url: URL,
  policy: UrlPolicy,
  from: URL | null = null,
): Promise<readonly string[]> {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new GatewayError('URL_FORBIDDEN', `A server's URL must be http or https, not ${url.protocol}`)
  }
  const host = hostOf(url)
  if (metadataNames.has(host)) throw refusal(host, host, 'a metadata service of a cloud')
  const addresses = await addressesOf(host, policy)
  for (const address of addresses) {
    const why = reasonAgainst(address, policy)
    if (why !== null) throw refusal(host, address, why)
  }
  if (addresses.some((address) => isOwnListener(address, portOf(url), policy))) {
    const details =
      from === null
        ? `${url.host} is this gateway itself. The gateway does not connect to itself; give the URL of the server.`
        : `${from.host} redirects to ${url.host}, which is this gateway itself. The gateway does not follow.`
    throw new GatewayError('URL_FORBIDDEN', details)
  }
  if (from !== null) await checkRedirect(url, addresses, from, policy)
  return addresses
}

/** The guard of one HTTP wire, where outgoing proxies may stand in between. */
export function upstreamGuard(policy: UrlPolicy, proxies: OutgoingProxies): UrlGuard {
  // Asked on every connect and redirect: a name that was harmless at registration may point elsewhere now.
  return async (url, from) => {
    const addresses = await checkUpstreamUrl(url, policy, from)
    // An outgoing proxy makes the connection, and looks at names to let it through.
    return proxies.carriesClearText ? undefined : addresses
  }
}

async function checkRedirect(
  url: URL,
  addresses: readonly string[],
  from: URL,
  policy: UrlPolicy,
): Promise<void> {
  const depths = (await addressesOf(hostOf(from), policy)).map((address) => depthOf(address, policy))
  const outermost = Math.min(...depths)
  const inner = addresses.find((address) => depthOf(address, policy) > outermost)
  if (inner !== undefined) {
    const details = `${from.host} redirects to ${hostOf(url)}, which lies further in (${inner}). The gateway does not follow.`
    throw new GatewayError('URL_FORBIDDEN', details)
  }
  if (portOf(url) !== portOf(from) && addresses.some((address) => isThisMachine(address, policy))) {
    const details = `${from.host} redirects to ${url.host}, another port of this machine. The gateway does not follow; register that URL itself if it is meant.`
    throw new GatewayError('URL_FORBIDDEN', details)
  }
}

/**
 * The URL parser has already turned 0xa9fea9fe, 2852039166, 0251.0376.… and full-width digits into dotted
 * form, so what is judged here is what will be connected to.
 */
function hostOf(url: URL): string {
  return url.hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.+$/, '')
}

function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port)
  return protocol === 'https:' ? 443 : 80
}

async function addressesOf(host: string, policy: UrlPolicy): Promise<readonly string[]> {
  return isIP(host) === 0 ? await resolveHost(host, policy) : [host]
}

/** 0 outside, 1 in a private network, 2 on this machine. */
function depthOf(address: string, policy: UrlPolicy): number {
  if (isThisMachine(address, policy)) return 2
  return isIn(address, privateNetworks) === null ? 0 : 1
}

/** A loopback address, or one of the machine's own on a network. */
function isThisMachine(address: string, policy: UrlPolicy): boolean {
  if (isIn(address, loopback) !== null) return true
  const own = (policy.interfaceAddresses ?? systemAddresses)().map(canonical)
  return readingsOf(address).some((reading) => own.includes(canonical(reading)))
}

/** A socket that is bound to one address is reached by that one; any other, by every address of the machine. */
function isOwnListener(address: string, port: number, policy: UrlPolicy): boolean {
  const own = policy.ownListener?.() ?? null
  if (own === null || own.port !== port) return false
  const bound = parseIp(own.host)
  if (bound === null || isUnspecified(formatIp(bound))) return isThisMachine(address, policy)
  return readingsOf(address).some((reading) => canonical(reading) === formatIp(bound))
}

function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

/** Equal addresses give equal text. */
function canonical(address: string): string {
  const ip = parseIp(address)
  return ip === null ? address : formatIp(ip)
}

function systemAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address))
}

function refusal(host: string, address: string, why: string): GatewayError {
  const target = host === address ? `${host} is ${why}` : `${host} leads to ${address}, which is ${why}`
  const cure = privateNetworks.some((range) => range.why === why)
    ? ' (security.private_upstreams is refused)'
    : ''
  return new GatewayError('URL_FORBIDDEN', `${target}. The gateway does not connect there${cure}.`)
}

async function resolveHost(host: string, policy: UrlPolicy): Promise<readonly string[]> {
  const tooSlow = () => unresolved(host)
  try {
    const addresses = await within((policy.resolve ?? systemResolve)(host), resolveMsMax, tooSlow)
    if (addresses.length === 0) throw unresolved(host)
    return addresses
  } catch {
    throw unresolved(host)
  }
}

function unresolved(host: string): GatewayError {
  return new GatewayError(
    'SERVER_UNAVAILABLE',
    `The host name ${host} could not be resolved: check its spelling in url, and the DNS of this machine.`,
  )
}

async function systemResolve(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address)
}

/** Why an address is refused, or null. An address that cannot be read is refused, too. */
function reasonAgainst(address: string, policy: UrlPolicy): string | null {
  if (isIP(withoutZone(address)) === 0) return 'not an address'
  return isIn(address, policy.privateUpstreams === 'refused' ? [...forbidden, ...privateNetworks] : forbidden)
}

/** What the range that an address lies in is; null when it lies in none of them. */
function isIn(address: string, ranges: Ranges): string | null {
  for (const candidate of readingsOf(address)) {
    const version = isIP(candidate) === 6 ? 'ipv6' : 'ipv4'
    const found = ranges.find(({ block }) => block.check(candidate, version))
    if (found !== undefined) return found.why
  }
  return null
}

/** The address itself, and those that others read out of it. */
function readingsOf(address: string): string[] {
  const bare = withoutZone(address)
  return isIP(bare) === 6 ? [bare, ...embeddedIpv4(bare)] : [bare]
}

/** `fe80::1%eth0`: the zone names an interface of this machine. */
function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? ''
}

/** The IPv4 addresses that routers and kernels read out of an IPv6 one. */
function embeddedIpv4(address: string): string[] {
  const groups = groupsOf(address)
  const at = (index: number, mask = 0): string => {
    const [high, low] = [(groups[index] ?? 0) ^ mask, (groups[index + 1] ?? 0) ^ mask]
    return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
  }
  const startsWith = (...prefix: number[]): boolean => prefix.every((group, index) => groups[index] === group)
  // ::1 is loopback and :: unspecified, not the IPv4 addresses 0.0.0.1 and 0.0.0.0.
  if (startsWith(0, 0, 0, 0, 0, 0, 0)) return []
  if (startsWith(0, 0, 0, 0, 0, 0) || startsWith(0, 0, 0, 0, 0, 0xffff)) return [at(6)]
  if (startsWith(0, 0, 0, 0, 0xffff, 0)) return [at(6)]
  // NAT64, well-known and local-use prefix (RFC 6052, RFC 8215).
  if (startsWith(0x64, 0xff9b)) return [at(6)]
  // 6to4 (RFC 3056), and Teredo with its inverted client address (RFC 4380).
  if (startsWith(0x2002)) return [at(1)]
  if (startsWith(0x2001, 0)) return [at(2), at(6, 0xffff)]
  return []
}

/** The eight 16-bit groups; the URL parser writes every spelling in one canonical form. */
function groupsOf(address: string): number[] {
  const canonical = URL.parse(`http://[${address}]/`)?.hostname.slice(1, -1) ?? '::'
  const [head = '', tail] = canonical.split('::')
  const read = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
  const [left, right] = [read(head), read(tail ?? '')]
  return tail === undefined
    ? left
    : [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right]
}
