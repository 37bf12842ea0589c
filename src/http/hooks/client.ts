/** First hook: who is asking from where, and under which URL. It refuses nobody. */
import { type PeerAddress, peerAddress } from '../../net/address.ts'
import { directFrom, type Forwarding, readForwarding } from '../../net/forwarded.ts'
import { type HostName, parseHost } from '../../net/host.ts'
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
function externalBaseOf(host: HostName | null, forwarding: Forwarding, rules: AccessRules): string {
  const asked = host?.text ?? 'localhost'
  const base = rules.base?.loopback === true && host?.loopback !== true ? null : rules.base
  const proto = forwarding.proto ?? base?.proto ?? rules.scheme
  return `${proto}://${forwarding.host ?? base?.host ?? asked}${forwarding.prefix ?? base?.prefix ?? ''}`
}

/** What was read last: nearly every request has the same host and peer, and reading them anew costs as much as a token. */
export class ClientMemory {
  /** What is known of a client that comes without a proxy: the last peer's. */
  direct: Forwarding = directFrom(null)
  #hostText = ''
  #host: HostName | null = null
  #socketAddress: string | null = null
  #peer: PeerAddress | null = null
  #baseFor: Forwarding | null = null
  #baseHost: HostName | null = null
  #baseRules: AccessRules | null = null
  #base = ''

  hostOf(text: string): HostName | null {
    if (text !== this.#hostText) {
      this.#host = parseHost(text)
      this.#hostText = text
    }
    return this.#host
  }

  /** Behind one proxy, or from one machine, it is the same peer again and again. */
  peerOf(socketAddress: string | null): PeerAddress | null {
    if (socketAddress !== this.#socketAddress) {
      this.#socketAddress = socketAddress
      this.#peer = peerAddress(socketAddress)
      this.direct = directFrom(this.#peer)
    }
    return this.#peer
  }

  baseOf(host: HostName | null, forwarding: Forwarding, rules: AccessRules): string {
    const same = forwarding === this.#baseFor && host === this.#baseHost && rules === this.#baseRules
    if (!same) {
      this.#baseFor = forwarding
      this.#baseHost = host
      this.#baseRules = rules
      this.#base = externalBaseOf(host, forwarding, rules)
    }
    return this.#base
  }
}
