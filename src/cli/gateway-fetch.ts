/** What every request of a command to a gateway has in common. */
import { reasonOf } from '../errors.ts'
import { isLoopbackHost } from '../net/host.ts'
import type { CommandTls } from './gateway-tls.ts'

/**
 * For `fetch`: no proxy of the environment stands between this machine and itself. Container runtimes
 * put `HTTP_PROXY` into every container; a health check would ask the proxy for its own `localhost`, and
 * an admin token would travel there.
 */
export function directWhenLocal(url: string): { proxy?: false; tls?: CommandTls } {
  const { hostname, origin } = new URL(url)
  const tls = tlsAt.get(origin)
  return {
    ...(isLoopbackHost(hostname.replace(/^\[(.*)\]$/, '$1')) ? { proxy: false } : {}),
    ...(tls === undefined ? {} : { tls }),
  }
}

/** By origin: how a command, which talks to one gateway, knows it. */
const tlsAt = new Map<string, CommandTls>()

/** Has requests to this gateway made so. */
export function knowGatewayBy(base: string, tls: CommandTls): void {
  tlsAt.set(new URL(base).origin, tls)
}

/** Why a request got no answer, in words for a person. */
export function unreachableReason(thrown: unknown): string {
  const code: unknown = thrown instanceof Error ? Reflect.get(thrown, 'code') : undefined
  if (code === 'ECONNREFUSED' || code === 'ConnectionRefused') return 'connection refused'
  if (code === 'ECONNRESET') return 'it closes the connection; if it speaks TLS, name it with https://'
  if (code === 'EPROTO')
    return 'it does not agree on TLS; it may speak plain http, or ask for a certificate (COMPOZY_CERT_FILE, COMPOZY_KEY_FILE)'
  if (typeof code === 'string' && /CERT|VERIFY|ISSUER/.test(code))
    return `its certificate is not trusted here (${code}); name a PEM file with its authority in COMPOZY_CA_FILE`
  if (thrown instanceof Error && thrown.name === 'TimeoutError') return 'no answer in time'
  return reasonOf(thrown)
}
