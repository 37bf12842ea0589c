/**
 * Decides which requests are recorded, and makes the spans of those that are: one for each request of a client, one
 * for each request to a server because of it, one for each question that a server asks meanwhile.
 *
 * What is not recorded costs little more than its ids: those behind the gateway hear that nobody records it.
 */
import type { CallEntry } from '../access-line.ts'
import type { CallEnding } from '../call-ending.ts'
import { type EndedSpan, type SpanAttributes, spanKinds } from './otlp-span.ts'
import type {
  CallTrace,
  Carried,
  HttpFacts,
  IncomingTrace,
  QuestionTrace,
  RemoteSpan,
  RequestFacts,
  RequestTrace,
  SentTo,
  TraceContext,
  Tracer,
} from './trace.ts'
import type { Sampler } from './trace-settings.ts'

/** Takes spans that have ended. */
export interface SpanTaker {
  take(span: EndedSpan): void
}

const traceIdDigits = 32
const spanIdDigits = 16
const randomBytes = 4_096
/** Of the id of a trace that nobody records: one of 16 million ways to go on from the one before. */
const newDigits = 6
/** The last digits of a trace id decide, as many as a number holds exactly. */
const decisiveDigits = 13
const decisiveRange = 16 ** decisiveDigits

export class SamplingTracer implements Tracer {
  readonly #sampler: Sampler
  readonly #spans: Spans

  constructor(sampler: Sampler, taker: SpanTaker, urlOf: (server: string) => string | null) {
    this.#sampler = sampler
    this.#spans = new Spans(taker, urlOf)
  }

  begin(incoming: IncomingTrace | null): RequestTrace {
    const { ids } = this.#spans
    if (incoming === null) {
      if (Math.random() >= this.#sampler.ratio) return new UnrecordedRequest(null, ids)
      return new RecordedRequest(this.#spans, null, ids.take(traceIdDigits))
    }
    const { traceId, sampled } = incoming
    const recorded = this.#sampler.parentBased ? sampled : this.#picks(traceId)
    if (recorded) return new RecordedRequest(this.#spans, incoming, traceId)
    return new UnrecordedRequest(incoming, ids)
  }

  /** The same for all spans of a trace, wherever they are made. */
  #picks(traceId: string): boolean {
    return Number.parseInt(traceId.slice(-decisiveDigits), 16) < this.#sampler.ratio * decisiveRange
  }
}

/** What all spans are made with. */
class Spans {
  readonly ids = new RandomDigits()
  readonly taker: SpanTaker
  readonly urlOf: (server: string) => string | null

  constructor(taker: SpanTaker, urlOf: (server: string) => string | null) {
    this.taker = taker
    this.urlOf = urlOf
  }
}

/** Random hexadecimal digits, made in one go for many ids. */
class RandomDigits {
  #digits = ''
  #at = 0

  take(count: number): string {
    this.#require(count)
    const taken = this.#digits.slice(this.#at, this.#at + count)
    this.#at += count
    return taken
  }

  /**
   * The traceparent of a trace that nobody records. Such ids need to be different and nothing else, so that those in a
   * row may share most of their digits: making new ones for each would cost more than all that is done with them.
   */
  unrecorded(): string {
    this.#require(traceIdDigits + spanIdDigits)
    const spanAt = this.#at + traceIdDigits
    const traceparent = `00-${this.#digits.slice(this.#at, spanAt)}-${this.#digits.slice(spanAt, spanAt + spanIdDigits)}-00`
    this.#at += newDigits
    return traceparent
  }

  #require(count: number): void {
    if (this.#at + count <= this.#digits.length) return
    this.#digits = Buffer.from(crypto.getRandomValues(new Uint8Array(randomBytes))).toString('hex')
    this.#at = 0
  }
}

/** A request of which nothing is recorded: what is behind the gateway is told so, in the same trace. */
class UnrecordedRequest implements RequestTrace, CallTrace {
  readonly recorded = false
  readonly traceId: string | null
  readonly carried: Carried

  constructor(incoming: IncomingTrace | null, ids: RandomDigits) {
    this.traceId = incoming?.traceId ?? null
    // What was not sampled is passed on as it came. Where a sampler of the gateway's own has decided otherwise than the
    // caller, the flag is another.
    if (incoming !== null && !incoming.sampled) {
      this.carried = { context: incoming, inMessage: incoming.inMessage }
      return
    }
    const traceparent = incoming === null ? ids.unrecorded() : `00-${incoming.traceId}-${incoming.spanId}-00`
    const { tracestate = null, baggage = null } = incoming ?? {}
    this.carried = { context: { traceparent, tracestate, baggage }, inMessage: false }
  }

  get request(): RequestTrace {
    return this
  }

  call(): CallTrace {
    return this
  }

  sent(): Carried {
    return this.carried
  }

  learn(): void {}

  ended(): void {}

  asked(): null {
    return null
  }
}

class RecordedRequest implements RequestTrace {
  readonly traceId: string
  readonly spanId: string
  readonly spans: Spans
  readonly recorded = true
  readonly incoming: IncomingTrace | null
  #facts: RequestFacts | null = null
  /** What is added to a monotonic moment to have it by the wall clock. */
  readonly wallClockMs: number
  #ended = false

  constructor(spans: Spans, incoming: IncomingTrace | null, traceId: string) {
    this.spans = spans
    this.incoming = incoming
    this.traceId = traceId
    this.spanId = spans.ids.take(spanIdDigits)
    this.wallClockMs = Date.now() - performance.now()
  }

  get tracestate(): string | null {
    return this.incoming?.tracestate ?? null
  }

  call(): CallTrace {
    return new RecordedCall(this)
  }

  learn(facts: RequestFacts): void {
    this.#facts = facts
  }

  /** What a message carries whose sender is this span. */
  contextOf(spanId: string): TraceContext {
    const traceparent = `00-${this.traceId}-${spanId}-01`
    return { traceparent, tracestate: this.tracestate, baggage: this.incoming?.baggage ?? null }
  }

  ended(entry: CallEntry & HttpFacts): void {
    if (this.#ended || this.#facts === null) return
    this.#ended = true
    const { incoming } = this
    const { startedAtMs, protocolVersion, idText, prompt } = this.#facts
    const method = entry.rpcMethod ?? ''
    const target = entry.tool ?? prompt
    this.spans.taker.take({
      traceId: this.traceId,
      spanId: this.spanId,
      parentId: incoming?.spanId ?? null,
      remoteParent: incoming !== null,
      tracestate: this.tracestate,
      name: nameOf(method, target),
      kind: spanKinds.server,
      startedAtMs: this.wallClockMs + startedAtMs,
      durationMs: performance.now() - startedAtMs,
      attributes: {
        ...mcpAttributes(method, entry.tool, prompt),
        'mcp.protocol.version': protocolVersion ?? undefined,
        'jsonrpc.request.id': idText,
        ...endingAttributes(entry.outcome, entry.code, entry.rpcCode),
        ...httpAttributes,
        'http.request.method': entry.method,
        'url.path': entry.path,
        'http.response.status_code': entry.status,
        'client.address': entry.clientIp ?? undefined,
        'compozy.server': entry.mcp,
        'compozy.group': entry.group,
        'compozy.caller': entry.caller,
        'compozy.client': entry.client,
        'compozy.session': entry.sessionId,
        'compozy.request_id': entry.requestId,
      },
      failed: isFailure(entry.outcome),
      link: incoming?.link ?? null,
    })
  }
}

class RecordedCall implements CallTrace {
  readonly carried = null
  readonly request: RecordedRequest
  #to: SentTo | null = null
  #spanId = ''
  #sentAtMs = 0
  #ended = false

  constructor(request: RecordedRequest) {
    this.request = request
  }

  sent(to: SentTo): Carried {
    if (this.#to === null) {
      this.#to = to
      this.#spanId = this.request.spans.ids.take(spanIdDigits)
      this.#sentAtMs = performance.now()
    }
    return { context: this.request.contextOf(this.#spanId), inMessage: false }
  }

  ended({ outcome, code, rpcCode }: CallEnding): void {
    const { request } = this
    const to = this.#to
    if (to === null || this.#ended) return
    this.#ended = true
    const url = to.piped ? null : URL.parse(request.spans.urlOf(to.server) ?? '')
    request.spans.taker.take({
      ...this.#within(this.#spanId, request.spanId, this.#sentAtMs),
      name: nameOf(to.method, to.target),
      attributes: {
        ...mcpAttributes(to.method, to.method === 'tools/call' ? to.target : null, promptOf(to)),
        'jsonrpc.request.id': String(to.upstreamId),
        ...endingAttributes(outcome, code, rpcCode),
        ...(to.piped ? pipeAttributes : httpAttributes),
        ...(url !== null && addressOf(url)),
        'compozy.server': to.server,
      },
      failed: isFailure(outcome),
    })
  }

  asked(method: string, parent: RemoteSpan | null): QuestionTrace | null {
    const { request } = this
    const askedAtMs = performance.now()
    const spanId = request.spans.ids.take(spanIdDigits)
    // A server that is instrumented says from where it asks.
    const within = parent?.traceId === request.traceId ? parent.spanId : this.#spanId || request.spanId
    return {
      context: request.contextOf(spanId),
      ended: (rpcCode) => {
        const outcome = rpcCode === null ? 'ok' : 'rpc_error'
        request.spans.taker.take({
          ...this.#within(spanId, within, askedAtMs),
          remoteParent: within === parent?.spanId,
          name: method,
          attributes: {
            ...mcpAttributes(method, null, null),
            ...endingAttributes(outcome, undefined, rpcCode ?? undefined),
            ...httpAttributes,
            'compozy.server': this.#to?.server,
          },
          failed: rpcCode !== null,
        })
      },
    }
  }

  #within(spanId: string, parentId: string, startedAtMs: number) {
    const { traceId, tracestate, wallClockMs } = this.request
    const durationMs = performance.now() - startedAtMs
    return {
      ...{ traceId, spanId, parentId, tracestate, durationMs },
      remoteParent: false,
      kind: spanKinds.client,
      startedAtMs: wallClockMs + startedAtMs,
      link: null,
    }
  }
}

const httpAttributes = { 'network.transport': 'tcp', 'network.protocol.name': 'http' } as const
const pipeAttributes = { 'network.transport': 'pipe' } as const

function promptOf({ method, target }: SentTo): string | null {
  return method === 'prompts/get' ? target : null
}

function nameOf(method: string, target: string | null | undefined): string {
  return target == null ? method : `${method} ${target}`
}

function mcpAttributes(
  method: string,
  tool: string | null | undefined,
  prompt: string | null,
): SpanAttributes {
  return {
    'mcp.method.name': method,
    ...(tool != null && { 'gen_ai.tool.name': tool, 'gen_ai.operation.name': 'execute_tool' }),
    ...(prompt !== null && { 'gen_ai.prompt.name': prompt }),
  }
}

function endingAttributes(
  outcome: CallEntry['outcome'],
  code: string | undefined,
  rpcCode: number | undefined,
): SpanAttributes {
  if (outcome === undefined || outcome === 'ok') return {}
  const type =
    outcome === 'input_required' ? undefined : (code ?? (rpcCode === undefined ? outcome : String(rpcCode)))
  return {
    'error.type': type,
    'rpc.response.status_code': rpcCode === undefined ? undefined : String(rpcCode),
    'compozy.outcome': outcome,
  }
}

/** A call that its client gave up, or that waits for it, is no failure. */
function isFailure(outcome: CallEntry['outcome']): boolean {
  return outcome === 'failed' || outcome === 'refused' || outcome === 'rpc_error' || outcome === 'tool_error'
}

function addressOf({ hostname, port, protocol }: URL): SpanAttributes {
  return {
    'server.address': hostname,
    'server.port': port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
  }
}
