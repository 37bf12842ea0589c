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
