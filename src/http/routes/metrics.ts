/** `/metrics` for Prometheus and `/admin/metrics` for people and scripts: one snapshot, two forms. */
import { Elysia } from 'elysia'
import type { MetricsSnapshot } from '../../telemetry/metrics.ts'
import { metricsJson, prometheusContentType, prometheusText } from '../../telemetry/metrics-page.ts'
import { replyJson, replyText } from '../reply.ts'

/** Who may read them is settled by the hooks. */
/** Gives the figures of this moment. */
export interface MetricsSource {
  snapshot(): MetricsSnapshot
}

export function metricsRoutes(metrics: MetricsSource) {
  return new Elysia()
    .get('/metrics', () => replyText(200, prometheusText(metrics.snapshot()), prometheusContentType))
    .get('/admin/metrics', () => replyJson(200, metricsJson(metrics.snapshot())))
}
