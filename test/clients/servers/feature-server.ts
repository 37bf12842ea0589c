/**
 * A server with everything that the client programs ask for, on SDK 1.x.
 *
 *   bun feature-server.ts stdio MARKS   on a pipe
 *   bun feature-server.ts http MARKS    at free ports; prints {"stream":"http://…","sse":"http://…"}
 *
 * Its tools, texts and resources are those of every other server of this folder, so that one client
 * program fits them all.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CallToolRequestSchema,
  type CallToolResult,
  CompleteRequestSchema,
  CreateMessageResultSchema,
  ElicitResultSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListRootsResultSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  type ServerNotification,
  type ServerRequest,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { serveSse, sessions } from '../../support/sdk-matrix/http.ts'

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>
type Arguments = Readonly<Record<string, unknown>>
type Tool = (args: Arguments, extra: Extra, session: Session) => Promise<CallToolResult> | CallToolResult

interface Session {
  readonly server: Server
  readonly subscribed: Set<string>
}

/** A little less than the 1,048,576 bytes at which the Python SDK 2.x refuses an event, whoever sends it. */
const bigBytes = 1_000_000
const resource = { uri: 'feature://text', name: 'text', mimeType: 'text/plain' }
const cities = ['paris', 'parma', 'porto']
/** Where the calls of `wait` are told apart by their key: calls of one client may reach several processes. */
const marks = process.argv[3] ?? '.'
let grown = 0

function text(words: string): CallToolResult {
  return { content: [{ type: 'text', text: words }] }
}

const tools: Readonly<Record<string, Tool>> = {
  echo: (args) => text(String(args['text'])),
  sum: (args) => {
    const sum = Number(args['a']) + Number(args['b'])
    return { ...text(JSON.stringify({ sum })), structuredContent: { sum } }
  },
  big: () => text('é'.repeat(bigBytes / 2)),
  refuse: () => ({ ...text('refused: bäd'), isError: true }),
  break: () => {
    throw new McpError(-32_050, 'broken: bäd')
  },
  count: async (_args, extra) => {
    const progressToken = extra._meta?.progressToken
    for (const progress of progressToken === undefined ? [] : [1, 2, 3]) {
      await extra.sendNotification({
        method: 'notifications/progress',
        params: { progressToken: progressToken ?? '', progress, total: 3 },
      })
    }
    return text('counted')
  },
  wait: (args, extra) => {
    const key = String(args['key'])
    return new Promise((resolve) => {
      extra.signal.addEventListener('abort', () => {
        writeFileSync(join(marks, key), 'cancelled')
        resolve(text('cancelled'))
      })
      writeFileSync(join(marks, key), 'begun')
    })
  },
  waited: (args) => {
    const mark = join(marks, String(args['key']))
    return text(existsSync(mark) ? readFileSync(mark, 'utf8') : 'unknown')
  },
  log: async (_args, extra) => {
    const params = { level: 'warning' as const, logger: 'features', data: 'logged: ünï' }
    await extra.sendNotification({ method: 'notifications/message', params })
    return text('logged')
  },
  touch: async (_args, _extra, { server, subscribed }) => {
    if (subscribed.has(resource.uri)) await server.sendResourceUpdated({ uri: resource.uri })
    return text('touched')
  },
  grow: async (_args, _extra, { server }) => {
    grown++
    await server.sendToolListChanged()
    return text('grown')
  },
  ask_form: async (_args, extra) => {
    const requestedSchema = {
      type: 'object' as const,
      properties: { name: { type: 'string' as const } },
      required: ['name'],
    }
    const question = { method: 'elicitation/create', params: { message: 'Who?', requestedSchema } } as const
    const { action, content } = await extra.sendRequest(question, ElicitResultSchema)
    return text(`${action} ${String(content?.['name'])}`)
  },
  ask_model: async (_args, extra) => {
    const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: '2 + 2?' } }]
    const question = { method: 'sampling/createMessage', params: { messages, maxTokens: 10 } } as const
    const { content } = await extra.sendRequest(question, CreateMessageResultSchema)
    return text(content.type === 'text' ? content.text : content.type)
  },
  ask_roots: async (_args, extra) => {
    const { roots } = await extra.sendRequest({ method: 'roots/list' }, ListRootsResultSchema)
    return text(roots.map(({ uri }) => uri).join(' '))
  },
  die: () => process.exit(3),
}

/** Open schemas, but for the one tool whose answer has a shape. */
function toolList() {
  const names = [...Object.keys(tools), ...Array.from({ length: grown }, (_, index) => `grown_${index}`)]
  const shape = { type: 'object' as const, properties: { sum: { type: 'number' } }, required: ['sum'] }
  return names.map((name) => ({
    name,
    description: name,
    inputSchema: { type: 'object' as const },
    ...(name === 'sum' && { outputSchema: shape }),
  }))
}

function createServer(): Server {
  const server = new Server(
    { name: 'features', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: {},
        resources: { subscribe: true },
        logging: {},
        completions: {},
      },
    },
  )
  const session: Session = { server, subscribed: new Set() }
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: toolList() }))
  server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) => {
    const tool = tools[params.name]
    if (tool === undefined) throw new McpError(-32_602, `no tool ${params.name}`)
    return tool(params.arguments ?? {}, extra, session)
  })
  offerResources(server, session.subscribed)
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: [{ name: 'greet', arguments: [{ name: 'name', required: true }] }],
  }))
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Hello ${params.arguments?.['name']}` } }],
  }))
  server.setRequestHandler(CompleteRequestSchema, ({ params }) => {
    const values = cities.filter((city) => city.startsWith(params.argument.value))
    return { completion: { values, total: values.length, hasMore: false } }
  })
  return server
}

function offerResources(server: Server, subscribed: Set<string>): void {
  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: [resource] }))
  server.setRequestHandler(ReadResourceRequestSchema, ({ params }) => {
    if (params.uri !== resource.uri) throw new McpError(-32_002, 'Resource not found', { uri: params.uri })
    return { contents: [{ uri: params.uri, mimeType: 'text/plain', text: 'text: ünï' }] }
  })
  server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    subscribed.add(params.uri)
    return {}
  })
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    subscribed.delete(params.uri)
    return {}
  })
}

function serveOverHttp(): { stream: string; sse: string } {
  const fetch = sessions((sessionIdGenerator, onsessioninitialized) => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator,
      onsessioninitialized,
    })
    return { transport, connect: () => createServer().connect(transport as Transport) }
  })
  const { port } = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    fetch: async (request) => begun(await fetch(request), request.method),
  })
  return { stream: `http://127.0.0.1:${port}/mcp`, sse: serveSse(createServer) }
}

/** Bun holds the head of an answer back until its body begins, and clients wait for the head of a quiet stream. */
function begun(response: Response, method: string): Response {
  if (method !== 'GET' || response.body === null) return response
  const comment = new TransformStream<Uint8Array, Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode(':\n\n')),
  })
  return new Response(response.body.pipeThrough(comment), response)
}

if (process.argv[2] === 'http') console.log(JSON.stringify(serveOverHttp()))
else await createServer().connect(new StdioServerTransport() as Transport)
