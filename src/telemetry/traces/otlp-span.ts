/** A span as OTLP has it in JSON (opentelemetry-proto, trace/v1): ids in hexadecimal digits, times as texts of nanoseconds. */
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

/** The JSON text of a span. */
export function spanText(span: EndedSpan): string {
  const { parentId, tracestate, link, failed } = span
  const startNs = nanoseconds(span.startedAtMs)
  return JSON.stringify({
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
  })
}

/** Attributes in the form of OTLP. */
export function attributesOf(attributes: SpanAttributes): { key: string; value: unknown }[] {
  return Object.entries(attributes).flatMap(([key, value]) => {
    if (value === undefined) return []
    return [
      { key, value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: cut(value) } },
    ]
  })
}

function nanoseconds(ms: number): bigint {
  return BigInt(Math.round(ms * 1_000)) * 1_000n
}

function cut(text: string): string {
  return text.length <= valueCharsMax ? text : `${text.slice(0, valueCharsMax)}…`
}
