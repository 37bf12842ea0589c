/** Whether a host and a port can be listened at, and what is said where they cannot. */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { reasonOf } from '../errors.ts'

/** Rejects with what `startListener` would reject with, and opens nothing for good. Resolves with the port; 0 picks one. */
export async function tryListening(host: string, port: number): Promise<number> {
  const hostname = host.replace(/^\[(.*)\]$/, '$1')
  await requireResolvable(hostname)
  try {
    const listener = Bun.listen({ hostname, port, socket: { data() {} } })
    listener.stop(true)
    return listener.port
  } catch (error) {
    throw bindFailure(hostname, port, error)
  }
}

/** Bun reports a name that does not resolve as a port in use. */
export async function requireResolvable(hostname: string): Promise<void> {
  if (isIP(hostname) !== 0) return
  try {
    await lookup(hostname)
  } catch {
    const reason = `cannot listen on "${hostname}": the name does not resolve to an address`
    throw Object.assign(new Error(reason), { code: 'ENOTFOUND' })
  }
}

/** Keeps the system's `code`, by which the command line chooses its own words. */
export function bindFailure(host: string, port: number, error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const reason = code === 'EADDRINUSE' ? 'the port is already in use' : reasonOf(error)
  return Object.assign(new Error(`cannot listen on ${host} port ${port}: ${reason}`), { code })
}
