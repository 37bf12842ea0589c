/** `/healthz` and `/readyz`, for everyone: they say whether to send traffic here, and nothing secret. */
import { Elysia } from 'elysia'
import type { ServerDirectory } from '../../upstream/server/directory.ts'
import { replyJson } from '../reply.ts'

export interface HealthParts {
  readonly directory: Pick<ServerDirectory, 'list'>
  readonly state: { readonly draining: boolean }
}

/** 200 while the process serves; 503 once it drains. Ready when every server of the file has been tried. */
export function healthRoutes(parts: HealthParts) {
  return new Elysia()
    .get('/healthz', () => (parts.state.draining ? draining() : replyJson(200, { status: 'ok' })))
    .get('/readyz', () => (parts.state.draining ? draining() : readiness(parts)))
}

function draining(): Response {
  return replyJson(503, { status: 'draining' })
}

/** A server that failed for a known reason counts as settled: one that cannot start stops nobody. */
function readiness(parts: HealthParts): Response {
  const fromFile = parts.directory.list().filter((entry) => entry.origin === 'file')
  if (fromFile.every((entry) => entry.settled())) return replyJson(200, { status: 'ready' })
  const servers = fromFile.map((entry) => ({ name: entry.definition.name, status: entry.status().status }))
  return replyJson(503, { status: 'starting', servers }, { 'retry-after': '1' })
}
