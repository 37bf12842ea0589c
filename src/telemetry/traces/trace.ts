/** What the rooms of a call see of traces; `open-traces.ts` opens them where they are asked for. */
import type { CallEntry } from '../access-line.ts'
import type { CallEnding } from '../call-ending.ts'

/** What is passed on with a message, as its fields are written there. */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate: string | null
  readonly baggage: string | null
}

/** A span that somebody else has begun. */
export interface RemoteSpan {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}

/** The context that a request came with. */
export interface IncomingTrace extends RemoteSpan, TraceContext {
  /** False where only headers have it. */
  readonly inMessage: boolean
  readonly link: RemoteSpan | null
}

/** What is known of a request when its span begins. */
export interface RequestFacts {
  /** Monotonic. */
  readonly startedAtMs: number
  /** JSON text of its id. */
  readonly idText: string
  /** The name of the prompt that it asks for. */
  readonly prompt: string | null
  readonly protocolVersion: string | null
}

export interface Tracer {
  /** A request of a client's has come; more is asked of it where it is recorded. */
  begin(incoming: IncomingTrace | null): RequestTrace
}

/** One request of a client's, from its arrival to its end. */
export interface RequestTrace {
  /** For people to look for: null where nothing is recorded and its client has named none. */
  readonly traceId: string | null
  readonly recorded: boolean
  /** Takes what its span says, before it is sent anywhere; only where it is recorded. */
  learn(facts: RequestFacts): void
  /** Begins a request that is sent to a server because of it. */
  call(): CallTrace
  /** It has ended, as this line says; only the first end counts. */
  ended(entry: CallEntry & HttpFacts): void
}

/** What the line of an HTTP request knows beside the call. */
export interface HttpFacts {
  readonly method?: string | undefined
  readonly path?: string | undefined
  readonly status?: number | undefined
}

/** Where a message goes. */
export interface SentTo {
  readonly server: string
  /** Over a pipe, not over HTTP. */
  readonly piped: boolean
  readonly method: string
  /** The tool or the prompt, in the server's own words. */
  readonly target: string | null
  readonly upstreamId: number
}

/** One request to a server. */
export interface CallTrace {
  readonly request: RequestTrace
  /** What it carries wherever it is sent; null where it has a span, which `sent` begins. */
  readonly carried: Carried | null
  /** It is sent: what it must carry. Sent again, it carries the same. */
  sent(to: SentTo): Carried
  /** Ended once; nothing where it was never sent. */
  ended(ending: CallEnding): void
  /** The server asks its client something in the middle of it; null where nothing of it is recorded. */
  asked(method: string, parent: RemoteSpan | null): QuestionTrace | null
}

export interface Carried {
  readonly context: TraceContext
  /** True where the message has it already, as its client wrote it. */
  readonly inMessage: boolean
}

/** A question of a server's to a client. */
export interface QuestionTrace {
  readonly context: TraceContext
  /** It is answered, or with an error of this code. */
  ended(rpcCode: number | null): void
}

/** How spans fare: for the metrics. */
export interface SpanFigures {
  readonly exported: number
  readonly dropped: number
}
