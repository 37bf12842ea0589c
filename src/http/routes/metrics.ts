/** `/metrics` for Prometheus and `/admin/metrics` for people and scripts: one snapshot, two forms. */
import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import type { MetricsSnapshot } from '../../telemetry/metrics.ts'
import { metricsJson, prometheusContentType, prometheusText } from '../../telemetry/metrics-page.ts'
import * as answers from '../answers.ts'
import { answer, type Operation, routeOf } from '../operation.ts'
import { replyText } from '../reply.ts'

const getPrometheusPage = {
  id: 'getPrometheusPage',
  tag: 'figures',
  summary: 'The figures in the text form of Prometheus; for everyone when metrics.public is true.',
  access: 'admin',
  answers: {
    200: {
      description: 'The page.',
      schema: Type.String(),
      contentType: prometheusContentType,
    },
  },
} as const satisfies Operation

const getFigures = {
  id: 'getFigures',
  tag: 'figures',
  summary: 'The figures as JSON.',
  access: 'admin',
  answers: { 200: { description: 'The figures.', schema: answers.figures } },
} as const satisfies Operation

/** Gives the figures of this moment. */
export interface MetricsSource {
  snapshot(): MetricsSnapshot
}

/** Who may read them is settled by the hooks. */
export function metricsRoutes(metrics: MetricsSource) {
  const page = () => replyText(200, prometheusText(metrics.snapshot()), prometheusContentType)
  return new Elysia()
    .get('/metrics', page, routeOf(getPrometheusPage))
    .get(
      '/admin/metrics',
      () => answer(getFigures, 200, metricsJson(metrics.snapshot())),
      routeOf(getFigures),
    )
}
