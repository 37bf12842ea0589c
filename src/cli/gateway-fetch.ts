/** What every request of a command to a gateway has in common. */
import { reasonOf } from '../errors.ts'
import { isLoopbackHost } from '../net/host.ts'

/**
 * For `fetch`: no proxy of the environment stands between this machine and itself. Container runtimes
 * put `HTTP_PROXY` into every container; a health check would ask the proxy for its own `localhost`, and
 * an admin token would travel there.
 */
export function directWhenLocal(url: string): { proxy?: false } {
  const host = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1')
  return isLoopbackHost(host) ? { proxy: false } : {}
}

/** Why a request got no answer, in words for a person. */
export function unreachableReason(thrown: unknown): string {
  const code: unknown = thrown instanceof Error ? Reflect.get(thrown, 'code') : undefined
  if (code === 'ECONNREFUSED' || code === 'ConnectionRefused') return 'connection refused'
  if (thrown instanceof Error && thrown.name === 'TimeoutError') return 'no answer in time'
  return reasonOf(thrown)
}
