/** Distinct names for the two addresses of a request, so that one is never taken for the other. */
import { formatIp, isLoopback, parseIp } from './ip.ts'

declare const brand: unique symbol

/** The socket's peer: an IP without port, IPv4-mapped IPv6 already as IPv4; null on a unix socket. */
export type PeerAddress = string & { readonly [brand]: 'peer' }

/** The client after trusted proxies are taken off the chain. Only `net/forwarded.ts` makes one. */
export type ClientAddress = string & { readonly [brand]: 'client' }

/** The peer as the socket names it, made canonical; null where there is none or it is no IP address. */
export function peerAddress(socketText: string | null | undefined): PeerAddress | null {
  if (socketText === null || socketText === undefined) return null
  // The kernel writes IPv4 canonically, so the common case costs no parse.
  if (!socketText.includes(':') && parseIp(socketText) !== null) return socketText as PeerAddress
  const ip = parseIp(socketText)
  return ip === null ? null : (formatIp(ip) as PeerAddress)
}

/** Whether a peer is this machine. A null peer (unix socket) is not: anything may stand behind it. */
export function isLoopbackPeer(peer: PeerAddress | null): boolean {
  const ip = peer === null ? null : parseIp(peer)
  return ip !== null && isLoopback(ip)
}

/**
 * The name under which one client is counted: an IPv4 address, or the /64 of an IPv6 address,
 * because a single host owns a whole /64 and could take a fresh address for each request.
 */
export function countingKey(address: PeerAddress | ClientAddress): string {
  if (!address.includes(':')) return address
  const ip = parseIp(address)
  if (ip === null || ip.family === 4) return address
  return `${formatIp({ family: 6, words: [ip.words[0], ip.words[1], 0, 0] })}/64`
}
