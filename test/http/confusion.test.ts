/**
 * One path, one meaning. Whatever the request line, the Host header and their encodings do, nothing
 * without admin credentials reaches an admin handler, and the gateway serves on.
 */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { readTarget, TargetMemory } from '../../src/http/hooks/target.ts'
import { type Front, rawRequest, sendRaw, startFront } from './front.ts'
import {
  adminWords,
  ambiguousLines,
  client,
  clientToken,
  doubtfulFrames,
  fuzzedRequests,
  malformedHosts,
  target,
} from './hostile-requests.ts'

const settings = { host: '0.0.0.0', auth: { globalTokens: [clientToken], adminTokens: ['a1'] } }
async function expectNoAdmin(front: Front, request: string): Promise<number> {
  const answer = await sendRaw(front.port, request)
  if (adminWords.test(answer.text)) expect(request).toBe('a request that reaches no admin handler')
  return answer.status
}

describe('a path with more than one reading', () => {
  test.each(ambiguousLines)('"$line" is $status: $why', async ({ line, status }) => {
    await using front = await startFront({ settings })
    expect(await expectNoAdmin(front, rawRequest(line, ['Host: localhost', client]))).toBe(status)
  })

  test.each(malformedHosts)('a Host $why is refused whatever the path', async ({ host }) => {
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
  test.each(doubtfulFrames)('is refused: $why', async ({ headers }) => {
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

test('3,000 fuzzed request lines never reach an admin handler, with a client token or none', async () => {
  await using front = await startFront({ settings })
  const requests = fuzzedRequests(3000, 4)
  const lanes = Array.from({ length: 8 }, async (_, lane) => {
    for (let at = lane; at < requests.length; at += 8) await expectNoAdmin(front, requests[at] ?? '')
  })
  await Promise.all(lanes)
  expect((await front.send('/healthz')).status).toBe(200)
  expect(front.lines.filter(({ level }) => level === 'error')).toEqual([])
}, 60_000)

test('a target that was read before reads as it did the first time, however many others came meanwhile', () => {
  const memory = new TargetMemory()
  fc.assert(
    fc.property(fc.array(target, { minLength: 1, maxLength: 20 }), (texts) => {
      for (const text of [...texts, ...texts]) {
        const url = `http://localhost${text}`
        expect(memory.of(url)).toEqual(readTarget(url))
      }
    }),
    { numRuns: 300 },
  )
})

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

test.each([
  { path: '/mcp-proxy/files/stream', server: 'files', endpoint: 'stream' },
  { path: '/mcp-proxy/files/stream/', server: 'files', endpoint: 'stream/' },
  { path: '/mcp-proxy/files/stream/below/it?x=/sse', server: 'files', endpoint: 'stream/below/it' },
  { path: '/mcp-proxy/a%20b/sse', server: 'a%20b', endpoint: 'sse' },
  { path: '/mcp-proxy/stream', server: 'stream', endpoint: '' },
  { path: '/mcp-proxy', server: '', endpoint: '' },
  { path: '/admin/mcps/files/stream', server: '', endpoint: '' },
])('the target $path names the server "$server" and its endpoint "$endpoint"', ({ path, ...parts }) => {
  expect(readTarget(`http://localhost${path}`)).toMatchObject(parts)
})

/** Escapes that are no UTF-8 stay as they are, as in the router. */
function decodedOrRaw(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
