/** What a server asks during a call reaches the client that made the call, and no other. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { CreateMessageRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { type RawFixture, type RawName, startRawFixture } from '../support/raw-fixture.ts'

const names: readonly RawName[] = ['raw-stdio', 'raw-http']
const questions = [
  { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 }, capability: { sampling: {} } },
  {
    method: 'elicitation/create',
    params: { message: '?', requestedSchema: {} },
    capability: { elicitation: {} },
  },
  {
    method: 'elicitation/create',
    params: { mode: 'url', url: 'x:y', elicitationId: '1', message: '?' },
    capability: { elicitation: { url: {} } },
  },
  { method: 'roots/list', params: {}, capability: { roots: {} } },
]
let fixture: RawFixture

interface Asked {
  result: unknown
  error: { code: number } | null
  tookMs: number
}

beforeAll(async () => {
  fixture = await startRawFixture()
}, 30_000)
afterAll(() => fixture[Symbol.asyncDispose]())

describe.each(names)('%s', (name) => {
  test.each(questions.flatMap((question) => [true, false].map((standing) => ({ ...question, standing }))))(
    '$method comes back to its call (standing stream: $standing)',
    async ({ method, params, capability, standing }) => {
      await using asker = await fixture.open(name, {
        capabilities: capability,
        answer: () => ({ saidBy: 'asker' }),
      })
      await using bystander = await fixture.open(name, {
        capabilities: capability,
        answer: () => ({ saidBy: 'bystander' }),
      })
      await bystander.stand()
      if (standing) await asker.stand()
      // Both have a call under the same id in flight, so that only the call can tell them apart.
      const [answer] = await Promise.all([
        asker.call<Asked>(0, 'ask', { method, params }),
        bystander.call(0, 'steps', { count: 1, everyMs: 50 }),
      ])
      expect(answer).toMatchObject({ result: { saidBy: 'asker' }, error: null })
      expect(asker.asked.map((request) => [request.method, request.params])).toEqual([[method, params]])
      expect(bystander.asked).toEqual([])
    },
    20_000,
  )

  test('fifty clients are asked at once, and each answers for itself', async () => {
    const clients = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        fixture.open(name, { capabilities: { sampling: {} }, answer: () => ({ saidBy: index }) }),
      ),
    )
    const answers = await Promise.all(
      clients.map((client) => client.call<Asked>(1, 'ask', { method: 'sampling/createMessage', params: {} })),
    )
    expect(answers.map(({ result }) => result)).toEqual(clients.map((_, index) => ({ saidBy: index })))
    await Promise.all(clients.map((client) => client.close()))
  }, 60_000)

  test.each(questions)(
    'a client that cannot do $method causes an error at once',
    async ({ method, params }) => {
      await using client = await fixture.open(name, { capabilities: {}, answer: () => ({}) })
      const { error, tookMs } = await client.call<Asked>(0, 'ask', { method, params })
      expect(error).not.toBeNull()
      expect(tookMs).toBeLessThan(1_000)
      expect(client.asked).toEqual([])
    },
  )

  test('an error of the client reaches the server as it is', async () => {
    await using client = await fixture.open(name, {
      capabilities: { sampling: {} },
      answer: () => {
        throw new Error('not today')
      },
    })
    const { error } = await client.call<Asked>(0, 'ask', { method: 'sampling/createMessage', params: {} })
    expect(error).toEqual({ code: -32601, message: 'Error: not today' } as never)
  })

  test('a ping of the server is answered, whatever the client can do', async () => {
    await using client = await fixture.open(name, { answer: () => ({}) })
    expect(await client.call<Asked>(0, 'ask', { method: 'ping', params: {} })).toMatchObject({
      result: {},
      error: null,
    })
  })

  test('a client on the SSE face is asked there', async () => {
    const client = new Client({ name: 'sse', version: '1.0.0' }, { capabilities: { sampling: {} } })
    client.setRequestHandler(CreateMessageRequestSchema, () => ({
      role: 'assistant',
      model: 'none',
      content: { type: 'text', text: 'over SSE' },
    }))
    await client.connect(new SSEClientTransport(fixture.gateway.face(name, 'sse')))
    const params = { messages: [], maxTokens: 1 }
    const answer = await client.callTool({
      name: 'ask',
      arguments: { method: 'sampling/createMessage', params },
    })
    await client.close()
    expect(answer.structuredContent).toMatchObject({ result: { content: { text: 'over SSE' } }, error: null })
  }, 20_000)
})
