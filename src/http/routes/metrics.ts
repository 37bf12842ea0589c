/** `/metrics` for Prometheus and `/admin/metrics` for people and scripts: one snapshot, two forms. */
import { Elysia } from 'elysia'
import type { MetricsSnapshot } from '../../telemetry/metrics.ts'
import { metricsJson, prometheusContentType, prometheusText } from '../../telemetry/metrics-page.ts'
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
