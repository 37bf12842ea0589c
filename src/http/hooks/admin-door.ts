/** Third and fourth hook, for the admin API: its address rules, and from a token to a Principal. */
import { anonymous, type Principal } from '../../access/principal.ts'
import { bearerOf, type Digest, digestOfAsked } from '../../access/tokens.ts'
import { GatewayError } from '../../errors.ts'
import { type ClientAddress, isLoopbackPeer, type PeerAddress } from '../../net/address.ts'
import { hasForwardingHeaders } from '../../net/forwarded.ts'
import { parseIp } from '../../net/ip.ts'
import { tokenlessAdminError } from './origin.ts'
import type { AccessRules } from './rules.ts'

/** The allow-list, and without admin tokens: only this machine, straight, with no proxy in between. */
export function checkAdminAddress(
  peer: PeerAddress | null,
  client: ClientAddress | null,
  headers: Headers,
  rules: AccessRules,
): GatewayError | null {
  if (rules.adminAllow.size > 0) {
    const ip = client === null ? null : parseIp(client)
    if (ip === null || !rules.adminAllow.contains(ip)) {
      return new GatewayError(
        'ADDRESS_FORBIDDEN',
        `The address ${client ?? 'of this client is unknown and'} is not in auth.admin_allow_ips.`,
      )
    }
  }
  if (rules.adminAsks) return null
  if (!isLoopbackPeer(peer)) return tokenlessAdminError(`A request from ${peer ?? 'a unix socket'}`)
  // Whoever forwards from here speaks for somebody elsewhere.
  return hasForwardingHeaders(headers) ? tokenlessAdminError('A forwarded request') : null
}

/**
 * The principal of an admin request. `isClientToken` tells a wrong key from no key: 403, not 401. `key` is who has
 * shown a key, which may be one for MCP endpoints.
 */
export function authenticateAdmin(
  authorization: string | null,
  rules: AccessRules,
  isClientToken: (digest: Digest) => boolean,
  key: Principal | null = null,
): Principal | GatewayError {
  if (!rules.adminAsks) return anonymous
  if (key !== null) return key.role === 'client' ? clientsOnly() : key
  const token = bearerOf(authorization)
  if (token === null) return unauthenticated()
  const digest = digestOfAsked(token)
  const principal = rules.admin.find(digest)
  if (principal !== null) return principal
  return isClientToken(digest) ? clientsOnly() : unauthenticated()
}

function clientsOnly(): GatewayError {
  return new GatewayError(
    'ADMIN_FORBIDDEN',
    'This token opens MCP endpoints only; admin paths take one of auth.admin_tokens, or a key with a role.',
  )
}

function unauthenticated(): GatewayError {
  return new GatewayError(
    'UNAUTHENTICATED',
    'Send "Authorization: Bearer" with one of auth.admin_tokens, or a key with a role.',
  )
}
