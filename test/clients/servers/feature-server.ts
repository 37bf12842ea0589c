/**
 * A server with everything that the client programs ask for, on SDK 1.x.
 *
 *   bun feature-server.ts stdio   on a pipe
 *   bun feature-server.ts http    at free ports; prints {"stream":"http://…","sse":"http://…"}
 *
 * Its tools, texts and resources are those of every other server of this folder, so that one client
 * program fits them all.
 */
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  type CallToolResult,
  CallToolRequestSchema,
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

const bigBytes = 1024 * 1024
const resource = { uri: 'feature://text', name: 'text', mimeType: 'text/plain' }
const cities = ['paris', 'parma', 'porto']
/** Calls of `wait` by their key; they outlive a session, which may end with the call. */
const waits = new Map<string, 'begun' | 'cancelled'>()
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
        waits.set(key, 'cancelled')
        resolve(text('cancelled'))
      })
      waits.set(key, 'begun')
    })
  },
  waited: (args) => text(waits.get(String(args['key'])) ?? 'unknown'),
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
    const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator, onsessioninitialized })
    return { transport, connect: () => createServer().connect(transport as Transport) }
  })
  const { port } = Bun.serve({ hostname: '127.0.0.1', port: 0, idleTimeout: 0, fetch })
  return { stream: `http://127.0.0.1:${port}/mcp`, sse: serveSse(createServer) }
}

if (process.argv[2] === 'http') console.log(JSON.stringify(serveOverHttp()))
else await createServer().connect(new StdioServerTransport() as Transport)
