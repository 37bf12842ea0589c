/** A real receiver of OTLP/HTTP, in JSON and in protobuf, which refuses what the protocol does not allow and keeps every span. */
import { poll } from './gateway.ts'
import { traceRequestIn } from './otlp-protobuf.ts'

export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly traceState?: string
  readonly flags?: number
  readonly name: string
  /** 2: server, 3: client. */
  readonly kind: number
  readonly startNs: bigint
  readonly endNs: bigint
  readonly attributes: Readonly<Record<string, string | number>>
  readonly status: { readonly code?: number }
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  /** Attributes of the program that sent it. */
  readonly resource: Readonly<Record<string, string | number>>
}

export interface OtlpReceiver extends AsyncDisposable {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly url: string
  readonly spans: ReceivedSpan[]
  /** Texts of the bodies, in JSON whatever they came in. */
  readonly bodies: string[]
  readonly headers: Headers[]
  /** What is wrong with what came. */
  readonly faults: string[]
  /** Decides the answer in place of the receiver; null goes on. */
  answer: (() => Response | Promise<Response> | null) | null
  /** Resolves with the spans that fit, once there are so many. */
  until(count: number, fits: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan[]>
}

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: string }
}

interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly traceState?: string
  readonly flags?: number
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes?: readonly Attribute[]
  readonly status?: { readonly code?: number }
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[]
}

interface Body {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] }
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string }
      readonly spans: readonly Span[]
    }[]
  }[]
}

/** Listens on a free port. */
export function startOtlpReceiver(): OtlpReceiver {
  const receiver = { spans: [], bodies: [], headers: [], faults: [], answer: null } as unknown as Omit<
    OtlpReceiver,
    'url' | 'until'
  >
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname } = new URL(request.url)
      const type = request.headers.get('content-type')
      const isProtobuf = type === 'application/x-protobuf'
      const text = isProtobuf ? JSON.stringify(traceRequestIn(await request.bytes())) : await request.text()
      const own = await receiver.answer?.()
      if (own) return own
      receiver.headers.push(request.headers)
      receiver.bodies.push(text)
      if (pathname !== '/v1/traces' || request.method !== 'POST')
        receiver.faults.push(`${request.method} ${pathname}`)
      if (!isProtobuf && type !== 'application/json') receiver.faults.push('content type')
      for (const { resource, scopeSpans } of (JSON.parse(text) as Body).resourceSpans)
        for (const { spans } of scopeSpans)
          for (const span of spans) {
            receiver.faults.push(...faultsOf(span))
            receiver.spans.push(received(span, valuesOf(resource.attributes)))
          }
      return isProtobuf ? new Response(new Uint8Array()) : Response.json({ partialSuccess: {} })
    },
  })
  return Object.assign(receiver, {
    url: `http://127.0.0.1:${server.port}`,
    async until(count: number, fits: (span: ReceivedSpan) => boolean) {
      const found = () => receiver.spans.filter(fits)
      await poll(`${count} spans`, async () => found().length >= count, 10_000)
      return found()
    },
    [Symbol.asyncDispose]: async () => {
      await server.stop(true)
    },
  })
}

function faultsOf(span: Span): string[] {
  return [
    ...(/^[0-9a-f]{32}$/.test(span.traceId) ? [] : [`trace id ${span.traceId}`]),
    ...(/^[0-9a-f]{16}$/.test(span.spanId) ? [] : [`span id ${span.spanId}`]),
    ...(span.parentSpanId === undefined || /^[0-9a-f]{16}$/.test(span.parentSpanId) ? [] : ['parent id']),
    ...(span.name === '' ? ['no name'] : []),
    ...(BigInt(span.startTimeUnixNano) <= BigInt(span.endTimeUnixNano) ? [] : ['ends before it begins']),
  ]
}

function received(span: Span, resource: Readonly<Record<string, string | number>>): ReceivedSpan {
  const { startTimeUnixNano, endTimeUnixNano, attributes = [], status = {}, links = [], ...rest } = span
  return {
    ...rest,
    startNs: BigInt(startTimeUnixNano),
    endNs: BigInt(endTimeUnixNano),
    attributes: valuesOf(attributes),
    status,
    links,
    resource,
  }
}

function valuesOf(attributes: readonly Attribute[]): Record<string, string | number> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)] as const),
  )
}
