/**
 * The variables of OpenTelemetry that traces obey. A value that makes no sense is told of in one line and passed over,
 * as OpenTelemetry asks: they are often set for every program of a cluster, and none should stop because of them.
 */

export interface Sampler {
  readonly name: string
  /** The part of the traces that begin here which is recorded, 0 to 1. */
  readonly ratio: number
  /** Whether what the caller has decided counts. */
  readonly parentBased: boolean
}

/** How spans are written. */
const protocols = ['http/json', 'http/protobuf'] as const

export interface TraceSettings {
  readonly protocol: (typeof protocols)[number]
  /** Where spans are posted to. */
  readonly endpoint: string
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
  /** Attributes of the gateway, as names and texts. */
  readonly resource: ReadonlyMap<string, string>
  readonly sampler: Sampler
  readonly queueSpansMax: number
  readonly batchSpansMax: number
  readonly delayMs: number
}

type Environment = Readonly<Record<string, string | undefined>>
type Doubt = (sentence: string) => void

const namesMax = 64
const textMax = 1_024

/** Null where they say that there are to be no traces, or name no place for them. */
export function traceSettings(environment: Environment, doubt: Doubt): TraceSettings | null {
  const of = (name: string): string => (environment[name] ?? '').trim()
  const ofTraces = (name: string): string =>
    of(`OTEL_EXPORTER_OTLP_TRACES_${name}`) || of(`OTEL_EXPORTER_OTLP_${name}`)
  if (of('OTEL_SDK_DISABLED').toLowerCase() === 'true' || of('OTEL_TRACES_EXPORTER') === 'none') return null
  const protocol = ofTraces('PROTOCOL')
  if (protocol === 'grpc') {
    doubt(
      'Spans are sent over OTLP/HTTP and not over gRPC, so there are no traces: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf and the HTTP port of the collector (4318).',
    )
    return null
  }
  const known = protocols.find((each) => each === protocol)
  if (known === undefined && protocol !== '')
    doubt(`OTEL_EXPORTER_OTLP_PROTOCOL must be one of ${protocols.join(', ')}; ${protocols[0]} is used.`)
  const endpoint = endpointOf(of('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'), of('OTEL_EXPORTER_OTLP_ENDPOINT'))
  if (endpoint === null) {
    doubt('OTEL_EXPORTER_OTLP_ENDPOINT is no http or https URL, so there are no traces.')
    return null
  }
  const number = (name: string, initial: number, max: number): number => {
    const text = of(name)
    const value = text === '' ? initial : Number(text)
    if (Number.isFinite(value) && value > 0) return Math.min(value, max)
    doubt(`${name} must be a number above 0; ${initial} is used.`)
    return initial
  }
  const queueSpansMax = Math.ceil(number('OTEL_BSP_MAX_QUEUE_SIZE', 2_048, 65_536))
  return {
    protocol: known ?? protocols[0],
    endpoint,
    headers: headersOf(pairsOf('OTEL_EXPORTER_OTLP_HEADERS', ofTraces('HEADERS'), doubt), doubt),
    timeoutMs: number(
      of('OTEL_EXPORTER_OTLP_TRACES_TIMEOUT') === ''
        ? 'OTEL_EXPORTER_OTLP_TIMEOUT'
        : 'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT',
      10_000,
      60_000,
    ),
    resource: resourceOf(
      of('OTEL_SERVICE_NAME'),
      pairsOf('OTEL_RESOURCE_ATTRIBUTES', of('OTEL_RESOURCE_ATTRIBUTES'), doubt),
    ),
    sampler: samplerOf(of('OTEL_TRACES_SAMPLER'), of('OTEL_TRACES_SAMPLER_ARG'), doubt),
    queueSpansMax,
    batchSpansMax: Math.min(Math.ceil(number('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512, 8_192)), queueSpansMax),
    delayMs: number('OTEL_BSP_SCHEDULE_DELAY', 5_000, 600_000),
  }
}

/** The endpoint of all signals gets the path of traces; their own is taken as it stands. */
function endpointOf(own: string, all: string): string | null {
  const url = URL.parse(own === '' ? all : own)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return null
  if (own === '') url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`
  return url.href
}

/** Those that HTTP can carry. */
function headersOf(pairs: ReadonlyMap<string, string>, doubt: Doubt): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of pairs) {
    try {
      new Headers([[name, value]])
      headers[name] = value
    } catch {
      doubt('OTEL_EXPORTER_OTLP_HEADERS has a name or a value that no header can have; it is left out.')
    }
  }
  return headers
}

/** `key=value` pairs, percent-encoded, with a comma between them. */
function pairsOf(name: string, text: string, doubt: Doubt): Map<string, string> {
  const pairs = new Map<string, string>()
  for (const part of text.split(',')) {
    if (part.trim() === '') continue
    const at = part.indexOf('=')
    const key = decoded(part.slice(0, Math.max(0, at)).trim())
    const value = decoded(part.slice(at + 1).trim())
    // No part of it is repeated: it may be a secret.
    if (at <= 0 || key === null || value === null || pairs.size >= namesMax || value.length > textMax * 8)
      doubt(`${name} must be pairs like key=value with commas between them; one that is none is left out.`)
    else pairs.set(key, value)
  }
  return pairs
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

function resourceOf(serviceName: string, pairs: Map<string, string>): ReadonlyMap<string, string> {
  const resource = new Map([['service.name', 'compozy'], ...pairs])
  if (serviceName !== '') resource.set('service.name', serviceName)
  for (const [key, value] of resource) resource.set(key, value.slice(0, textMax))
  return resource
}

const ratios: Readonly<Record<string, number | null>> = { always_on: 1, always_off: 0, traceidratio: null }

function samplerOf(name: string, argument: string, doubt: Doubt): Sampler {
  const usual = { name: 'parentbased_always_on', ratio: 1, parentBased: true }
  if (name === '') return usual
  const parentBased = name.startsWith('parentbased_')
  const fixed = ratios[parentBased ? name.slice('parentbased_'.length) : name]
  if (fixed === undefined) {
    const known = Object.keys(ratios).flatMap((each) => [each, `parentbased_${each}`])
    doubt(`OTEL_TRACES_SAMPLER must be one of ${known.join(', ')}; ${usual.name} is used.`)
    return usual
  }
  if (fixed !== null) return { name, ratio: fixed, parentBased }
  const ratio = argument === '' ? 1 : Number(argument)
  if (ratio >= 0 && ratio <= 1) return { name, ratio, parentBased }
  doubt('OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1; 1 is used.')
  return { name, ratio: 1, parentBased }
}
