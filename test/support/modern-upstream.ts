/** A server of revision 2026-07-28 over HTTP without an SDK: it answers as the test says and forgets nothing. */
import { type Answer, type FaultHttp, jsonAnswer, type SeenRequest, startFaultHttp } from './fault-http.ts'

export interface ModernUpstreamOptions {
  readonly tools?: readonly unknown[]
  readonly capabilities?: Readonly<Record<string, unknown>>
  /** Answers what is no `server/discover` and no `tools/list`; undefined for an empty result. */
  readonly answer?: (request: SeenRequest) => Answer
}

const serverInfo = { name: 'modern-upstream', version: '1.0.0' }

/** Starts one. */
export function startModernUpstream(options: ModernUpstreamOptions = {}): FaultHttp {
  const { tools = [], capabilities = { tools: {}, prompts: {}, resources: {} }, answer } = options
  return startFaultHttp(async (request) => {
    if (request.method !== 'POST') return new Response(null, { status: 405 })
    const own = await answer?.(request)
    if (own) return own
    if (request.message.method === 'initialize')
      return rpcError(request, -32022, 400, { supported: ['2026-07-28'], requested: '2025-11-25' })
    if (request.message.id === undefined) return new Response(null, { status: 202 })
    const complete = {
      resultType: 'complete',
      _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo },
    }
    const hints = { ttlMs: 0, cacheScope: 'private' }
    if (request.message.method === 'server/discover')
      return jsonAnswer(request, { ...complete, ...hints, supportedVersions: ['2026-07-28'], capabilities })
    if (request.message.method === 'tools/list') return jsonAnswer(request, { ...complete, ...hints, tools })
    return jsonAnswer(request, { ...complete, content: [] })
  })
}

/** An HTTP answer that is a JSON-RPC error. */
export function rpcError(request: SeenRequest, code: number, status: number, data?: unknown): Response {
  const error = { code, message: `error ${code}`, ...(data !== undefined && { data }) }
  return Response.json({ jsonrpc: '2.0', id: request.message.id, error }, { status })
}

/** The requests of one method, or those that are neither the gateway's own probe nor its own listing. */
export function clientRequests({ seen }: FaultHttp, method?: string): SeenRequest[] {
  const own = ['server/discover', 'tools/list']
  return seen.filter(({ message }) =>
    method === undefined ? !own.includes(message.method ?? '') : message.method === method,
  )
}
