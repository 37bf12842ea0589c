/** What a server says on its own reaches the clients that asked for it, and the server hears of the sum. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { poll } from '../support/gateway.ts'
import type { RawClient, RpcMessage } from '../support/raw-client.ts'
import { type RawFixture, type RawName, startRawFixture } from '../support/raw-fixture.ts'

const names: readonly RawName[] = ['raw-stdio', 'raw-http']
let fixture: RawFixture

beforeAll(async () => {
  fixture = await startRawFixture({ settings: { auth: { global_tokens: ['token-of-ada', 'token-of-bob'] } } })
}, 30_000)
afterAll(() => fixture[Symbol.asyncDispose]())

/** A client with its standing stream open. */
async function listener(name: RawName, token = 'token-of-ada', capabilities = {}): Promise<RawClient> {
  const client = await fixture.open(name, { token, capabilities })
  await client.stand()
  return client
}

/** Makes the server send these, outside of any call as far as the wire tells, and a last word to wait for. */
async function emit(sender: RawClient, messages: readonly unknown[]): Promise<string> {
  const mark = crypto.randomUUID()
  const last = { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { mark } }
  await sender.call('emit', 'emit', { messages: [...messages, last], apart: true })
  return mark
}

/** Starts a call and resolves once the server is at it, so that the next one is not alone. */
async function hold(client: RawClient, look: RawClient): Promise<{ over: Promise<unknown> }> {
  const mark = crypto.randomUUID()
  const over = client.callTool('slow', 'slow', { ms: 400, mark })
  await poll('the call to arrive', async () => (await receivedBy(look, mark)).length > 0)
  return { over }
}

/** What a listener has heard up to that last word. */
async function heardBy(client: RawClient, mark: string): Promise<RpcMessage[]> {
  const last = ({ params }: RpcMessage) => params?.['mark'] === mark
  await poll('the last word', async () => client.standing.some(last))
  const heard = client.standing.splice(0)
  return heard.slice(0, heard.findIndex(last))
}

async function receivedBy(client: RawClient, part: string): Promise<Record<string, unknown>[]> {
  const { found } = await client.call<{ found: { text: string }[] }>('look', 'received', { part })
  return found.map(({ text }) => (JSON.parse(text) as { params: Record<string, unknown> }).params)
}

function logAt(level: string): unknown {
  return { jsonrpc: '2.0', method: 'notifications/message', params: { level, data: level } }
}

function updated(uri: string): unknown {
  return { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } }
}

describe('clients that share one process', () => {
  test('each hear the log from their own level up, and the server hears the most verbose one', async () => {
    // Two calls are in flight while the server speaks, so that what it says belongs to neither.
    await using quiet = await listener('raw-stdio')
    await using talkative = await listener('raw-stdio')
    const before = (await receivedBy(quiet, '"logging/setLevel"')).length
    for (const [client, level] of [
      [quiet, 'error'],
      [talkative, 'debug'],
    ] as const)
      expect((await client.request('level', 'logging/setLevel', { level })).answer.result).toEqual({})
    const slow = await hold(quiet, quiet)
    const mark = await emit(talkative, [logAt('debug'), logAt('warning'), logAt('critical')])
    const levels = (heard: RpcMessage[]) => heard.map(({ params }) => params?.['level'])
    expect(levels(await heardBy(quiet, mark))).toEqual(['critical'])
    expect(levels(await heardBy(talkative, mark))).toEqual(['debug', 'warning', 'critical'])
    await slow.over
    // Who had asked for most asks for least: what the other one needs is the most now.
    await talkative.request('level', 'logging/setLevel', { level: 'emergency' })
    await poll('the server to hear of it', async () => {
      const told = (await receivedBy(quiet, '"logging/setLevel"')).slice(before)
      return told.at(-1)?.['level'] === 'error'
    })
    const told = (await receivedBy(quiet, '"logging/setLevel"')).slice(before)
    expect(told.map(({ level }) => level)).toEqual(['error', 'debug', 'error'])
  }, 20_000)

  test('hear of the resources that they subscribed to, and the server hears of the last one to leave', async () => {
    await using first = await listener('raw-stdio')
    await using second = await listener('raw-stdio')
    const uri = `file:///${crypto.randomUUID()}`
    const goodbye = () =>
      receivedBy(first, `"resources/unsubscribe"`).then((all) =>
        all.filter((params) => params['uri'] === uri),
      )
    for (const client of [first, second]) await client.request('sub', 'resources/subscribe', { uri })
    const both = await emit(first, [updated(uri), updated('file:///other')])
    expect((await heardBy(first, both)).map(({ params }) => params)).toEqual([{ uri }])
    expect((await heardBy(second, both)).map(({ params }) => params)).toEqual([{ uri }])

    expect((await first.request('unsub', 'resources/unsubscribe', { uri })).answer.result).toEqual({})
    const one = await emit(first, [updated(uri)])
    expect(await heardBy(first, one)).toEqual([])
    expect((await heardBy(second, one)).map(({ params }) => params)).toEqual([{ uri }])
    expect(await goodbye()).toEqual([])

    await second.close()
    await poll('the server to hear that nobody is left', async () => (await goodbye()).length > 0)
    expect(await goodbye()).toHaveLength(1)
  }, 20_000)

  test('hear what a call logs only when the call is their own', async () => {
    await using caller = await listener('raw-stdio')
    await using bystander = await listener('raw-stdio')
    const { before } = await caller.callTool('emit', 'emit', { messages: [logAt('error')] })
    expect(before.map(({ params }) => params?.['data'])).toEqual(['error'])
    expect(await heardBy(bystander, await emit(caller, []))).toEqual([])
  }, 20_000)
})

describe('principals that share one process', () => {
  test('hear of changed lists, but not of each other’s log', async () => {
    await using shared = await startRawFixture({
      settings: { auth: { global_tokens: ['token-of-ada', 'token-of-bob'] } },
      definition: { isolation: 'shared' },
    })
    const [ada, bob] = await Promise.all(
      ['token-of-ada', 'token-of-bob'].map((token) => shared.open('raw-stdio', { token })),
    )
    if (!ada || !bob) throw new Error('no clients')
    await Promise.all([ada.stand(), bob.stand()])
    const slow = await hold(bob, ada)
    const mark = await emit(ada, [logAt('error')])
    expect(await heardBy(ada, mark)).toEqual([])
    expect(await heardBy(bob, mark)).toEqual([])
    await slow.over
    await Promise.all([ada.close(), bob.close()])
  }, 20_000)
})

describe.each(names)('%s', (name) => {
  test('a changed list is told to every session of the server that it concerns', async () => {
    await using one = await listener(name)
    await using two = await listener(name)
    const method = 'notifications/prompts/list_changed'
    const mark = await emit(one, [{ jsonrpc: '2.0', method }])
    expect((await heardBy(one, mark)).map((message) => message.method)).toEqual([method])
    // Over HTTP each client has a session of its own at the server, which tells each of them itself.
    if (name === 'raw-stdio')
      expect((await heardBy(two, mark)).map((message) => message.method)).toEqual([method])
  }, 20_000)

  test('what a client with capabilities says of its roots and its progress reaches the server', async () => {
    await using client = await fixture.open(name, {
      token: 'token-of-ada',
      capabilities: { roots: { listChanged: true } },
    })
    await client.notify('notifications/roots/list_changed')
    await client.notify('notifications/progress', { progressToken: 'of the server', progress: 1 })
    const { found } = await client.call<{ found: unknown[] }>('look', 'received', {
      part: 'roots/list_changed',
    })
    expect(found).toHaveLength(1)
    expect(await receivedBy(client, 'notifications/progress')).toEqual([
      { progressToken: 'of the server', progress: 1 },
    ])
  }, 20_000)

  test('a notification that nobody has heard of reaches the client as it came', async () => {
    await using client = await fixture.open(name, { token: 'token-of-ada', capabilities: { sampling: {} } })
    const strange = {
      jsonrpc: '2.0',
      method: 'notifications/x-vendor/hint',
      params: { 'x-n': [1, null] },
      'x-top': 1,
    }
    const { before } = await client.callTool('emit', 'emit', { messages: [strange] })
    const standing = before.length === 0
    if (standing) {
      await client.stand()
      await poll('it on the standing stream', async () => client.standing.length > 0)
    }
    expect(standing ? client.standing : before).toEqual([strange as RpcMessage])
  }, 20_000)
})
