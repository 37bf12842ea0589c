/** The matrix server on SDK 1.x: one instance serves one session. */
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  CreateMessageResultSchema,
  ElicitResultSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListRootsResultSchema,
  ListToolsRequestSchema,
  type ServerNotification,
  type ServerRequest,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import {
  askFor,
  citiesFrom,
  type Marks,
  promptList,
  resourcePage,
  sampleOf,
  toolList,
  untilAborted,
} from './offer.ts'

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>

/** A server with everything registered, not yet connected. */
export function createOfferV1(marks: Marks): Server {
  const server = new Server(
    { name: 'matrix-v1', version: '1.0.0' },
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
  const subscribed = new Set<string>()
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: toolList() }))
  server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts: promptList() }))
  server.setRequestHandler(ListResourcesRequestSchema, ({ params }) => resourcePage(params?.cursor))
  server.setRequestHandler(CompleteRequestSchema, ({ params }) => citiesFrom(params.argument.value))
  server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    subscribed.add(params.uri)
    return {}
  })
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    subscribed.delete(params.uri)
    return {}
  })
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const text = await run(server, marks, subscribed, params.name, params.arguments ?? {}, extra)
    return { content: [{ type: 'text', text }] }
  })
  return server
}

async function run(
  server: Server,
  marks: Marks,
  subscribed: ReadonlySet<string>,
  name: string,
  args: Record<string, unknown>,
  extra: Extra,
): Promise<string> {
  switch (name) {
    case 'echo':
      return String(args['text'])
    case 'ask_twice': {
      const answers: string[] = []
      for (const field of ['name', 'color'] as const) {
        const question = { method: 'elicitation/create', params: askFor(field) } as const
        const { content } = await extra.sendRequest(question, ElicitResultSchema)
        answers.push(String(content?.[field]))
      }
      return answers.join(' likes ')
    }
    case 'ask_model': {
      const question = { method: 'sampling/createMessage', params: sampleOf('2 + 2?') } as const
      const { content } = await extra.sendRequest(question, CreateMessageResultSchema)
      return content.type === 'text' ? content.text : content.type
    }
    case 'ask_roots': {
      const { roots } = await extra.sendRequest({ method: 'roots/list' }, ListRootsResultSchema)
      return roots.map(({ uri }) => uri).join(' ')
    }
    case 'count': {
      const progressToken = extra._meta?.progressToken
      for (const progress of [1, 2, 3]) {
        if (progressToken === undefined) break
        await extra.sendNotification({
          method: 'notifications/progress',
          params: { progressToken, progress, total: 3 },
        })
      }
      return 'counted'
    }
    case 'wait':
      return untilAborted(extra.signal, marks, String(args['key']))
    case 'log':
      await extra.sendNotification({
        method: 'notifications/message',
        params: { level: 'info', logger: 'matrix', data: String(args['text']) },
      })
      return 'logged'
    case 'touch': {
      const uri = String(args['uri'])
      if (subscribed.has(uri)) await server.sendResourceUpdated({ uri })
      return 'touched'
    }
    case 'grow':
      await server.sendToolListChanged()
      return 'grown'
    default:
      throw new Error(`no tool ${name}`)
  }
}
