/** HTTP servers, one for each wire, that answer every tool call with the headers that it came with. */
import {
  type EventStream,
  eventStream,
  type FaultHttp,
  jsonAnswer,
  type SeenRequest,
  startFaultHttp,
  welcome,
} from './fault-http.ts'
import { rpcError, startModernUpstream } from './modern-upstream.ts'

/** The wires, as names for servers. */
export const echoingWires = ['legacy', 'sse', 'modern'] as const
export type EchoingWire = (typeof echoingWires)[number]

/** Starts the server of one wire; its URL goes into a definition as it is. */
export function startEchoingUpstream(wire: EchoingWire): FaultHttp {
  if (wire === 'legacy') return startFaultHttp(answerLegacy)
  if (wire === 'sse') return startSse()
  const tools = [{ name: 'echo', inputSchema: { type: 'object' } }]
  return startModernUpstream({
    tools,
    answer: (request) => {
      if (request.message.method === 'initialize') return rpcError(request, -32022, 400)
      return isCall(request) ? jsonAnswer(request, echoOf(request)) : null
    },
  })
}

function answerLegacy(request: SeenRequest): Response | null {
  if (request.message.method === 'server/discover') return new Response(null, { status: 404 })
  if (request.method === 'DELETE') return new Response(null, { status: 204 })
  if (request.message.method === 'tools/list') return jsonAnswer(request, { tools: [] })
  return welcome(request) ?? (isCall(request) ? jsonAnswer(request, echoOf(request)) : null)
}

function startSse(): FaultHttp {
  const streams = new Map<string, EventStream>()
  return startFaultHttp(async (request) => {
    if (request.method === 'GET') {
      const stream = eventStream()
      const path = `/post-${streams.size}`
      streams.set(path, stream)
      stream.send(`event: endpoint\ndata: ${path}\n\n`)
      return stream.response
    }
    const answer = answerLegacy(request)
    if (answer !== null && request.message.id !== undefined)
      streams.get(request.path)?.send(`data: ${await answer.text()}\n\n`)
    return new Response(null, { status: 202 })
  })
}

const isCall = (request: SeenRequest): boolean => request.message.method === 'tools/call'

function echoOf({ headers }: SeenRequest): Record<string, unknown> {
  return { resultType: 'complete', content: [{ type: 'text', text: JSON.stringify(headers) }] }
}
