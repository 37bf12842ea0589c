/** The executable against requests that do not belong: no credentials, two readings, other protocols. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { testServer } from '../conformance/suite.ts'
import { type RawAnswer, rawRequest, sendRaw, startFront } from '../http/front.ts'
import {
  adminWords,
  ambiguousLines,
  client,
  clientToken,
  doubtfulFrames,
  fuzzedRequests,
  malformedHosts,
} from '../http/hostile-requests.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'

const adminToken = 'admin-token-1'
const admin = `Authorization: Bearer ${adminToken}`
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']
const mebibyte = 1024 ** 2
const gibibyteHex = (1024 * mebibyte).toString(16)

let gateway: RunningGateway
let port: number

beforeAll(async () => {
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: {
        host: '0.0.0.0',
        auth: { global_tokens: [clientToken], admin_tokens: [adminToken] },
        storage: { type: 'memory' },
      },
      mcps: [{ name: 'files', transport: 'stdio', ...commandOfRawServer() }],
    },
  })
  port = Number(new URL(gateway.url).port)
})

afterAll(() => gateway?.stop())

/** Sends it and makes sure that no admin handler has answered. */
async function sendForNothing(request: string): Promise<RawAnswer> {
  const answer = await sendRaw(port, request)
  if (adminWords.test(answer.text)) expect(request).toBe('a request that reaches no admin handler')
  return answer
}

async function servesOn(): Promise<void> {
  const health = await sendRaw(port, rawRequest('GET /healthz'))
  expect(health.text).toEndWith('{"status":"ok"}')
  const list = await sendRaw(port, rawRequest('GET /admin/mcps', ['Host: localhost', admin]))
  expect(list.text).toContain('"count":1')
  expect(gateway.lines().filter((line) => line.includes('"level":"error"'))).toEqual([])
}

/** What reads a body before it knows who asks. */
const signIns = ['POST /me/session', 'POST /console/session'] as const

describe('without credentials', () => {
  test('every route refuses every method before one byte of a chunked gibibyte was sent, but health, discovery and sign-in', async () => {
    // The executable is made of the same routes; it has no way to name them.
    await using front = await startFront()
    const paths = new Set(
      front.routes.map(({ path }) => path.replace(':name', 'files').replace('*', 'below')),
    )
    expect(paths.size).toBeGreaterThanOrEqual(13)
    const headed = (text: string) => text.includes('\r\n\r\n')
    for (const path of [...paths, '/admin', '/mcp-proxy', '/admin/nothing', '/mcp-proxy/nobody/stream']) {
      // Signing in reads a token, and no more than that has room in: see below.
      const asked = methods.filter((method) => !signIns.some((signIn) => signIn === `${method} ${path}`))
      const refusals = asked.map(async (method) => {
        const lines = ['Host: localhost', 'Transfer-Encoding: chunked']
        const request = rawRequest(`${method} ${path}`, lines, `${gibibyteHex}\r\n`)
        const { status } = await sendRaw(port, request, headed)
        // A body on a method that takes none is refused for that where nobody asks for credentials.
        // Health is for anyone, and signing in, also at the console and on the way to a login, begins without credentials.
        const open = /^\/(?:livez|healthz|readyz|me|oauth|console|connect|\.well-known)(?:\/|$)/.test(path)
        if (open) expect([400, 401, 403, 404, 405]).toContain(status)
        else expect(`${method} ${path} ${status}`).toBe(`${method} ${path} 401`)
      })
      await Promise.all(refusals)
    }
    const tooLong = ['Host: localhost', 'Content-Length: 1073741824']
    for (const signIn of signIns)
      expect((await sendRaw(port, rawRequest(signIn, tooLong), headed)).status).toBe(413)
    for (const path of ['/.well-known/oauth-protected-resource', '/mcp-proxy/files/stream/.well-known/x'])
      expect((await sendRaw(port, rawRequest(`GET ${path}`))).status).toBe(404)
    await servesOn()
  })

  test.each(signIns)('%s of no stated length is refused after a few kilobytes', async (signIn) => {
    const before = await residentBytes(gateway.pid)
    const head = rawRequest(signIn, ['Host: localhost', 'Transfer-Encoding: chunked'])
    expect(await pushBody(port, head, 256 * mebibyte)).toBe(413)
    expect((await residentBytes(gateway.pid)) - before).toBeLessThan(128 * mebibyte)
    await servesOn()
  })

  test('a body that comes all the same is thrown away, not kept', async () => {
    const before = await residentBytes(gateway.pid)
    const head = rawRequest('POST /admin/mcps', ['Host: localhost', 'Transfer-Encoding: chunked'])
    expect(await pushBody(port, head, 256 * mebibyte)).toBe(401)
    expect((await residentBytes(gateway.pid)) - before).toBeLessThan(128 * mebibyte)
    await servesOn()
  })
})

describe('two readings', () => {
  test.each(ambiguousLines)('"$line" is $status: $why', async ({ line, status }) => {
    expect((await sendForNothing(rawRequest(line, ['Host: localhost', client]))).status).toBe(status)
  })

  test.each(malformedHosts)('a Host $why is refused whatever the path', async ({ host }) => {
    for (const path of ['/admin/mcps', '/aaaaaaaaaaaaa/admin/mcps', '/healthz'])
      expect((await sendForNothing(rawRequest(`GET ${path}`, [`Host: ${host}`, client]))).status).toBe(400)
  })

  test.each(doubtfulFrames)('a message with more than one end is refused: $why', async ({ headers }) => {
    const request = rawRequest('POST /mcp-proxy/files/stream', ['Host: localhost', client, ...headers], 'abc')
    expect((await sendForNothing(request)).status).toBe(400)
  })

  test('3,000 fuzzed request lines never reach an admin handler', async () => {
    const requests = fuzzedRequests(3000, 44)
    const lanes = Array.from({ length: 8 }, async (_, lane) => {
      for (let at = lane; at < requests.length; at += 8) await sendForNothing(requests[at] ?? '')
    })
    await Promise.all(lanes)
    await servesOn()
  }, 60_000)
})

describe('headers', () => {
  test.each([
    { why: '250 of them', lines: Array.from({ length: 250 }, (_, n) => `X-H${n}: v`), statuses: [431, 400] },
    {
      why: 'one of 31 KiB, as tokens of people in many groups are',
      lines: [`X-Long: ${'a'.repeat(31 * 1024)}`],
      statuses: [401],
    },
    { why: 'one of 33 KiB', lines: [`X-Long: ${'a'.repeat(33 * 1024)}`], statuses: [431] },
    { why: 'one of a hundred kilobytes', lines: [`X-Long: ${'a'.repeat(100_000)}`], statuses: [431, 400] },
    { why: 'two hosts', lines: ['Host: localhost'], statuses: [400] },
    { why: 'two tokens, one of them right', lines: [admin, 'Authorization: Bearer x'], statuses: [401] },
    { why: 'the right token twice', lines: [admin, admin], statuses: [401] },
    { why: 'the token behind a folded line', lines: ['X-A: b', ` ${admin}`], statuses: [400] },
    { why: 'the token behind a bare CR', lines: [`X-A: b\r${admin}`], statuses: [400] },
    {
      why: 'the token in a trailer',
      lines: ['Transfer-Encoding: chunked'],
      body: `0\r\n${admin}\r\n\r\n`,
      statuses: [401, 400],
    },
    {
      why: 'the token in the query',
      path: `/admin/mcps?access_token=${adminToken}&token=${adminToken}`,
      lines: [],
      statuses: [401],
    },
    {
      why: 'the token as a password',
      lines: [`Authorization: Basic ${btoa(`admin:${adminToken}`)}`],
      statuses: [401],
    },
    {
      why: 'the token under a proxy’s name',
      lines: [`Proxy-Authorization: Bearer ${adminToken}`, `X-Forwarded-Authorization: Bearer ${adminToken}`],
      statuses: [401],
    },
    { why: 'another method in a header', lines: [client, 'X-HTTP-Method-Override: GET'], statuses: [403] },
    {
      why: 'another path in a header',
      path: '/healthz',
      lines: ['X-Original-URL: /admin/mcps', 'X-Rewrite-URL: /admin/mcps'],
      statuses: [200],
    },
  ])('$why: refused', async ({ path = '/admin/mcps', lines, body = '', statuses }) => {
    const answer = await sendForNothing(rawRequest(`GET ${path}`, ['Host: localhost', ...lines], body))
    expect<readonly number[]>(statuses).toContain(answer.status)
    await servesOn()
  })
})

// The executable gives a head and a body 30 s to arrive; test/http/listener.test.ts does the same in seconds.
describe.skipIf(process.env['SLOW_PEERS'] === undefined)('a slow peer', () => {
  test.concurrent.each([
    { why: 'says nothing', first: '', piece: '' },
    { why: 'sends a header a second', first: 'GET /healthz HTTP/1.1\r\n', piece: 'X-A: b\r\n' },
    {
      why: 'sends its body a byte a second',
      first: rawRequest('POST /mcp-proxy/files/stream', ['Host: localhost', client, 'Content-Length: 999']),
      piece: 'a',
    },
  ])(
    'that $why is cut off within a minute, while a hundred others are served',
    async ({ first, piece }) => {
      const slow = Array.from({ length: 50 }, () => {
        const socket = connect(port, '127.0.0.1', () => socket.write(first))
        socket.on('error', () => {}).resume()
        const sending = setInterval(() => socket.write(piece), 1_000)
        return new Promise<void>((resolve) =>
          socket.on('close', () => {
            clearInterval(sending)
            resolve()
          }),
        )
      })
      await Promise.all(Array.from({ length: 100 }, servesOn))
      await Promise.all(slow)
      await servesOn()
    },
    90_000,
  )
})

describe('another protocol', () => {
  const upgrade = (...lines: string[]) => rawRequest('GET /admin/mcps', ['Host: localhost', ...lines])
  test.each([
    { why: 'HTTP/1.0', bytes: 'GET /admin/mcps HTTP/1.0\r\nHost: localhost\r\n\r\n', status: 401 },
    { why: 'HTTP/1.0 without a host', bytes: 'GET /admin/mcps HTTP/1.0\r\n\r\n', status: 400 },
    { why: 'HTTP/0.9', bytes: 'GET /admin/mcps\r\n', status: 505 },
    { why: 'HTTP/2 by its preface', bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', status: 400 },
    {
      why: 'HTTP/2 by upgrade',
      bytes: upgrade(
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: AAMAAABkAAQAAP__',
      ),
      status: 401,
    },
    {
      why: 'a WebSocket',
      bytes: upgrade(
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      ),
      status: 401,
    },
    {
      why: 'a promise to wait for 100',
      bytes: rawRequest('POST /admin/mcps', ['Host: localhost', 'Expect: 100-continue', 'Content-Length: 9']),
      status: 401,
    },
    {
      why: 'an absolute target with credentials',
      bytes: rawRequest(`GET http://admin:${adminToken}@localhost/admin/mcps`),
      status: 401,
    },
    {
      why: 'a second request behind a refused one',
      bytes:
        rawRequest('POST /admin/mcps', ['Host: localhost', 'Content-Length: 2'], '{}') +
        rawRequest('GET /admin/mcps'),
      status: 401,
    },
    {
      why: 'a request inside a body that is refused',
      bytes: rawRequest(
        'POST /admin/mcps',
        ['Host: localhost', 'Content-Length: 44'],
        rawRequest('GET /admin/mcps', [`Host: localhost`, admin]),
      ),
      status: 401,
    },
  ])('$why is $status, and no way in', async ({ bytes, status }) => {
    const { text } = await sendRaw(port, bytes, (so) => /HTTP\/1\.1 [2-5](?!00 Continue)/.test(so))
    expect(text).not.toMatch(adminWords)
    expect(text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '')).toStartWith(`HTTP/1.1 ${status} `)
    await servesOn()
  })

  test.each([
    'GET /healthz\u0000 HTTP/1.1',
    '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003',
    `${'A'.repeat(3000)} / HTTP/1.1`,
  ])('bytes that are no request end the connection: %j', async (bytes) => {
    const answer = await sendRaw(port, Buffer.from(`${bytes}\r\nHost: localhost\r\n\r\n`, 'latin1'))
    expect([0, 400, 505]).toContain(answer.status)
    await servesOn()
  })
})

describe('the executable without admin tokens', () => {
  let open: RunningGateway
  beforeAll(async () => {
    open = await startGatewayProcess({
      via: 'executable',
      config: { mcp_proxy: { host: '0.0.0.0', storage: { type: 'memory' } } },
    })
  })
  afterAll(() => open?.stop())

  test.each([
    { lines: ['Host: localhost'], status: 200, why: 'this machine' },
    { lines: ['Host: 127.0.0.1:6001'], status: 200, why: 'by address' },
    { lines: ['Host: evil.example'], status: 403, why: 'under a rebound name' },
    { lines: ['Host: localhost', 'Origin: https://evil.example'], status: 403, why: 'for a foreign page' },
    { lines: ['Host: localhost', 'X-Forwarded-For: 127.0.0.1'], status: 403, why: 'through a proxy' },
    { lines: ['Host: localhost', 'Forwarded: for=127.0.0.1'], status: 403, why: 'through a standard proxy' },
  ])('answers admin requests with $status $why', async ({ lines, status }) => {
    const { pathname, port: openPort } = new URL('/admin/mcps', open.url)
    const answer = await sendRaw(Number(openPort), rawRequest(`GET ${pathname}`, lines))
    expect(answer.status).toBe(status)
    if (status === 403) expect(answer.text).toContain('auth.admin_tokens')
  })

  const [outside] = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)

  test.skipIf(outside === undefined)(
    'answers them with 403 for a peer from elsewhere, whatever its Host',
    async () => {
      for (const host of ['localhost', '127.0.0.1', outside?.address ?? '']) {
        const answer = await fetch(`http://${outside?.address}:${new URL(open.url).port}/admin/mcps`, {
          headers: { host },
        })
        expect(answer.status).toBe(403)
        expect(await answer.text()).toContain('auth.admin_tokens')
      }
    },
  )
})

describe('the endpoint event', () => {
  const own = /^event: endpoint\ndata: (\S+)\/mcp-proxy\/files\/message\?sessionId=[0-9a-f-]{36}\n\n/m
  const hostile = [
    ['X-Forwarded-Prefix: //evil.example'],
    ['X-Forwarded-Prefix: /a/../../evil'],
    ['X-Forwarded-Prefix: /a%0d%0aevent:x'],
    ['X-Forwarded-Prefix: /a\u0085\u00a0b'],
    ['X-Forwarded-Prefix: \\\\evil.example'],
    ['X-Forwarded-Host: evil.example/x?'],
    ['X-Forwarded-Host: user@evil.example'],
    ['X-Forwarded-Host: evil.example#'],
    ['X-Forwarded-Proto: javascript'],
    ['Forwarded: for=192.0.2.1;host="evil.example/x";proto=data'],
  ]

  let proxied: RunningGateway
  beforeAll(async () => {
    proxied = await startGatewayProcess({
      via: 'executable',
      config: {
        mcp_proxy: { base_url: 'https://gw.example/tools', security: { trusted_proxies: ['127.0.0.1'] } },
        mcps: [{ name: 'files', transport: 'stdio', ...commandOfRawServer() }],
      },
    })
  })
  afterAll(() => proxied?.stop())

  test.each(hostile.map((lines) => ({ lines })))(
    'names this gateway and stays one line, whatever a proxy hands through: $lines',
    async ({ lines }) => {
      const to = Number(new URL(proxied.url).port)
      const request = rawRequest('GET /mcp-proxy/files/sse', ['Host: localhost', ...lines])
      const { text } = await sendRaw(to, request, (so) => so.includes('sessionId='))
      expect(own.exec(text.replaceAll('\r\n', '\n'))?.[1]).toBe('https://gw.example/tools')
    },
  )

  test('heeds no stranger', async () => {
    const lines = ['X-Forwarded-Prefix: /p', 'X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https']
    const request = rawRequest('GET /mcp-proxy/files/sse', ['Host: localhost', client, ...lines])
    const { text } = await sendRaw(port, request, (so) => so.includes('sessionId='))
    expect(own.exec(text.replaceAll('\r\n', '\n'))?.[1]).toBe('http://localhost')
  })
})

describe('every answer that is no stream', () => {
  const body = (message: object) => ({ method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', ...message }) })
  const authorized = { authorization: `Bearer ${clientToken}` }
  const origin = 'https://app.example'

  test('forbids sniffing, caching and framing, with a body and without', async () => {
    await using open = await startGatewayProcess({
      via: 'executable',
      config: {
        mcp_proxy: { security: { allowed_origins: [origin] }, storage: { type: 'memory' } },
        mcps: [{ name: 'files', transport: 'stdio', ...commandOfRawServer() }],
      },
    })
    const params = {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'c', version: '1' },
    }
    const face = '/mcp-proxy/files/stream'
    const greeting = await fetch(open.url + face, body({ id: 1, method: 'initialize', params }))
    const session = { 'mcp-session-id': greeting.headers.get('mcp-session-id') ?? '' }
    const preflight = { origin, 'access-control-request-method': 'POST' }
    const definition = { name: 'mine', transport: 'stdio', ...commandOfRawServer() }
    const answers: readonly (readonly [number, Response])[] = [
      [200, greeting],
      [
        202,
        await fetch(open.url + face, { ...body({ method: 'notifications/initialized' }), headers: session }),
      ],
      [204, await fetch(open.url + face, { method: 'DELETE', headers: session })],
      [404, await fetch(open.url + face, { method: 'DELETE', headers: session })],
      [204, await fetch(open.url + face, { method: 'OPTIONS', headers: preflight })],
      [
        403,
        await fetch(open.url + face, {
          method: 'OPTIONS',
          headers: { ...preflight, origin: 'https://evil.example' },
        }),
      ],
      [201, await open.admin('/mcps', { method: 'POST', body: definition })],
      [204, await open.admin('/mcps/mine', { method: 'DELETE' })],
      [405, await open.admin('/mcps', { method: 'PATCH' })],
      [200, await fetch(`${open.url}/metrics`)],
      [404, await fetch(`${open.url}/nothing`, { headers: authorized })],
    ]
    for (const [status, { status: got, headers }] of answers) {
      expect(got).toBe(status)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'")
    }
  })
})

test('the official suite finds /stream protected against DNS rebinding, in every revision that asks', async () => {
  await using plain = await startGatewayProcess({
    via: 'executable',
    config: { mcps: [{ name: 'files', transport: 'stdio', ...commandOfRawServer() }] },
  })
  for (const requirements of ['2025-11-25', '2026-07-28'] as const) {
    const verdicts = await testServer(plain.face('files', 'stream').href, requirements, [
      'dns-rebinding-protection',
    ])
    const checks = verdicts.get('dns-rebinding-protection') ?? []
    expect(checks.length).toBeGreaterThan(0)
    expect(checks.filter(({ status }) => status !== 'SUCCESS')).toEqual([])
  }
}, 30_000)

/** Pushes a chunked body of that size, or as much as the gateway takes; the status that it gave meanwhile. */
function pushBody(to: number, head: string, bytesMax: number): Promise<number> {
  const chunk = `${mebibyte.toString(16)}\r\n${'a'.repeat(mebibyte)}\r\n`
  const { promise, resolve } = Promise.withResolvers<number>()
  const socket = connect(to, '127.0.0.1')
  let text = ''
  let bytes = 0
  const push = () => {
    for (; bytes < bytesMax && !socket.destroyed; bytes += mebibyte)
      if (!socket.write(chunk)) {
        bytes += mebibyte
        return void socket.once('drain', push)
      }
    socket.end()
  }
  socket.on('data', (data) => {
    text += data.toString('latin1')
  })
  socket.on('error', () => {})
  socket.on('close', () => resolve(Number(text.slice(9, 12))))
  socket.write(head)
  push()
  return promise
}

async function residentBytes(pid: number): Promise<number> {
  const status = await Bun.file(`/proc/${pid}/status`).text()
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024
}
