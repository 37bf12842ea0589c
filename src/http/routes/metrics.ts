/** `/metrics` for Prometheus and `/admin/metrics` for people and scripts: one snapshot, two forms. */
import { Elysia } from 'elysia'
import type { Directory } from '../../group/directory.ts'
import type { ModernRequests } from '../../session/modern/requests.ts'
import type { MetricsSnapshot, ServerGauges } from '../../telemetry/metrics.ts'
import { metricsJson, prometheusContentType, prometheusText } from '../../telemetry/metrics-page.ts'
import type { Servers } from '../../upstream/server/servers.ts'
import { answer, routeOf } from '../api/operation.ts'
import { replyText } from '../reply.ts'

/** Gives the figures of this moment. */
export interface MetricsSource {
  snapshot(): MetricsSnapshot
}

/** Who may read them is settled by the hooks. */
export function metricsRoutes(metrics: MetricsSource) {
  const page = () => replyText(200, prometheusText(metrics.snapshot()), prometheusContentType)
  return new Elysia()
    .get('/metrics', page, routeOf('getPrometheusPage'))
    .get(
      '/admin/metrics',
      () => answer('getFigures', 200, metricsJson(metrics.snapshot())),
      routeOf('getFigures'),
    )
}

/** What servers and groups have open when somebody scrapes. */
export function serverGauges(
  directory: Pick<Directory, 'list'>,
  servers: Pick<Servers, 'get'>,
  requests: Pick<ModernRequests, 'parkedByServer'>,
): ServerGauges[] {
  const parked = requests.parkedByServer()
  return directory.list().map((entry) => {
    const { name, status, sessions, processes, restarts } = entry.status()
    const counts = { lanes: servers.get(name)?.lanes ?? 0, parkedCalls: parked.get(name) ?? 0 }
    return { name, sessions, processes, ...counts, connected: status === 'connected', restarts }
  })
}
