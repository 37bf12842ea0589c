/** Messages at the edge of what clients send: taken where the protocol allows it, refused in words where not. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { RawClient, type RpcMessage, readExchange } from '../support/raw-client.ts'
import { type RawFixture, startRawFixture } from '../support/raw-fixture.ts'

let fixture: RawFixture
let client: RawClient

beforeAll(async () => {
  fixture = await startRawFixture()
  client = await fixture.open('raw-stdio')
}, 30_000)
afterAll(async () => {
  await client.close()
  await fixture[Symbol.asyncDispose]()
})

const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'

async function answerTo(body: string | Uint8Array, headers: Record<string, string> = {}) {
  const response = await fetch(client.url, {
    method: 'POST',
    headers: { ...client.headers(), ...headers },
    body,
  })
  const text = await response.text()
  const { error, result, id } = (text === '' ? {} : JSON.parse(text)) as RpcMessage
  return { status: response.status, code: error?.code, message: error?.message, result, id, text }
}

describe('an id', () => {
  test.each([
    { why: 'beyond every number type', id: '12345678901234567890123' },
    { why: 'negative', id: '-5' },
    { why: 'zero', id: '0' },
    { why: 'with an exponent', id: '1e3' },
    { why: 'as text, with escapes that a writer need not use', id: '"\\u0041\\/\\n\\"é\\ud83d\\ude00"' },
    { why: 'as empty text', id: '""' },
    { why: 'of ten thousand characters', id: `"${'x'.repeat(10_000)}"` },
  ])('$why comes back in its own spelling, as id and as progress token', async ({ id }) => {
    const call = `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"_meta":{"progressToken":${id}},"name":"echo","arguments":{"secret":"s"}}}`
    const text = await (await client.post(call)).text()
    expect(text).toContain(`"progressToken":${id},"progress":1`)
    expect(text).toContain(`"id":${id},"result":{`)
  })

  test.each(['null', '1.5', 'true', '{}', '[1]'])('%s is refused', async (id) => {
    expect(await answerTo(`{"jsonrpc":"2.0","id":${id},"method":"ping"}`)).toMatchObject({
      status: 400,
      code: -32600,
      message: 'Invalid request: id must be a string or an integer',
    })
  })

  test('may be used again, one call after the other and even at once', async () => {
    for (const secret of ['first', 'second'])
      expect(await client.call(1, 'echo', { secret })).toEqual({ secret })
    const both = ['third', 'fourth'].map((secret) => client.call(1, 'echo', { secret }))
    expect(await Promise.all(both)).toEqual([{ secret: 'third' }, { secret: 'fourth' }])
  })
})

describe('a body', () => {
  test.each([
    {
      why: 'parameters in a list',
      body: '{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}',
      message: 'params must be an object',
    },
    {
      why: 'parameters that are text',
      body: '{"jsonrpc":"2.0","id":1,"method":"x","params":"a"}',
      message: 'params must be an object',
    },
    {
      why: 'an id named twice',
      body: '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
      message: 'names one of its members twice',
    },
    {
      why: 'a request that is an answer too',
      body: '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}',
      message: 'neither result nor error',
    },
    { why: 'an answer to nothing', body: '{"jsonrpc":"2.0","result":{}}', message: 'neither a request' },
    { why: 'no word of JSON-RPC', body: '{"id":1,"method":"ping"}', message: 'not a JSON-RPC 2.0 message' },
    {
      why: 'initialize as a notification',
      body: '{"jsonrpc":"2.0","method":"initialize","params":{"protocolVersion":"2025-11-25"}}',
      message: 'needs an id',
    },
    {
      why: 'initialize without a version',
      body: '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}',
      code: -32602,
      message: 'needs params.protocolVersion',
    },
  ])('with $why is 400 and says so', async ({ body, message, code = -32600 }) => {
    const answer = await answerTo(body)
    expect(answer).toMatchObject({ status: 400, code })
    expect(answer.message).toContain(message)
  })

  test.each([
    { why: 'without parameters', params: '', heard: undefined },
    { why: 'with null for parameters', params: ',"params":null', heard: null },
  ])('$why reaches the server as it is', async ({ params, heard }) => {
    const { result } = await answerTo(`{"jsonrpc":"2.0","id":1,"method":"x-vendor/reverse"${params}}`)
    expect(result?.['x-heard']).toEqual(heard as never)
  })

  test('with a method of 100,000 characters reaches the server', async () => {
    const method = 'x'.repeat(100_000)
    const { answer } = await client.request(1, method)
    expect(answer.error?.data).toEqual({ heard: method })
  })

  test.each([
    { why: 'JSON with a charset', type: 'application/json; charset=utf-8', status: 200 },
    { why: 'JSON in capitals', type: 'Application/JSON', status: 200 },
    { why: 'a vendor’s JSON', type: 'application/vnd.x+json', status: 200 },
    { why: 'almost JSON', type: 'application/jsonx', status: 415 },
    { why: 'JavaScript', type: 'text/javascript', status: 415 },
  ])('announced as $why: $status', async ({ type, status }) => {
    expect((await answerTo(ping, { 'content-type': type })).status).toBe(status)
  })

  test('that begins with a byte order mark is read', async () => {
    expect((await answerTo(`\ufeff${ping}`)).status).toBe(200)
  })

  test('over several lines is one line on a pipe', async () => {
    const body = ping.replaceAll(',', ',\r\n  ').replace('ping', 'x-vendor/reverse')
    expect((await answerTo(body)).result).toBeDefined()
  })

  test('that is compressed is 415, and one in UTF-16 is 400', async () => {
    const zipped = Bun.gzipSync(Buffer.from(ping))
    expect(await answerTo(zipped, { 'content-encoding': 'gzip' })).toMatchObject({
      status: 415,
      message:
        'Unsupported content type: The body must not be compressed; send the body without Content-Encoding.',
    })
    expect(await answerTo(Buffer.from(ping, 'utf16le'))).toMatchObject({ status: 400, code: -32700 })
  })

  test('that arrives one byte at a time keeps its characters whole', async () => {
    const text = 'aü世🎉 '.repeat(10)
    const body = Buffer.from(
      JSON.stringify({
        jsonrpc: '2.0',
        id: 'slow',
        method: 'x-vendor/reverse',
        params: { text },
      }),
    )
    const answer = await dribble(body)
    expect(answer).toContain('HTTP/1.1 200 ')
    expect((JSON.parse(answer.slice(answer.indexOf('{'))) as RpcMessage).result?.['x-heard']).toEqual({
      text,
    })
  })
})

describe('the Accept header', () => {
  const call =
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"burst","arguments":{"count":2},"_meta":{"progressToken":1}}}'

  test.each([
    { accept: 'application/json, text/event-stream', type: 'text/event-stream' },
    { accept: 'text/event-stream', type: 'text/event-stream' },
    { accept: 'Text/Event-Stream', type: 'text/event-stream' },
    { accept: 'text/*', type: 'text/event-stream' },
    { accept: '*/*', type: 'text/event-stream' },
    { accept: 'application/json', type: 'application/json' },
    { accept: 'application/*', type: 'application/json' },
    { accept: 'text/html', type: 'application/json' },
  ])('$accept gets a call with progress as $type', async ({ accept, type }) => {
    const response = await client.post(call, { headers: { accept } })
    expect(response.headers.get('content-type')).toStartWith(type)
    expect((await readExchange(response, 1)).answer.result?.structuredContent).toEqual({ count: 2 })
  })

  test.each([
    { accept: 'text/event-stream', status: 200 },
    { accept: '*/*', status: 200 },
    { accept: 'TEXT/*', status: 200 },
    { accept: 'application/json', status: 406 },
  ])('$accept on GET: $status', async ({ accept, status }) => {
    const gone = new AbortController()
    const response = await client.get(undefined, { headers: { accept }, signal: gone.signal })
    expect(response.status).toBe(status)
    gone.abort()
  })
})

describe('the version', () => {
  test.each([
    { asked: '2025-11-25', given: '2025-11-25' },
    { asked: '2025-06-18', given: '2025-06-18' },
    { asked: '2025-03-26', given: '2025-03-26' },
    { asked: '2024-11-05', given: '2024-11-05' },
    { asked: '1999-01-01', given: '2025-11-25' },
    { asked: '2099-01-01', given: '2025-11-25' },
  ])('$asked in initialize is answered with $given', async ({ asked, given }) => {
    await using session = await RawClient.open(client.url, { version: asked })
    expect(session.greeting.result?.['protocolVersion']).toBe(given)
  })

  test('of a session need not be repeated in the header, and one that nobody speaks is refused by name', async () => {
    const { 'mcp-protocol-version': _, ...headers } = client.headers()
    expect((await fetch(client.url, { method: 'POST', headers, body: ping })).status).toBe(200)
    const strange = await answerTo(ping, { 'mcp-protocol-version': '1999-01-01' })
    expect(strange).toMatchObject({ status: 400, code: -32022, id: 1 })
    expect(strange.message).toContain('"1999-01-01" is not spoken here; this gateway speaks 2025-11-25, ')
  })
})

describe('a batch', () => {
  const batch = `[${ping},{"jsonrpc":"2.0","method":"notifications/x"},{"jsonrpc":"2.0","id":"1","method":"x-vendor/reverse","params":{"n":1.10}}]`

  test('is answered message by message to a session of 2025-03-26', async () => {
    await using session = await RawClient.open(client.url, { version: '2025-03-26' })
    const text = await (await session.post(batch)).text()
    expect(text).toContain('"id":1,"result":{}')
    expect(text).toContain('"id":"1","result":{"x-heard":{"n":1.1}')
  })

  test.each([
    { why: 'of notifications only', body: '[{"jsonrpc":"2.0","method":"notifications/x"}]', status: 202 },
    { why: 'of nothing', body: '[]', status: 400 },
    { why: 'of what is no message', body: '[1]', status: 400 },
    { why: 'in a batch', body: `[[${ping}]]`, status: 400 },
    { why: 'of too many', body: `[${Array(101).fill(ping).join()}]`, status: 400 },
    { why: 'with initialize in it', body: `[${ping.replace('ping', 'initialize')}]`, status: 400 },
  ])('$why is $status there', async ({ body, status }) => {
    await using session = await RawClient.open(client.url, { version: '2025-03-26' })
    const response = await session.post(body)
    await response.text()
    expect(response.status).toBe(status)
  })

  test.each(['2024-11-05', '2025-06-18', '2025-11-25'])('is refused to a session of %s', async (version) => {
    await using session = await RawClient.open(client.url, { version })
    const response = await session.post(batch)
    expect(response.status).toBe(400)
    expect(((await response.json()) as RpcMessage).error?.message).toContain(
      'Only revision 2025-03-26 has batches; send one message per request.',
    )
  })
})

/** POSTs over a plain socket, every byte in a packet of its own as far as the machine allows. */
function dribble(body: Buffer): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const headers = {
    ...client.headers(),
    host: client.url.host,
    'content-length': String(body.length),
    connection: 'close',
  }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const socket = connect(Number(client.url.port), client.url.hostname)
  const chunks: Buffer[] = []
  socket.setNoDelay(true)
  socket.on('data', (chunk) => chunks.push(Buffer.from(chunk)))
  socket.on('close', () => resolve(Buffer.concat(chunks).toString()))
  socket.on('error', reject)
  socket.write(`POST ${client.url.pathname} HTTP/1.1\r\n${head.join('')}\r\n`)
  const send = (at: number): void => {
    if (at < body.length) socket.write(body.subarray(at, at + 1), () => setImmediate(send, at + 1))
  }
  send(0)
  return promise
}
