/**
 * Clients that can be asked something, on the reference server: sampling, elicitation, roots, its log, its
 * updates, and a task that asks in the middle. What they see is what they see without the gateway.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { type RealServers, startRealServers } from '../support/real-servers.ts'
import type { Way } from '../support/sdk-clients.ts'

const names = ['everything', 'everything-sse', 'everything-http']
const faces: readonly { face: 'stream' | 'sse'; over: Way['over'] }[] = [
  { face: 'stream', over: 'streamable-http' },
  { face: 'sse', over: 'sse' },
]
let real: RealServers
let gateway: RunningGateway
let direct: Promise<Record<string, unknown>>

beforeAll(async () => {
  real = await startRealServers()
  gateway = await startGatewayProcess({ via: 'executable' })
  const servers = real.servers.filter(({ name }) => names.includes(name))
  await Promise.all(servers.map(({ definition }) => gateway.register(definition)))
  direct = tour(servers.find(({ name }) => name === 'everything')?.direct)
}, 60_000)
afterAll(async () => {
  await gateway?.stop()
  await real?.[Symbol.asyncDispose]()
})

describe.each(names)('%s', (name) => {
  test.concurrent.each([...faces])(
    'a client over /$face is asked, told and served as without the gateway',
    async ({ face, over }) => {
      const seen = await tour({ over, url: gateway.face(name, face) } as Way)
      expect(seen).toEqual(await direct)
      // That the yardstick itself is no list of failures.
      expect(JSON.stringify(seen)).not.toContain('MCP error')
    },
    30_000,
  )
})

function transportTo(way: Way | undefined): Transport {
  if (way === undefined) throw new Error('no such server')
  if (way.over === 'stdio') {
    const [command = '', ...args] = way.command
    return new StdioClientTransport({ command, args, stderr: 'ignore' })
  }
  return (
    way.over === 'sse' ? new SSEClientTransport(way.url) : new StreamableHTTPClientTransport(way.url)
  ) as Transport
}

async function tour(way: Way | undefined): Promise<Record<string, unknown>> {
  const updates: unknown[] = []
  const client = ableClient()
  client.setNotificationHandler(
    ResourceUpdatedNotificationSchema,
    ({ params }) => void updates.push(params.uri),
  )
  await client.connect(transportTo(way))
  const call = (tool: string, args: Record<string, unknown> = {}) =>
    client.callTool({ name: tool, arguments: args })
  // The server offers these tools once it knows what the client can do.
  await poll('the tools for able clients', async () =>
    (await client.listTools()).tools.some(({ name }) => name === 'trigger-sampling-request'),
  )
  const task = research(client)
  const { resources } = await client.listResources()
  const uri = resources[0]?.uri ?? ''
  const answers = {
    tools: (await client.listTools()).tools.map(({ name }) => name),
    sampling: await call('trigger-sampling-request', { prompt: 'hi', maxTokens: 5 }),
    elicitation: await call('trigger-elicitation-request'),
    roots: await call('get-roots-list'),
    level: await client.setLoggingLevel('debug'),
    subscribed: await client.subscribeResource({ uri }),
    updating: redacted(await call('toggle-subscriber-updates')),
    task: await task,
  }
  await poll('an update', async () => updates.includes(uri))
  await client.close()
  return answers
}

function ableClient(): Client {
  const elicitation = { form: {}, url: {} }
  const tasks = { requests: { elicitation: { create: {} } } }
  const client = new Client(
    { name: 'able', version: '1.0.0' },
    { capabilities: { sampling: {}, elicitation, tasks, roots: { listChanged: true } } },
  )
  client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => ({
    role: 'assistant',
    model: 'none',
    content: { type: 'text', text: `asked ${JSON.stringify(params.messages)}` },
  }))
  client.setRequestHandler(ElicitRequestSchema, ({ params }) =>
    params.message.startsWith('The research query')
      ? { action: 'accept', content: { interpretation: 'the technical one' } }
      : { action: 'accept', content: { name: 'Ada', check: true } },
  )
  client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///tmp', name: 'tmp' }] }))
  return client
}

/** A task of four seconds that asks its client half-way: its state at both ends, and its result. */
async function research(client: Client): Promise<unknown> {
  const { tasks } = client.experimental
  const call = { name: 'simulate-research-query', arguments: { topic: 'python', ambiguous: true } }
  for await (const first of tasks.callToolStream(call, CallToolResultSchema, { task: { ttl: 60_000 } })) {
    if (first.type !== 'taskCreated') throw new Error(`no task was made: ${JSON.stringify(first)}`)
    const { taskId, status } = first.task
    // Waited for, not asked for again and again: the question travels on this response.
    const { content } = await tasks.getTaskResult(taskId, CallToolResultSchema)
    return { begun: status, content, ended: (await tasks.getTask(taskId)).status }
  }
  return null
}

/** Session ids differ from run to run. */
function redacted(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer).replaceAll(/session [\w-]+/gi, 'session'))
}
