/**
 * Stateless clients that listen to one server with sessions: the changes that each asked for, under its own
 * listen id, and nothing of the other's.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { callModern, Listening, type ModernPost, SUBSCRIPTION_ID } from '../support/modern-client.ts'
import type { RpcId, RpcMessage } from '../support/raw-client.ts'
import { type RawFixture, type RawName, startRawFixture } from '../support/raw-fixture.ts'

const names: readonly RawName[] = ['raw-stdio', 'raw-http']
const toolsChanged = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' }
let fixture: RawFixture

beforeAll(async () => {
  fixture = await startRawFixture({ settings: { auth: { global_tokens: ['token-of-ada', 'token-of-bob'] } } })
}, 30_000)
afterAll(() => fixture[Symbol.asyncDispose]())

const updated = (uri: string) => ({
  jsonrpc: '2.0',
  method: 'notifications/resources/updated',
  params: { uri, _meta: { 'vendor/kept': 12 } },
})

/** What one client is to hear: method and URI, under which id. */
function heardBy({ messages }: Listening): unknown[] {
  return messages.map(({ method, params }) => [method, params?.['uri'] ?? null, idOf(params)])
}

function idOf(params: RpcMessage['params']): unknown {
  return (params?.['_meta'] as Record<string, unknown> | undefined)?.[SUBSCRIPTION_ID]
}

async function emit(name: RawName, messages: readonly unknown[], post: ModernPost): Promise<void> {
  await callModern(fixture.url(name), 'emit', { messages, apart: true }, { id: 'emit', ...post })
}

describe.each(names)('%s', (name) => {
  const clients: { first: ModernPost & { id: RpcId }; second: ModernPost & { id: RpcId }; why: string }[] = [
    { why: 'same number', first: { id: 7 }, second: { id: 7 } },
    { why: 'a number and the same as a string', first: { id: 7 }, second: { id: '7' } },
    {
      why: 'clients that can be asked things',
      first: { id: 'a"b', capabilities: { elicitation: {} } },
      second: { id: 2 ** 53 - 1, capabilities: { elicitation: {} } },
    },
  ]

  test.each(clients)('two listeners with $why', async ({ first, second }) => {
    const token = 'token-of-ada'
    const everything = { toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: ['r://1'] }
    const post = { ...first, token }
    await using ada = await Listening.open(fixture.url(name), everything, post)
    await using bob = await Listening.open(
      fixture.url(name),
      { toolsListChanged: true, resourceSubscriptions: ['r://2'] },
      { ...second, token },
    )
    await poll('the acknowledgements', async () => ada.messages.length + bob.messages.length === 2)
    await emit(name, [updated('r://1'), updated('r://2'), updated('r://3'), toolsChanged], post)
    await poll('the changes', async () => ada.messages.length >= 3 && bob.messages.length >= 3)
    const acknowledged = 'notifications/subscriptions/acknowledged'
    expect(heardBy(ada)).toEqual([
      [acknowledged, null, first.id],
      ['notifications/resources/updated', 'r://1', first.id],
      [toolsChanged.method, null, first.id],
    ])
    expect(heardBy(bob)).toEqual([
      [acknowledged, null, second.id],
      ['notifications/resources/updated', 'r://2', second.id],
      [toolsChanged.method, null, second.id],
    ])
    // Narrowed to what the server announces: it has no prompts.
    expect(ada.messages[0]?.params?.['notifications']).toEqual({
      toolsListChanged: true,
      resourceSubscriptions: ['r://1'],
    })
    expect(ada.messages[1]?.params?.['_meta']).toEqual({ [SUBSCRIPTION_ID]: first.id, 'vendor/kept': 12 })
  })

  test('the server hears of each URI once, and that it is no longer wanted when the last one leaves', async () => {
    const post = { token: 'token-of-ada' }
    const uri = `r://${crypto.randomUUID()}`
    const received = async () => {
      const { answer } = await callModern(fixture.url(name), 'received', { part: uri }, post)
      const found = answer.result?.structuredContent as { found: { text: string }[] }
      const methods = found.found.map(({ text }) => (JSON.parse(text) as RpcMessage).method ?? '')
      return methods.filter((method) => method.startsWith('resources/'))
    }
    const first = await Listening.open(fixture.url(name), { resourceSubscriptions: [uri] }, post)
    const second = await Listening.open(fixture.url(name), { resourceSubscriptions: [uri] }, post)
    await poll('the subscription', async () => (await received()).length > 0)
    expect(await received()).toEqual(['resources/subscribe'])
    await first[Symbol.asyncDispose]()
    await emit(name, [updated(uri)], post)
    await poll('the update', async () => second.messages.length === 2)
    expect(await received()).toEqual(['resources/subscribe'])
    await second[Symbol.asyncDispose]()
    await poll('the end of it', async () => (await received()).length === 2)
    expect(await received()).toEqual(['resources/subscribe', 'resources/unsubscribe'])
  })
})

test('a listener hears of list changes from the process that its calls run in, parked ones included', async () => {
  const post = { token: 'token-of-ada', capabilities: { roots: {} } }
  const url = fixture.url('raw-stdio')
  await using listening = await Listening.open(url, { toolsListChanged: true }, { ...post, id: 'mine' })
  await poll('the acknowledgement', async () => listening.messages.length === 1)
  const pid = async () =>
    (await callModern(url, 'pid', {}, { ...post, id: 'pid' })).answer.result?.structuredContent
  const first = await pid()
  const parked = await callModern(url, 'ask', { method: 'roots/list', params: {} }, { ...post, id: 'parked' })
  expect(parked.answer.result).toMatchObject({ resultType: 'input_required' })
  expect(await pid()).toEqual(first)
  await callModern(url, 'emit', { messages: [toolsChanged], apart: true }, { ...post, id: 'emit' })
  await poll('the change', async () => listening.messages.length === 2)
  expect(heardBy(listening).at(-1)).toEqual([toolsChanged.method, null, 'mine'])
})

test('what belongs to a call stays with the call', async () => {
  const post = { token: 'token-of-ada', logLevel: 'debug' }
  await using listening = await Listening.open(fixture.url('raw-http'), { toolsListChanged: true }, post)
  const messages = [
    { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'for the call' } },
    toolsChanged,
  ]
  const { before } = await callModern(fixture.url('raw-http'), 'emit', { messages }, post)
  await poll('the change', async () => listening.messages.length === 2)
  expect(before.map(({ method }) => method)).toEqual(['notifications/message'])
  expect(heardBy(listening).at(-1)).toEqual([toolsChanged.method, null, 1])
})

describe('a subscription ends with a result, at a server of either era', () => {
  const pipeServer = resolve(import.meta.dir, '../support/modern-raw-server.ts')
  const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
  const servers = { new: pipeServer, old: rawServer }
  const start = () =>
    startGatewayProcess({
      via: 'executable',
      config: {
        mcps: Object.entries(servers).map(([name, path]) => ({
          name,
          transport: 'stdio',
          command: process.execPath,
          args: [path],
        })),
      },
    })
  const listen = async (gateway: RunningGateway) => {
    const open = Object.keys(servers).map((name) =>
      Listening.open(gateway.face(name, 'stream'), { toolsListChanged: true }, { id: 'bye' }),
    )
    const listening = await Promise.all(open)
    await poll('the acknowledgements', async () => listening.every(({ messages }) => messages.length === 1))
    return listening
  }
  const expectEnds = async (listening: readonly Listening[]) => {
    for (const { messages, ended } of listening) {
      await ended
      const meta = (messages.at(-1)?.result?.['_meta'] ?? {}) as Record<string, unknown>
      expect(messages.at(-1)).toMatchObject({ id: 'bye', result: { resultType: 'complete' } })
      expect(meta[SUBSCRIPTION_ID]).toBe('bye')
    }
  }

  test('when the gateway stops', async () => {
    await using gateway = await start()
    const listening = await listen(gateway)
    expect(await gateway.stop()).toBe(0)
    await expectEnds(listening)
  })

  test('when the server is removed', async () => {
    // Those of the file cannot be removed, so these are registered.
    await using gateway = await startGatewayProcess({ via: 'executable' })
    for (const [name, path] of Object.entries(servers))
      await gateway.register({ name, transport: 'stdio', command: process.execPath, args: [path] })
    const listening = await listen(gateway)
    for (const name of Object.keys(servers)) await gateway.admin(`/mcps/${name}`, { method: 'DELETE' })
    await expectEnds(listening)
  })
})
