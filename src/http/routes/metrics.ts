/** `/metrics` for Prometheus and `/admin/metrics` for people and scripts: one snapshot, two forms. */
import { Elysia } from 'elysia'
import type { ProcessMetrics } from '../../telemetry/metrics.ts'
import { metricsJson, prometheusContentType, prometheusText } from '../../telemetry/metrics-page.ts'
import { replyJson, replyText } from '../reply.ts'

/** Who may read them is settled by the hooks. */
export function metricsRoutes(metrics: Pick<ProcessMetrics, 'snapshot'>) {
  return new Elysia()
    .get('/metrics', () => replyText(200, prometheusText(metrics.snapshot()), prometheusContentType))
    .get('/admin/metrics', () => replyJson(200, metricsJson(metrics.snapshot())))
}
