/**
 * Opens traces where the environment asks for them (`OTEL_EXPORTER_OTLP_ENDPOINT`). Without it nothing is loaded, and
 * contexts of traces are relayed as any other text.
 */
import type { Log } from '../log.ts'
import type { SpanFigures, Tracer } from './trace.ts'

export interface Traces {
  /** Null where nobody has asked for traces. */
  readonly tracer: Tracer | null
  readonly figures: SpanFigures
  /** Sends what is waiting, and gives up after `deadlineMs`. */
  close(deadlineMs: number): Promise<void>
}

type Environment = Readonly<Record<string, string | undefined>>

const noTraces: Traces = {
  tracer: null,
  figures: { exported: 0, dropped: 0 },
  close: () => Promise.resolve(),
}

/** `urlOf` gives the URL of a server by its name, where it has one. */
export async function openTraces(
  log: Log,
  urlOf: (server: string) => string | null,
  environment: Environment = process.env,
): Promise<Traces> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: all, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own } = environment
  if ((all ?? '') === '' && (own ?? '') === '') return noTraces
  const { traceSettings } = await import('./trace-settings.ts')
  const settings = traceSettings(environment, (doubt) => log.warn({}, doubt))
  if (settings === null) return noTraces
  const [{ SpanExporter }, { SamplingTracer }] = await Promise.all([
    import('./span-exporter.ts'),
    import('./sampling-tracer.ts'),
  ])
  const exporter =
    settings.protocol === 'http/protobuf'
      ? new SpanExporter(settings, log, (await import('./otlp-protobuf.ts')).protobufEncoding)
      : new SpanExporter(settings, log, (await import('./otlp-span.ts')).jsonEncoding)
  log.info({ endpoint: new URL(settings.endpoint).origin, sampler: settings.sampler.name }, 'traces are on')
  return {
    tracer: new SamplingTracer(settings.sampler, exporter, urlOf),
    figures: exporter,
    close: (deadlineMs) => exporter.close(deadlineMs),
  }
}
