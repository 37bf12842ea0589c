/** `/metrics` for Prometheus and `/admin/metrics` for people and scripts: one snapshot, two forms. */
import { Elysia } from 'elysia'
import type { Directory } from '../../group/directory.ts'
import type { ModernRequests } from '../../session/modern/requests.ts'
import type {
  ClusterFigures,
  LoginFigures,
  MetricsSnapshot,
  ProcessMetrics,
  ServerGauges,
} from '../../telemetry/metrics.ts'
import {
  hasExemplars,
  metricsJson,
  openMetricsContentType,
  openMetricsText,
  prometheusContentType,
  prometheusText,
} from '../../telemetry/metrics-page.ts'
import type { SpanFigures } from '../../telemetry/traces/trace.ts'
import type { Servers } from '../../upstream/server/servers.ts'
import { answer, routeOf } from '../api/operation.ts'
import { replyText } from '../reply.ts'

/** Gives the figures of this moment. */
export interface MetricsSource {
  snapshot(): MetricsSnapshot | Promise<MetricsSnapshot>
}

/** Who may read them is settled by the hooks. */
export function metricsRoutes(metrics: MetricsSource) {
  const page = async ({ request }: { readonly request: Request }) => {
    const snapshot = await metrics.snapshot()
    return hasExemplars(snapshot) && prefersOpenMetrics(request.headers.get('accept') ?? '')
      ? replyText(200, openMetricsText(snapshot), openMetricsContentType)
      : replyText(200, prometheusText(snapshot), prometheusContentType)
  }
  return new Elysia()
    .get('/metrics', page, routeOf('getPrometheusPage'))
    .get(
      '/admin/metrics',
      async () => answer('getFigures', 200, metricsJson(await metrics.snapshot())),
      routeOf('getFigures'),
    )
}

/** Whether whoever asks takes OpenMetrics 1.0 at least as gladly as plain text. */
function prefersOpenMetrics(accept: string): boolean {
  const weights = (type: string) =>
    accept
      .split(',')
      .map((range) => range.split(';').map((part) => part.trim().toLowerCase()))
      .filter(([name, ...parameters]) => name === type && !parameters.includes('version=0.0.1'))
      .map(([, ...parameters]) => Number(parameters.find((part) => part.startsWith('q='))?.slice(2) ?? 1))
  const [open, plain] = [
    Math.max(0, ...weights('application/openmetrics-text')),
    Math.max(0, ...weights('text/plain')),
  ]
  return open > 0 && open >= plain
}

/** What figures are taken from. */
export interface FigureParts {
  readonly metrics: ProcessMetrics
  readonly directory: Pick<Directory, 'list'>
  readonly servers: Pick<Servers, 'get'>
  readonly requests: Pick<ModernRequests, 'parkedByServer'>
  readonly log: { readonly linesDropped: number }
  readonly audit: { readonly linesDropped: number }
  readonly traces: { readonly figures: SpanFigures }
  /** Null where this gateway is alone. */
  readonly cluster: { readonly figures: ClusterFigures } | null
  readonly credentials: { readonly logins: { readonly figures: readonly LoginFigures[] } }
}

/** Who gathers the figures of all processes of a gateway that has several. */
export interface FigureGatherer {
  figuresOf(own: () => MetricsSnapshot): MetricsSource
}

/** Where the figures of this gateway come from. */
export function figureSource(parts: FigureParts, gatherer?: FigureGatherer): MetricsSource {
  const snapshot = () => snapshotOf(parts)
  return gatherer?.figuresOf(snapshot) ?? { snapshot }
}

function snapshotOf(parts: FigureParts): MetricsSnapshot {
  const { metrics, directory, servers, requests, log, audit, traces, cluster, credentials } = parts
  return metrics.snapshot(serverGauges(directory, servers, requests), log.linesDropped, {
    auditLinesDropped: audit.linesDropped,
    spans: traces.figures,
    cluster: cluster?.figures ?? null,
    logins: credentials.logins.figures,
  })
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
