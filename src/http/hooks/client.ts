/** First hook: who is asking from where, and under which URL. It refuses nobody. */
import type { PeerAddress } from '../../net/address.ts'
import { type Forwarding, readForwarding } from '../../net/forwarded.ts'
import type { HostName } from '../../net/host.ts'
import type { AccessRules } from './rules.ts'

/** The forwarding chain of a request, read through the trusted proxies. */
export function settleClient(peer: PeerAddress | null, headers: Headers, rules: AccessRules): Forwarding {
  return readForwarding(peer, headers, rules.trusted)
}

/**
 * The URL of the gateway as this client sees it. Each part comes from a trusted proxy, else from
 * `base_url`, else from the request itself. A `base_url` on a loopback name is for this machine only:
 * whoever came under another name could not follow it.
 */
export function externalBaseOf(host: HostName | null, forwarding: Forwarding, rules: AccessRules): string {
  const asked = host?.text ?? 'localhost'
  const base = rules.base?.loopback === true && host?.loopback !== true ? null : rules.base
  const proto = forwarding.proto ?? base?.proto ?? 'http'
  return `${proto}://${forwarding.host ?? base?.host ?? asked}${forwarding.prefix ?? base?.prefix ?? ''}`
}
