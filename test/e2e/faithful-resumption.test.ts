/** A call outlives the connection that it came on, and only its owner can pick it up again. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { ServerSentEvent } from '../support/event-reader.ts'
import { collectEvents, type RawClient, type RpcMessage } from '../support/raw-client.ts'
import { type RawFixture, type RawName, startRawFixture } from '../support/raw-fixture.ts'

const names: readonly RawName[] = ['raw-stdio', 'raw-http']
const steps = 8
let fixture: RawFixture

beforeAll(async () => {
  fixture = await startRawFixture({ settings: { auth: { global_tokens: ['token-of-ada', 'token-of-bob'] } } })
}, 30_000)
afterAll(() => fixture[Symbol.asyncDispose]())

describe.each(names)('%s', (name) => {
  test('a client that was cut off gets exactly what it missed, and the result', async () => {
    await using client = await fixture.open(name, { token: 'token-of-ada' })
    const { seen, lastEventId } = await cutOffAfter(client, 3)
    const resumed = await client.get(lastEventId)
    expect(resumed.status).toBe(200)
    const missed = await collectUntilAnswer(resumed)
    const all = [...seen, ...missed]
    expect(all.map(stepOf)).toEqual([...Array.from({ length: steps }, (_, index) => index + 1), 'done'])
  }, 20_000)

  test('it gets them also when the call has ended meanwhile', async () => {
    await using client = await fixture.open(name, { token: 'token-of-ada' })
    const { seen, lastEventId } = await cutOffAfter(client, 2)
    // Another call on the same session ends later than the one that was cut off.
    await client.call('later', 'steps', { count: steps + 2, everyMs: 20 })
    const missed = await collectUntilAnswer(await client.get(lastEventId))
    expect([...seen, ...missed].map(stepOf)).toEqual([
      ...Array.from({ length: steps }, (_, index) => index + 1),
      'done',
    ])
  }, 20_000)

  test('another principal with the same session and event gets 404', async () => {
    await using client = await fixture.open(name, { token: 'token-of-ada' })
    const { lastEventId } = await cutOffAfter(client, 2)
    const theft = await client.get(lastEventId, { headers: { authorization: 'Bearer token-of-bob' } })
    expect(theft.status).toBe(404)
    expect(theft.headers.get('content-type')).toContain('application/json')
    expect(((await theft.json()) as RpcMessage).error?.code).toBe(-32001)
    // The owner is none the worse for it.
    const missed = await collectUntilAnswer(await client.get(lastEventId))
    expect(missed.map(stepOf).at(-1)).toBe('done')
  }, 20_000)

  test('another principal cannot post to the session either', async () => {
    await using client = await fixture.open(name, { token: 'token-of-ada' })
    const theft = await client.post('{"jsonrpc":"2.0","id":1,"method":"ping"}', {
      headers: { authorization: 'Bearer token-of-bob' },
    })
    expect(theft.status).toBe(404)
    expect(((await theft.json()) as RpcMessage).error?.code).toBe(-32001)
  })
})

/** Starts a call that reports its steps, and drops the connection after some of them. */
async function cutOffAfter(client: RawClient, count: number) {
  const cut = new AbortController()
  const text = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'steps', arguments: { count: steps, everyMs: 40 }, _meta: { progressToken: 'p' } },
  })
  const response = await client.post(text, { signal: cut.signal })
  if (response.body === null) throw new Error('no body')
  const events = await collectEvents(response.body, (_, all) => all.filter(isMessage).length === count)
  cut.abort()
  const lastEventId = events.at(-1)?.id
  if (lastEventId === null || lastEventId === undefined) throw new Error('the events carry no id')
  return { seen: events.filter(isMessage), lastEventId }
}

async function collectUntilAnswer(response: Response): Promise<ServerSentEvent[]> {
  if (response.body === null) throw new Error('no body')
  const events = await collectEvents(response.body, (event) => stepOf(event) === 'done')
  return events.filter(isMessage)
}

function isMessage(event: ServerSentEvent): boolean {
  return event.type === 'message' && event.data.trim() !== ''
}

function stepOf(event: ServerSentEvent): unknown {
  if (!isMessage(event)) return null
  const message = JSON.parse(event.data) as RpcMessage
  return message.method === undefined ? 'done' : message.params?.['progress']
}
