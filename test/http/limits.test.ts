/** Bodies and rates: what is too much is refused before it is taken. */
import { describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { GatewayError } from '../../src/errors.ts'
import { readBodyText } from '../../src/http/body.ts'
import { RateLimiter } from '../../src/http/hooks/limits.ts'
import { rawRequest, sendRaw, startFront } from './front.ts'

const path = '/mcp-proxy/files/stream'
const bodyBytesMax = 4096

describe('the length of a body', () => {
  test.each([
    { bytes: 0, status: 200 },
    { bytes: bodyBytesMax, status: 200 },
    { bytes: bodyBytesMax + 1, status: 413 },
    { bytes: 5 * 1024 * 1024, status: 413 },
  ])('announced as $bytes is $status', async ({ bytes, status }) => {
    await using front = await startFront()
    const answer = await front.send(path, { method: 'POST', body: 'a'.repeat(bytes) })
    expect(answer.status).toBe(status)
    const body = (await answer.json()) as { body?: string; error?: { message: string; data: unknown } }
    if (status === 200) expect(body.body).toBe('a'.repeat(bytes))
    else {
      expect(body.error?.data).toEqual({ code: 'PAYLOAD_TOO_LARGE' })
      expect(body.error?.message).toContain('limits.body_bytes_max')
    }
    expect((await front.send('/healthz')).status).toBe(200)
  })

  test.each([
    { bytes: bodyBytesMax, status: 200 },
    { bytes: bodyBytesMax + 1, status: 413 },
  ])('not announced but counted as $bytes is $status', async ({ bytes, status }) => {
    await using front = await startFront()
    const stream = new ReadableStream({
      start(controller) {
        for (let sent = 0; sent < bytes; sent += 512) {
          controller.enqueue(new TextEncoder().encode('a'.repeat(Math.min(512, bytes - sent))))
        }
        controller.close()
      },
    })
    const answer = await front.send(path, { method: 'POST', body: stream })
    expect(answer.status).toBe(status)
    await answer.text()
  })

  test('the same limit and form hold for the admin API', async () => {
    await using front = await startFront()
    const answer = await front.send('/admin/mcps', { method: 'POST', body: 'a'.repeat(bodyBytesMax + 1) })
    expect(answer.status).toBe(413)
    expect(await answer.json()).toMatchObject({ error: 'Request body too large', code: 'PAYLOAD_TOO_LARGE' })
  })

  test.each([
    ['GET', 'Transfer-Encoding: chunked'],
    ['DELETE', 'Transfer-Encoding: chunked'],
    ['GET', 'Content-Length: 5'],
  ])('a body on %s (%s) is refused, because nobody would read it', async (method, header) => {
    await using front = await startFront()
    const answer = await sendRaw(front.port, rawRequest(`${method} ${path}`, ['Host: localhost', header]))
    expect(answer.status).toBe(400)
    expect(front.reached).toEqual([])
  })
})

describe('a refused body', () => {
  const secured = { auth: { globalTokens: ['g1'], adminTokens: ['a1'] } }

  test.each([
    { line: `POST ${path}`, status: 401 },
    { line: 'POST /admin/mcps', status: 401 },
    { line: 'PUT /admin/mcps/files', status: 401 },
    { line: 'POST /nothing', status: 404 },
    { line: 'POST /healthz', status: 405 },
  ])('is refused with $status before one byte of it has been sent: $line', async ({ line, status }) => {
    await using front = await startFront({ settings: secured })
    for (const length of ['Transfer-Encoding: chunked', 'Content-Length: 1073741824']) {
      const answer = await sendRaw(front.port, rawRequest(line, ['Host: localhost', length]))
      expect(answer.status).toBe(length.startsWith('C') && status !== 401 ? 413 : status)
    }
    expect(front.reached).toEqual([])
  })

  test('is seen as refused by clients that send all of it before they listen', async () => {
    await using front = await startFront({ settings: secured })
    const answer = await front.send(path, { method: 'POST', body: 'a'.repeat(8 * 1024 * 1024) })
    expect(answer.status).toBe(401)
  })

  test.concurrent.each([
    { why: 'without credentials', settings: secured, status: 401 },
    { why: 'past the limit', settings: {}, status: 413 },
  ])(
    'that goes on for ever is cut off $why',
    async ({ settings, status }) => {
      await using front = await startFront({ settings })
      const head = rawRequest(`POST ${path}`, ['Host: localhost', 'Transfer-Encoding: chunked'])
      expect(await sendForEver(front.port, head)).toStartWith(`HTTP/1.1 ${status} `)
      expect((await front.send('/healthz')).status).toBe(200)
    },
    20_000,
  )

  test.concurrent('may go on arriving for a while, whenever it is refused', async () => {
    await using front = await startFront({ settings: secured })
    const head = rawRequest(`POST ${path}`, ['Host: localhost', 'Content-Length: 1048576'])
    // Begun at ten moments of the four seconds in which the runtime counts.
    const refused = Array.from({ length: 10 }, async (_, index) => {
      await Bun.sleep(index * 400)
      return stillOpen(front.port, head + 'a'.repeat(1000), 1_000)
    })
    expect(await Promise.all(refused)).toEqual(Array(10).fill({ status: '401', open: true }))
  }, 20_000)

  test('of a few bytes leaves the connection open for the next request', async () => {
    await using front = await startFront({ settings: secured })
    const refused = rawRequest(`POST ${path}`, ['Host: localhost', 'Content-Length: 5'], 'hello')
    const next = rawRequest('GET /healthz')
    const { text } = await sendRaw(front.port, refused + next, (so) => so.includes('{"status":"ok"}'))
    expect(text).toStartWith('HTTP/1.1 401 ')
  })
})

/** What is answered to these bytes, and whether the connection is open so long after. */
function stillOpen(port: number, bytes: string, afterMs: number): Promise<{ status: string; open: boolean }> {
  const { promise, resolve } = Promise.withResolvers<{ status: string; open: boolean }>()
  const socket = connect(port, '127.0.0.1')
  let status = ''
  const finish = (open: boolean) => {
    resolve({ status, open })
    socket.destroy()
  }
  socket.on('data', (data) => {
    status ||= data.toString('latin1').slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length)
    setTimeout(finish, afterMs, true)
  })
  socket.on('close', () => finish(false))
  socket.on('error', () => finish(false))
  socket.write(bytes)
  return promise
}

/** Sends a chunk every few milliseconds until the gateway has had enough; what it answered meanwhile. */
function sendForEver(port: number, head: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const socket = connect(port, '127.0.0.1')
  const chunk = `1000\r\n${'a'.repeat(4096)}\r\n`
  let text = ''
  socket.write(head)
  const sending = setInterval(() => socket.write(chunk), 20)
  const finish = () => {
    clearInterval(sending)
    resolve(text)
  }
  socket.on('data', (data) => {
    text += data.toString('latin1')
  })
  socket.on('error', finish)
  socket.on('close', finish)
  return promise
}

describe('reading a body', () => {
  const request = (body: ReadableStream | null) => new Request('http://localhost/', { method: 'POST', body })
  const chunks = (...parts: Uint8Array[]) =>
    new ReadableStream({
      start(controller) {
        for (const part of parts) controller.enqueue(part)
        controller.close()
      },
    })

  test('keeps a character whole when the network splits it', async () => {
    const bytes = new TextEncoder().encode('grüße 🎉')
    const single = [...bytes].map((byte) => new Uint8Array([byte]))
    expect(await readBodyText(request(chunks(...single)), 100)).toBe('grüße 🎉')
  })

  test('takes no body as an empty text', async () => {
    expect(await readBodyText(request(null), 100)).toBe('')
  })

  test('replaces invalid UTF-8 instead of failing', async () => {
    expect(await readBodyText(request(chunks(new Uint8Array([0x61, 0xff, 0x62]))), 100)).toBe('a\ufffdb')
  })

  test('cancels the stream when the limit is passed', async () => {
    const cancelled = Promise.withResolvers<void>()
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(1000)),
      cancel: () => cancelled.resolve(),
    })
    const reading = readBodyText(request(endless), 5000)
    expect(
      await reading.catch((error: unknown) => (error instanceof GatewayError ? error.code : error)),
    ).toBe('PAYLOAD_TOO_LARGE')
    await cancelled.promise
  })

  test('counts bytes, not characters', async () => {
    const text = '🎉'.repeat(10)
    const bytes = new TextEncoder().encode(text)
    expect(await readBodyText(request(chunks(bytes)), 40)).toBe(text)
    await expect(readBodyText(request(chunks(bytes)), 39)).rejects.toThrow('at most 39 bytes')
  })

  test('says so when the sender breaks off', async () => {
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) })
    const reading = readBodyText(request(broken), 100)
    expect(
      await reading.catch((error: unknown) => (error instanceof GatewayError ? error.code : error)),
    ).toBe('BAD_REQUEST')
  })
})

describe('the rate', () => {
  test('lets a burst through, then so many a second, within 5 percent over 30 seconds', () => {
    const limiter = new RateLimiter(10, 20)
    let passed = 0
    for (let nowMs = 0; nowMs < 30_000; nowMs += 7) if (limiter.check('a', nowMs) === null) passed++
    expect(passed).toBeGreaterThanOrEqual(320 * 0.95)
    expect(passed).toBeLessThanOrEqual(320 * 1.05)
  })

  test('of one client does not slow another', () => {
    const limiter = new RateLimiter(10, 20)
    for (let i = 0; i < 1000; i++) limiter.check('a', 0)
    for (let i = 0; i < 20; i++) expect(limiter.check('b', 0)).toBeNull()
  })

  test('says when to come back', () => {
    const limiter = new RateLimiter(0.5, 1)
    expect(limiter.check('a', 0)).toBeNull()
    expect(limiter.check('a', 0)).toMatchObject({ code: 'RATE_LIMITED', retryAfterSeconds: 2 })
    expect(limiter.check('a', 1000)?.retryAfterSeconds).toBe(1)
    expect(limiter.check('a', 2000)).toBeNull()
  })

  test('never saves up more than the burst', () => {
    const limiter = new RateLimiter(10, 3)
    for (let i = 0; i < 3; i++) expect(limiter.check('a', 0)).toBeNull()
    for (let i = 0; i < 3; i++) expect(limiter.check('a', 3_600_000)).toBeNull()
    expect(limiter.check('a', 3_600_000)).not.toBeNull()
  })

  test('remembers a bounded number of clients, those that asked last', () => {
    const limiter = new RateLimiter(1, 1)
    limiter.check('first', 0)
    for (let i = 0; i < 9_999; i++) limiter.check(`other ${i}`, 0)
    expect(limiter.check('first', 0)).not.toBeNull()
    for (let i = 0; i < 9_999; i++) limiter.check(`more ${i}`, 0)
    expect(limiter.check('first', 0)).not.toBeNull()
    for (let i = 0; i < 10_000; i++) limiter.check(`yet more ${i}`, 0)
    expect(limiter.check('first', 0)).toBeNull()
  })

  const limits = { rate: { perSecond: 1, burst: 3 } }

  test('past it the answer is 429 with Retry-After, in the form of the area', async () => {
    await using front = await startFront({ settings: { limits } })
    for (let i = 0; i < 3; i++) expect((await front.send(path)).status).toBe(200)
    const answer = await front.send(path)
    expect(answer.status).toBe(429)
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(await answer.json()).toMatchObject({
      jsonrpc: '2.0',
      error: { code: -31429, data: { code: 'RATE_LIMITED' } },
    })
    expect(await (await front.send('/admin/mcps')).json()).toMatchObject({ code: 'RATE_LIMITED' })
    expect((await front.send('/healthz')).status).toBe(200)
  })

  test('is counted by client address through a trusted proxy, and by token', async () => {
    const settings = {
      limits,
      auth: { globalTokens: ['g1', 'g2'] },
      security: { trustedProxies: ['127.0.0.1'] },
    }
    await using front = await startFront({ settings })
    const ask = async (token: string, client: string) =>
      (await front.send(path, { headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': client } }))
        .status
    for (let i = 0; i < 3; i++) expect(await ask('g1', '192.0.2.1')).toBe(200)
    expect(await ask('g1', '192.0.2.1')).toBe(429)
    expect(await ask('g2', '192.0.2.1')).toBe(200)
    expect(await ask('g1', '192.0.2.2')).toBe(200)
    for (let i = 0; i < 3; i++) expect(await ask('g1', `2001:db8::${i}`)).toBe(200)
    expect(await ask('g1', '2001:db8::9')).toBe(429)
  })

  test('a stranger cannot take a new address by writing one', async () => {
    await using front = await startFront({ settings: { limits } })
    const ask = async (client: string) =>
      (await front.send(path, { headers: { 'x-forwarded-for': client } })).status
    for (let i = 0; i < 3; i++) expect(await ask(`192.0.2.${i}`)).toBe(200)
    expect(await ask('192.0.2.99')).toBe(429)
  })

  test('what is refused for want of a token costs nobody a turn', async () => {
    await using front = await startFront({ settings: { limits, auth: { globalTokens: ['g1'] } } })
    for (let i = 0; i < 20; i++) expect((await front.send(path)).status).toBe(401)
    expect((await front.send(path, { headers: { authorization: 'Bearer g1' } })).status).toBe(200)
  })
})
