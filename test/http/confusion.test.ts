/**
 * One path, one meaning. Whatever the request line, the Host header and their encodings do, nothing
 * without admin credentials reaches an admin handler, and the gateway serves on.
 */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { readTarget } from '../../src/http/hooks/target.ts'
import { type Front, rawRequest, sendRaw, startFront } from './front.ts'

const settings = { host: '0.0.0.0', auth: { globalTokens: ['g1'], adminTokens: ['a1'] } }
const client = 'Authorization: Bearer g1'

/** What only admin handlers say. */
const adminWords = /"mcps":|"count":|"tools":|compozy_mcp_requests_total|"uptimeSeconds"/

async function expectNoAdmin(front: Front, request: string): Promise<number> {
  const answer = await sendRaw(front.port, request)
  if (adminWords.test(answer.text)) expect(request).toBe('a request that reaches no admin handler')
  return answer.status
}

describe('a path with more than one reading', () => {
  test.each([
    { line: 'GET /admin/mcps', status: 403, why: 'the plain path, with a client token' },
    { line: 'GET //admin/mcps', status: 400, why: 'a doubled slash' },
    { line: 'GET /admin//mcps', status: 400, why: 'a doubled slash inside' },
    { line: 'GET /%61dmin/mcps', status: 400, why: 'an encoded letter' },
    { line: 'GET /%2561dmin/mcps', status: 400, why: 'encoded twice' },
    { line: 'GET /admin%2fmcps', status: 400, why: 'an encoded slash' },
    { line: 'GET /admin%5cmcps', status: 400, why: 'an encoded backslash' },
    { line: 'GET /admin\\mcps', status: 403, why: 'a backslash is a slash' },
    { line: 'GET /mcp-proxy/..%2fadmin/mcps', status: 400, why: 'an encoded climb' },
    { line: 'GET /mcp-proxy/%2e%2e/admin/mcps', status: 403, why: 'an encoded climb that Bun resolves' },
    { line: 'GET /mcp-proxy/../admin/mcps', status: 403, why: 'a climb that Bun resolves' },
    { line: 'GET /mcp-proxy/files/stream/../../../admin/mcps', status: 403, why: 'a long climb' },
    { line: 'GET /mcp-proxy/files%2fstream', status: 400, why: 'an encoded slash in a name' },
    {
      line: 'GET /mcp-proxy/files/stream/%2e%2e%2f%2e%2e%2f%2e%2e%2fadmin/mcps',
      status: 400,
      why: 'encoded below a wildcard',
    },
    { line: 'GET /ADMIN/mcps', status: 404, why: 'another case' },
    { line: 'GET /admin./mcps', status: 404, why: 'a trailing dot' },
    { line: 'GET /admin;/mcps', status: 404, why: 'a path parameter' },
    { line: 'GET /admin%20/mcps', status: 404, why: 'an encoded space' },
    { line: 'GET /admin%00/mcps', status: 400, why: 'an encoded NUL' },
    { line: 'GET /admin%zz/mcps', status: 400, why: 'no encoding at all' },
    { line: 'GET /admin/mcps#x', status: 400, why: 'a fragment' },
    { line: 'GET /healthz#/admin/mcps', status: 400, why: 'a fragment behind an open path' },
    { line: 'GET /healthz?/admin/mcps', status: 200, why: 'a query is no path' },
    { line: 'GET /healthz/../admin/mcps', status: 403, why: 'a climb out of an open path' },
    { line: 'GET /.well-known/../admin/mcps', status: 403, why: 'a climb out of discovery' },
    { line: 'GET /admin/mcps/.well-known/x', status: 404, why: 'discovery below admin' },
    { line: 'GET http://localhost/admin/mcps', status: 403, why: 'the absolute form' },
    { line: 'GET http://evil.example/admin/mcps', status: 403, why: 'the absolute form of another host' },
    { line: 'GET http://localhost//admin/mcps', status: 400, why: 'the absolute form with a doubled slash' },
    { line: 'GET https://localhost/admin/mcps', status: 403, why: 'the absolute form with TLS' },
    { line: 'GET ftp://localhost/admin/mcps', status: 400, why: 'another scheme' },
    { line: 'GET admin/mcps', status: 400, why: 'no slash in front' },
    { line: 'GET ?/admin/mcps', status: 400, why: 'only a query' },
    { line: 'OPTIONS *', status: 400, why: 'the asterisk form' },
    { line: 'CONNECT localhost:80', status: 400, why: 'the authority form' },
  ])('"$line" is $status: $why', async ({ line, status }) => {
    await using front = await startFront({ settings })
    expect(await expectNoAdmin(front, rawRequest(line, ['Host: localhost', client]))).toBe(status)
  })

  test.each([
    { host: '', why: 'empty' },
    { host: 'a b', why: 'with a space' },
    { host: 'x/admin', why: 'with a path' },
    { host: 'x?', why: 'with a query' },
    { host: 'x#', why: 'with a fragment' },
    { host: 'u@x', why: 'with user info' },
    { host: 'x\\y', why: 'with a backslash' },
    { host: '[::', why: 'with an open bracket' },
    { host: 'x:port', why: 'with a port by name' },
    { host: 'xxxxxxxxxxxxxxxxxxxxxxxx yyyyyyyyyyyyy', why: 'long and malformed' },
  ])('a Host $why is refused whatever the path', async ({ host }) => {
    await using front = await startFront({ settings })
    for (const path of ['/admin/mcps', '/aaaaaaaaaaaaa/admin/mcps', '/aaaa/admin/mcps', '/healthz']) {
      const status = await expectNoAdmin(front, rawRequest(`GET ${path}`, [`Host: ${host}`, client]))
      expect(status).toBe(400)
    }
  })

  test('a request without Host, as HTTP/1.0 allows it, is refused', async () => {
    await using front = await startFront({ settings })
    const answer = await sendRaw(front.port, 'GET /aaaaaaaaaaaaa/admin/mcps HTTP/1.0\r\n\r\n')
    expect(answer.status).toBe(400)
    expect(answer.text).toMatch(/connection: close/i)
    expect(front.entries.at(-1)).toMatchObject({ status: 400, path: '/aaaaaaaaaaaaa/admin/mcps' })
  })
})

describe('a message with more than one end', () => {
  test.each([
    { headers: ['Content-Length: 3', 'Transfer-Encoding: chunked'], why: 'both lengths' },
    { headers: ['Transfer-Encoding: chunked', 'Content-Length: 3'], why: 'both, the other way round' },
    { headers: ['Content-Length: 3', 'Content-Length: 30'], why: 'two lengths' },
    { headers: ['Content-Length: 3', 'Content-Length: 3'], why: 'the same length twice' },
    { headers: ['Content-Length: 3, 3'], why: 'a list of lengths' },
    { headers: ['Content-Length: +3'], why: 'a signed length' },
    { headers: ['Content-Length: 0x3'], why: 'a hexadecimal length' },
    { headers: ['Content-Length: -3'], why: 'a negative length' },
    { headers: ['Transfer-Encoding: xchunked'], why: 'an unknown coding' },
    { headers: ['Transfer-Encoding: gzip, chunked'], why: 'two codings' },
    { headers: ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], why: 'chunked twice' },
    { headers: ['Content-Length : 3'], why: 'a space before the colon' },
    { headers: ['X-A: b', ' folded'], why: 'a folded header' },
    { headers: ['X-A: a\0b'], why: 'a NUL in a header' },
  ])('is refused: $why', async ({ headers }) => {
    await using front = await startFront()
    const request = rawRequest('POST /mcp-proxy/files/stream', ['Host: localhost', ...headers], 'abc')
    expect((await sendRaw(front.port, request)).status).toBe(400)
    expect(front.reached).toEqual([])
    expect((await front.send('/healthz')).status).toBe(200)
  })

  test('too many or too long headers are refused, and the gateway serves on', async () => {
    await using front = await startFront()
    const many = Array.from({ length: 250 }, (_, index) => `X-H${index}: v`)
    for (const headers of [many, [`X-Long: ${'a'.repeat(100_000)}`]]) {
      const answer = await sendRaw(front.port, rawRequest('GET /healthz', ['Host: localhost', ...headers]))
      expect([431, 400]).toContain(answer.status)
    }
    expect((await front.send('/healthz')).status).toBe(200)
  })

  test('two Host lines are refused', async () => {
    await using front = await startFront()
    const request = rawRequest('GET /healthz', ['Host: localhost', 'Host: localhost'])
    expect((await sendRaw(front.port, request)).status).toBe(400)
  })
})

/** Pieces of which attacks on routers are made. */
const piece = fc.constantFrom(
  '/',
  '//',
  '/./',
  '/../',
  '\\',
  '%2f',
  '%2F',
  '%5c',
  '%2e%2e',
  '%2e',
  '..;',
  ';',
  '?',
  '#',
  '%00',
  '%09',
  '%0a',
  '%',
  '%25',
  '%2561',
  'admin',
  'ADMIN',
  '%61dmin',
  'mcps',
  'tools',
  'metrics',
  'mcp-proxy',
  'files',
  'stream',
  'sse',
  'message',
  'healthz',
  '.well-known',
  'http://',
  'https://',
  'localhost',
  'x:80',
  '@',
  ':',
  '*',
  '\t',
  'é',
  'a'.repeat(20),
)
const target = fc.oneof(
  fc.array(piece, { minLength: 1, maxLength: 8 }).map((parts) => `/${parts.join('')}`),
  fc.array(piece, { minLength: 1, maxLength: 8 }).map((parts) => parts.join('')),
  fc.array(piece, { maxLength: 4 }).map((parts) => `/${parts.join('')}/admin/mcps`),
)
const host = fc.oneof(
  { weight: 4, arbitrary: fc.constant('localhost') },
  fc
    .array(fc.oneof(piece, fc.constant(' '), fc.constant('[')), { maxLength: 3 })
    .map((parts) => parts.join('')),
)
const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS')

test('3,000 fuzzed request lines never reach an admin handler, with a client token or none', async () => {
  await using front = await startFront({ settings })
  const requests = fc.sample(fc.tuple(method, target, host, fc.boolean()), { numRuns: 3000, seed: 4 })
  const lanes = Array.from({ length: 8 }, async (_, lane) => {
    for (let at = lane; at < requests.length; at += 8) {
      const [verb, path, name, known] = requests[at] ?? expect.unreachable()
      const headers = [`Host: ${name}`, 'Connection: close', ...(known ? [client] : [])]
      await expectNoAdmin(front, rawRequest(`${verb} ${path}`, headers))
    }
  })
  await Promise.all(lanes)
  expect((await front.send('/healthz')).status).toBe(200)
  expect(front.lines.filter(({ level }) => level === 'error')).toEqual([])
}, 60_000)

test('the target is read exactly as the router reads it', () => {
  fc.assert(
    fc.property(target, (text) => {
      const read = readTarget(`http://localhost${text}`)
      if (read === null) return
      // What the router slices out of the URL, and what it decodes, must lie in the area that was judged.
      const url = `http://localhost${text}`
      const query = url.indexOf('?', url.indexOf('/', 7) + 1)
      expect(read.path).toBe(
        query < 0 ? url.slice(url.indexOf('/', 7)) : url.slice(url.indexOf('/', 7), query),
      )
      const decoded = decodedOrRaw(read.path)
      if (/^\/admin(\/|$)/.test(decoded)) expect(['admin', 'unknown']).toContain(read.area)
      if (read.area === 'mcp') expect(decoded).toStartWith('/mcp-proxy')
    }),
    { numRuns: 3000 },
  )
})

/** Escapes that are no UTF-8 stay as they are, as in the router. */
function decodedOrRaw(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
