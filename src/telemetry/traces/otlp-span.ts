/** A span as OTLP has it (opentelemetry-proto, trace/v1), in the form that its JSON has. */
import type { RemoteSpan } from './trace.ts'

export const spanKinds = { server: 2, client: 3 } as const

/** What is known of a span at its end. */
export interface EndedSpan {
  readonly traceId: string
  readonly spanId: string
  /** Null for the first of its trace. */
  readonly parentId: string | null
  /** True where the parent is a span of somebody else's. */
  readonly remoteParent: boolean
  readonly tracestate: string | null
  readonly name: string
  readonly kind: (typeof spanKinds)[keyof typeof spanKinds]
  /** By the wall clock. */
  readonly startedAtMs: number
  readonly durationMs: number
  readonly attributes: SpanAttributes
  readonly failed: boolean
  readonly link: RemoteSpan | null
}

/** Undefined values are left out. */
export type SpanAttributes = Readonly<Record<string, string | number | undefined>>

/** Clients and servers choose names: no value is longer. */
const valueCharsMax = 256
/** SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK, SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK, and the flag of a sampled trace. */
const flagsKnown = 0x100
const flagsRemote = 0x200
const flagSampled = 1
const statusError = 2

/** A span in the form of OTLP: ids in hexadecimal digits, times as texts of nanoseconds. */
export interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly traceState?: string
  readonly parentSpanId?: string
  readonly flags: number
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly OtlpAttribute[]
  readonly links?: readonly Pick<RemoteSpan, 'traceId' | 'spanId'>[]
  readonly status: { readonly code?: number }
}

/** An attribute in the form of OTLP. */
export interface OtlpAttribute {
  readonly key: string
  readonly value: { readonly intValue: string } | { readonly stringValue: string }
}

/** What a span says, cut to its bounds. */
export function otlpSpan(span: EndedSpan): OtlpSpan {
  const { parentId, tracestate, link, failed } = span
  const startNs = nanoseconds(span.startedAtMs)
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(tracestate !== null && { traceState: tracestate }),
    ...(parentId !== null && { parentSpanId: parentId }),
    flags: flagSampled | flagsKnown | (span.remoteParent ? flagsRemote : 0),
    name: cut(span.name),
    kind: span.kind,
    startTimeUnixNano: String(startNs),
    endTimeUnixNano: String(startNs + BigInt(Math.round(Math.max(0, span.durationMs) * 1e6))),
    attributes: attributesOf(span.attributes),
    ...(link !== null && { links: [{ traceId: link.traceId, spanId: link.spanId }] }),
    status: failed ? { code: statusError } : {},
  }
}

/** Attributes in the form of OTLP. */
export function attributesOf(attributes: SpanAttributes): OtlpAttribute[] {
  return Object.entries(attributes).flatMap(([key, value]) => {
    if (value === undefined) return []
    // One number that is none of its integers, and a collector takes nothing of a batch.
    const isInteger = Number.isSafeInteger(value)
    return [{ key, value: isInteger ? { intValue: String(value) } : { stringValue: cut(String(value)) } }]
  })
}

/** Who sends spans: the attributes of the program, and what has made them. */
export interface SpanSender {
  readonly attributes: readonly OtlpAttribute[]
  readonly scope: { readonly name: string; readonly version: string }
}

/** How spans are written for a collector. */
export interface SpanEncoding<Written extends string | Uint8Array<ArrayBuffer>> {
  readonly contentType: string
  span(span: EndedSpan): Written
  /** A request with all of these. */
  request(spans: readonly Written[]): Written
  /** How many spans an answer says were not taken (OTLP, partial success). */
  rejectedIn(answer: Uint8Array): number
}

/** As JSON. */
export function jsonEncoding({ attributes, scope }: SpanSender): SpanEncoding<string> {
  const head = `{"resourceSpans":[{"resource":${JSON.stringify({ attributes })},"scopeSpans":[{"scope":${JSON.stringify(scope)},"spans":[`
  return {
    contentType: 'application/json',
    span: (span) => JSON.stringify(otlpSpan(span)),
    request: (spans) => `${head}${spans.join(',')}]}]}]}`,
    rejectedIn(answer) {
      try {
        const { partialSuccess } = JSON.parse(new TextDecoder().decode(answer)) as {
          partialSuccess?: { rejectedSpans?: unknown }
        }
        const rejected = Number(partialSuccess?.rejectedSpans ?? 0)
        return Number.isFinite(rejected) ? rejected : 0
      } catch {
        return 0
      }
    },
  }
}

function nanoseconds(ms: number): bigint {
  return BigInt(Math.round(ms * 1_000)) * 1_000n
}

function cut(text: string): string {
  return text.length <= valueCharsMax ? text : `${text.slice(0, valueCharsMax)}…`
}
