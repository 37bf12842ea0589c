/** The matrix server on SDK 2.x, for either era. */
import {
  acceptedContent,
  createRequestStateCodec,
  fromJsonSchema,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server'
import {
  askFor,
  citiesFrom,
  type Marks,
  promptList,
  resourcePage,
  sampleOf,
  toolNames,
  untilAborted,
} from './offer.ts'

/** How an instance announces changes: to its session, or to whoever listens. */
export interface Announcements {
  toolsChanged(server: McpServer): Promise<void> | void
  resourceUpdated(server: McpServer, uri: string): Promise<void> | void
}

interface Asked {
  readonly name: string
}

// One key for the process: in the modern era each round is served by a fresh instance.
const states = createRequestStateCodec<Asked>({ key: crypto.getRandomValues(new Uint8Array(32)) })
const open = fromJsonSchema<Record<string, unknown>>({ type: 'object' } as Parameters<
  typeof fromJsonSchema
>[0])

/** A server with everything registered, not yet connected. */
export function createOfferV2(era: 'legacy' | 'modern', marks: Marks, announce: Announcements): McpServer {
  const server = new McpServer(
    { name: `matrix-v2-${era}`, version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: {},
        resources: { subscribe: true },
        logging: {},
        completions: {},
      },
      requestState: { verify: states.verify },
    },
  )
  const subscribed = new Set<string>()
  for (const name of toolNames) {
    server.registerTool(name, { description: name, inputSchema: open }, async (args, context) => {
      const updated = (uri: string) =>
        era === 'modern' || subscribed.has(uri) ? announce.resourceUpdated(server, uri) : undefined
      const changed = () => announce.toolsChanged(server)
      const outcome = await run({ marks, updated, changed }, name, args, context)
      return typeof outcome === 'string' ? { content: [{ type: 'text', text: outcome }] } : outcome
    })
  }
  const { server: inner } = server
  inner.setRequestHandler('prompts/list', () => ({ prompts: promptList() }))
  inner.setRequestHandler('resources/list', ({ params }) => resourcePage(params?.cursor))
  inner.setRequestHandler('completion/complete', ({ params }) => citiesFrom(params.argument.value))
  // 2026-07-28 has no such methods: there, `subscriptions/listen` carries the URIs.
  if (era === 'legacy') {
    inner.setRequestHandler('resources/subscribe', ({ params }) => {
      subscribed.add(params.uri)
      return {}
    })
    inner.setRequestHandler('resources/unsubscribe', ({ params }) => {
      subscribed.delete(params.uri)
      return {}
    })
  }
  return server
}

interface Effects {
  readonly marks: Marks
  updated(uri: string): Promise<void> | void
  changed(): Promise<void> | void
}

async function run(
  { marks, updated, changed }: Effects,
  name: (typeof toolNames)[number],
  args: Record<string, unknown>,
  context: ServerContext,
): Promise<string | InputRequiredResult> {
  const { mcpReq } = context
  switch (name) {
    case 'echo':
      return String(args['text'])
    case 'ask_twice': {
      const state = mcpReq.requestState<Asked>()
      if (state) return `${state.name} likes ${acceptedContent(mcpReq.inputResponses, 'color')?.['color']}`
      const given = acceptedContent(mcpReq.inputResponses, 'name')?.['name']
      if (typeof given !== 'string')
        return inputRequired({ inputRequests: { name: inputRequired.elicit(askFor('name')) } })
      return inputRequired({
        inputRequests: { color: inputRequired.elicit(askFor('color')) },
        requestState: await states.mint({ name: given }),
      })
    }
    case 'ask_model': {
      const answer = inputResponse(mcpReq.inputResponses, 'model')
      if (answer.kind !== 'sampling')
        return inputRequired({ inputRequests: { model: inputRequired.createMessage(sampleOf('2 + 2?')) } })
      const block = Array.isArray(answer.result.content) ? answer.result.content[0] : answer.result.content
      return block?.type === 'text' ? block.text : 'no text'
    }
    case 'ask_roots': {
      const answer = inputResponse(mcpReq.inputResponses, 'roots')
      if (answer.kind !== 'roots')
        return inputRequired({ inputRequests: { roots: inputRequired.listRoots() } })
      return answer.roots.map(({ uri }) => uri).join(' ')
    }
    case 'count': {
      const progressToken = mcpReq._meta?.progressToken
      for (const progress of [1, 2, 3]) {
        if (progressToken === undefined) break
        await mcpReq.notify({
          method: 'notifications/progress',
          params: { progressToken, progress, total: 3 },
        })
      }
      return 'counted'
    }
    case 'wait':
      return untilAborted(mcpReq.signal, marks, String(args['key']))
    case 'log':
      await mcpReq.log('info', String(args['text']), 'matrix')
      return 'logged'
    case 'touch':
      await updated(String(args['uri']))
      return 'touched'
    case 'grow':
      await changed()
      return 'grown'
  }
}
