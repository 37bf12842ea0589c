/** Distinct names for the two addresses of a request, so that one is never taken for the other. */

declare const brand: unique symbol

/** The socket's peer: an IP without port, IPv4-mapped IPv6 already as IPv4; null on a unix socket. */
export type PeerAddress = string & { readonly [brand]: 'peer' }

/** The client after trusted proxies are taken off the chain. Only `net/forwarded.ts` makes one. */
export type ClientAddress = string & { readonly [brand]: 'client' }
