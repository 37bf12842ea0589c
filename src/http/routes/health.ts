/** `/livez`, `/healthz` and `/readyz`, for everyone: whether to send traffic here, and nothing secret. */
import { Elysia } from 'elysia'
import type { ServerDirectory } from '../../upstream/server/directory.ts'
import { answer, routeOf } from '../api/operation.ts'

export interface HealthParts {
  readonly directory: Pick<ServerDirectory, 'list'>
  readonly state: { readonly draining: boolean }
}

/**
 * Alive as long as it answers: a probe that ends what does not live must not cut a drain short. Healthy until it
 * drains. Ready when every server of the file has been tried.
 */
export function healthRoutes(parts: HealthParts) {
  const health = () =>
    parts.state.draining
      ? answer('getHealth', 503, { status: 'draining' })
      : answer('getHealth', 200, { status: 'ok' })
  return new Elysia()
    .get('/livez', () => answer('getLiveness', 200, { status: 'ok' }), routeOf('getLiveness'))
    .get('/healthz', health, routeOf('getHealth'))
    .get('/readyz', () => readiness(parts), routeOf('getReadiness'))
}

/** A server that failed for a known reason counts as settled: one that cannot start stops nobody. */
function readiness(parts: HealthParts): Response {
  if (parts.state.draining) return answer('getReadiness', 503, { status: 'draining' })
  const fromFile = parts.directory.list().filter((entry) => entry.origin === 'file')
  if (fromFile.every((entry) => entry.settled())) return answer('getReadiness', 200, { status: 'ready' })
  const servers = fromFile.map((entry) => ({ name: entry.definition.name, status: entry.status().status }))
  return answer('getReadiness', 503, { status: 'starting', servers }, { 'retry-after': '1' })
}
