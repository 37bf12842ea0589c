/** A session from its first message to its end: who may use it, what its streams carry, and what is left after. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readEvents } from '../support/event-reader.ts'
import { poll } from '../support/gateway.ts'
import { collectEvents, RawClient, type RpcMessage, readExchange } from '../support/raw-client.ts'
import { type RawFixture, type RawName, startRawFixture } from '../support/raw-fixture.ts'

const names: readonly RawName[] = ['raw-stdio', 'raw-http']
const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
let fixture: RawFixture

beforeAll(async () => {
  fixture = await startRawFixture({ settings: { timeouts: { heartbeat: '250ms', stream_after: '250ms' } } })
}, 30_000)
afterAll(() => fixture[Symbol.asyncDispose]())

interface Refusal {
  readonly status: number
  readonly code: number | undefined
  readonly name: unknown
}

async function refusalOf(response: Response): Promise<Refusal> {
  const { error } = (await response.json()) as RpcMessage
  return {
    status: response.status,
    code: error?.code,
    name: (error?.data as { code?: string } | undefined)?.code,
  }
}

const unknown: Refusal = { status: 404, code: -32001, name: 'SESSION_UNKNOWN' }
const missing: Refusal = { status: 400, code: -32600, name: 'SESSION_MISSING' }

describe('a session id', () => {
  const uses: readonly { use: string; init: RequestInit }[] = [
    { use: 'POST', init: { method: 'POST', body: ping, headers: { 'content-type': 'application/json' } } },
    { use: 'GET', init: { headers: { accept: 'text/event-stream' } } },
    { use: 'DELETE', init: { method: 'DELETE' } },
  ]
  const send = (url: URL, { headers, ...init }: RequestInit, sessionId?: string) =>
    fetch(url, {
      ...init,
      headers: { ...(headers as Record<string, string>), ...(sessionId && { 'mcp-session-id': sessionId }) },
    })

  test.each([...uses])('that is not sent with $use is 400', async ({ init }) => {
    expect(await refusalOf(await send(fixture.url('raw-stdio'), init))).toEqual(missing)
  })

  test.each([...uses])('of another server is 404 to $use, and unharmed', async ({ init }) => {
    await using client = await fixture.open('raw-stdio')
    expect(await refusalOf(await send(fixture.url('raw-http'), init, client.sessionId))).toEqual(unknown)
    expect((await client.request(1, 'ping')).answer.result).toEqual({})
  })

  test.each([...uses])(
    'of the SSE face is 404 to $use on the other one, and the other way round',
    async ({ init }) => {
      const gone = new AbortController()
      const events = await fetch(fixture.gateway.face('raw-stdio', 'sse'), { signal: gone.signal })
      if (events.body === null) throw new Error('no stream')
      const { value: endpoint } = await readEvents(events.body).next()
      const id = new URL(endpoint?.data ?? '').searchParams.get('sessionId') ?? ''
      expect(await refusalOf(await send(fixture.url('raw-stdio'), init, id))).toEqual(unknown)
      gone.abort()
      await using client = await fixture.open('raw-stdio')
      const message = new URL(
        `${fixture.gateway.url}/mcp-proxy/raw-stdio/message?sessionId=${client.sessionId}`,
      )
      const posted = await fetch(message, { method: 'POST', body: ping })
      expect(await refusalOf(posted)).toEqual(unknown)
    },
  )

  test.each([...uses])('that was ended by DELETE is 404 to $use', async ({ init }) => {
    const client = await fixture.open('raw-stdio')
    expect((await send(client.url, { method: 'DELETE' }, client.sessionId)).status).toBe(204)
    expect(await refusalOf(await send(client.url, init, client.sessionId))).toEqual(unknown)
  })

  test('of the past does not keep a client from initialising again', async () => {
    const client = await fixture.open('raw-stdio')
    await client.close()
    const initialize = {
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: {
        protocolVersion: '2025-06-18',
        capabilities: {},
        clientInfo: { name: 'again', version: '1' },
      },
    }
    const response = await client.post(JSON.stringify(initialize))
    expect(response.status).toBe(200)
    const next = response.headers.get('mcp-session-id')
    expect(next).not.toBe(client.sessionId)
    expect(((await response.json()) as RpcMessage).result?.['protocolVersion']).toBe('2025-06-18')
    await send(client.url, { method: 'DELETE' }, next ?? '')
  })
})

describe.each(names)('%s', (name) => {
  test('DELETE ends the streams, and a call in flight gets an error with its id', async () => {
    const client = await fixture.open(name)
    const standing = await client.get()
    const mark = crypto.randomUUID()
    const call = client.callTool('in flight', 'slow', { ms: 60_000, mark })
    await poll('the call to arrive', async () => {
      const { found } = await client.call<{ found: unknown[] }>('look', 'received', { part: mark })
      return found.length > 0
    })
    await client.close()
    const { answer } = await call
    expect(answer.id).toBe('in flight')
    expect(answer.error?.code).toBe(-32001)
    const rest = standing.text().catch(() => 'cut')
    expect(await Promise.race([rest, Bun.sleep(2_000).then(() => 'still open')])).not.toBe('still open')
  }, 20_000)

  test('a result that comes first is a JSON body, whatever the client accepts besides', async () => {
    await using client = await fixture.open(name)
    const exchange = await client.callTool(1, 'echo', { secret: 's' })
    expect(exchange.contentType).toStartWith('application/json')
  })

  test('a client that accepts JSON only waits for its JSON, and hears the rest on its standing stream', async () => {
    await using client = await fixture.open(name)
    await client.stand()
    const text =
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"steps","arguments":{"count":2,"everyMs":200},"_meta":{"progressToken":9}}}'
    const response = await client.post(text, { headers: { accept: 'application/json' } })
    expect(response.headers.get('content-type')).toStartWith('application/json')
    expect((await readExchange(response, 1)).answer.result?.structuredContent).toEqual({ done: true })
    await poll('the progress', async () => client.standing.length === 2)
    expect(client.standing.map(({ params }) => params)).toEqual([
      { progressToken: 9, progress: 1 },
      { progressToken: 9, progress: 2 },
    ])
  }, 20_000)

  test('the standing stream, cut, goes on with exactly what was missed', async () => {
    // A lane of its own, so that what the server says apart from calls is this client's.
    await using client = await fixture.open(name, { capabilities: { sampling: {} } })
    const say = (n: number) =>
      client.call(n, 'emit', {
        apart: true,
        messages: [{ jsonrpc: '2.0', method: 'notifications/x-vendor/count', params: { n } }],
      })
    const cut = new AbortController()
    const first = await client.get(undefined, { signal: cut.signal })
    if (first.body === null) throw new Error('no stream')
    await say(1)
    const seen = await collectEvents(first.body, ({ data }) => data.includes('"n":1'))
    cut.abort()
    await say(2)
    await say(3)
    const again = await client.get(seen.at(-1)?.id ?? '')
    if (again.body === null) throw new Error('no stream')
    const missed = await collectEvents(again.body, ({ data }) => data.includes('"n":3'))
    const counts = missed
      .filter(({ data }) => data !== '')
      .map(({ data }) => (JSON.parse(data) as RpcMessage).params)
    expect(counts).toEqual([{ n: 2 }, { n: 3 }])
  }, 20_000)
})

describe('a silent call', () => {
  test('silence becomes a stream with a first byte, and comments keep it alive until the result', async () => {
    await using client = await fixture.open('raw-stdio')
    const text =
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow","arguments":{"ms":1200}}}'
    const response = await client.post(text)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(response.headers.get('x-accel-buffering')).toBe('no')
    expect(response.headers.get('cache-control')).toBe('no-cache, no-transform')
    if (response.body === null) throw new Error('no body')
    const events = await collectEvents(response.body, ({ data }) => data.includes('"result"'))
    // The first event carries an id and when to come back, so that the client can resume at any time.
    expect(events[0]).toMatchObject({ data: '', retryMs: 1_000, id: expect.stringMatching(/^\d+-0$/) })
    expect(events.filter(({ type }) => type === 'comment').length).toBeGreaterThanOrEqual(1)
    expect((JSON.parse(events.at(-1)?.data ?? '') as RpcMessage).result?.structuredContent).toEqual({
      slept: 1200,
    })
  }, 20_000)

  test('resuming a call ends the connection that it had before', async () => {
    await using client = await fixture.open('raw-stdio')
    const text =
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow","arguments":{"ms":900}}}'
    const first = await client.post(text)
    if (first.body === null) throw new Error('no body')
    const reader = readEvents(first.body, { all: true })
    const { value: priming } = await reader.next()
    const second = await client.get(priming?.id ?? '')
    // What is left of the first one ends without an answer.
    for await (const { data } of reader) expect(data).not.toContain('"result"')
    expect((await readExchange(second, 1)).answer.result?.structuredContent).toEqual({ slept: 900 })
  }, 20_000)
})

describe('bounds', () => {
  let bounded: RawFixture
  beforeAll(async () => {
    bounded = await startRawFixture({
      settings: {
        limits: { sessions_per_client_max: 3 },
        timeouts: { session_idle: '500ms', session_absolute: '2s' },
      },
    })
  }, 30_000)
  afterAll(() => bounded[Symbol.asyncDispose]())

  const alive = async (client: RawClient) => {
    // Looking at a session is using it, so its own requests say whether it is there.
    const response = await client.post(ping)
    await response.arrayBuffer()
    return response.status === 200
  }

  test('past so many sessions a client gets 429 and is told when to come back', async () => {
    const clients = await Promise.all([1, 2, 3].map(() => bounded.open('raw-stdio')))
    const opening = await RawClient.open(bounded.url('raw-stdio')).catch((reason: Error) => reason.message)
    expect(opening).toStartWith('429 ')
    expect(opening).toContain('sessions_per_client_max')
    await clients[0]?.close()
    const next = await bounded.open('raw-stdio')
    for (const client of [next, ...clients.slice(1)]) await client.close()
  }, 20_000)

  test('an idle session ends, one with an open stream lives on until its age', async () => {
    await using idle = await bounded.open('raw-stdio')
    await using listening = await bounded.open('raw-stdio')
    const openedAtMs = performance.now()
    const stream = await listening.get()
    await Bun.sleep(1_100)
    expect(await alive(idle)).toBe(false)
    expect(await alive(listening)).toBe(true)
    // The end of the stream is the end of the session.
    await stream.text()
    expect(performance.now() - openedAtMs).toBeGreaterThan(1_900)
    expect(await alive(listening)).toBe(false)
  }, 20_000)
})
