/** The surface as a whole: every route with every method, the error forms, HEAD, and the health routes. */
import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../src/errors.ts'
import { type Front, type FrontServer, rawRequest, sendRaw, startFront } from './front.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']
const secured = { auth: { globalTokens: ['g1'], adminTokens: ['a1'] } }

/** A path that the pattern of a route matches. */
const examplePath = (pattern: string) => pattern.replace(':name', 'files').replace('*', 'below')

/** One path for each route, but for those by which people find out how to come in (oauth.test.ts, me.test.ts, console.test.ts, server-logins.test.ts). */
function pathsOf({ routes }: Front): ReadonlySet<string> {
  return new Set(
    routes
      .map(({ path }) => examplePath(path))
      .filter((path) => !/^\/(\.well-known|connect|console|me|oauth)(\/|$)/.test(path)),
  )
}

describe('every route', () => {
  test('is one of those that the contract names', async () => {
    await using front = await startFront()
    const routes = new Set(front.routes.map(({ method, path }) => `${method} ${path}`))
    expect([...routes].sort()).toEqual([
      'DELETE /admin/approvals/:name',
      'DELETE /admin/credentials/:name/:credential',
      'DELETE /admin/keys/:id',
      'DELETE /admin/mcps/:name',
      'DELETE /admin/mcps/:name/login',
      'DELETE /admin/mcps/:name/stream',
      'DELETE /console/session',
      'DELETE /mcp',
      'DELETE /mcp-proxy/:name/stream',
      'DELETE /mcp-proxy/:name/stream/*',
      'DELETE /me/credentials/:name/:credential',
      'DELETE /me/logins/:name',
      'DELETE /me/session',
      'GET /.well-known/oauth-protected-resource',
      'GET /.well-known/oauth-protected-resource/*',
      'GET /admin/access',
      'GET /admin/approvals',
      'GET /admin/cluster',
      'GET /admin/config',
      'GET /admin/credentials',
      'GET /admin/events',
      'GET /admin/groups',
      'GET /admin/groups/:name',
      'GET /admin/keys',
      'GET /admin/keys/:id',
      'GET /admin/mcps',
      'GET /admin/mcps/:name',
      'GET /admin/mcps/:name/logs',
      'GET /admin/mcps/:name/stream',
      'GET /admin/metrics',
      'GET /admin/openapi.json',
      'GET /admin/tools',
      'GET /connect/:name',
      'GET /console',
      'GET /console/:file',
      'GET /console/session',
      'GET /healthz',
      'GET /livez',
      'GET /mcp',
      'GET /mcp-proxy/:name/sse',
      'GET /mcp-proxy/:name/sse/*',
      'GET /mcp-proxy/:name/stream',
      'GET /mcp-proxy/:name/stream/*',
      'GET /mcp/sse',
      'GET /me',
      'GET /me/credentials',
      'GET /me/sign-in',
      'GET /metrics',
      'GET /oauth/callback/:id',
      'GET /oauth/callback/login',
      'GET /oauth/clients/:id',
      'GET /readyz',
      'PATCH /admin/keys/:id',
      'POST /admin/approvals/:name',
      'POST /admin/keys',
      'POST /admin/keys/:id/rotate',
      'POST /admin/mcps',
      'POST /admin/mcps/:name/disable',
      'POST /admin/mcps/:name/enable',
      'POST /admin/mcps/:name/login',
      'POST /admin/mcps/:name/restart',
      'POST /admin/mcps/:name/stream',
      'POST /admin/reload',
      'POST /admin/secrets/rotate',
      'POST /admin/tools/call',
      'POST /admin/try',
      'POST /connect/:name',
      'POST /console/session',
      'POST /mcp',
      'POST /mcp-proxy/:name/message',
      'POST /mcp-proxy/:name/stream',
      'POST /mcp-proxy/:name/stream/*',
      'POST /mcp/message',
      'POST /me/forms',
      'POST /me/session',
      'PUT /admin/credentials/:name/:credential',
      'PUT /admin/mcps/:name',
      'PUT /me/credentials/:name/:credential',
    ])
  })

  test('answers 401 without credentials, with every method and with a body of a gigabyte, but for health', async () => {
    await using front = await startFront({ settings: secured })
    const paths = pathsOf(front)
    for (const path of paths) {
      for (const method of methods) {
        for (const extra of [[], ['Transfer-Encoding: chunked']]) {
          const request = rawRequest(`${method} ${path}`, ['Host: localhost', ...extra])
          const { status } = await sendRaw(front.port, request, (text) => text.includes('\r\n\r\n'))
          if (['/livez', '/healthz', '/readyz'].includes(path)) expect([200, 400, 405]).toContain(status)
          else expect(`${method} ${path} ${status}`).toBe(`${method} ${path} 401`)
        }
      }
    }
    expect(front.reached).toEqual([])
  })

  test('answers 405 with Allow for a method that it does not know, in the form of its area', async () => {
    await using front = await startFront()
    const paths = pathsOf(front)
    for (const path of paths) {
      const known = new Set(
        front.routes.filter((route) => examplePath(route.path) === path).map(({ method }) => method),
      )
      const mcp = path.startsWith('/mcp')
      if (known.has('GET') && !mcp) known.add('HEAD')
      for (const method of methods.filter((each) => !known.has(each))) {
        const answer = await sendRaw(front.port, rawRequest(`${method} ${path}`), (text) =>
          text.includes('\r\n\r\n'),
        )
        expect(`${method} ${path} ${answer.status}`).toBe(`${method} ${path} 405`)
        const allow = /^allow: (.*)$/im.exec(answer.text)?.[1]?.trim().split(', ') ?? []
        expect(allow.sort()).toEqual([...known].sort())
        if (method !== 'HEAD')
          expect(answer.text).toContain(mcp ? '"jsonrpc":"2.0"' : '"code":"METHOD_NOT_ALLOWED"')
      }
    }
    expect(front.reached).toEqual([])
  })

  test('serves HEAD where it serves GET, with the length and without the body', async () => {
    await using front = await startFront()
    for (const path of [
      '/healthz',
      '/readyz',
      '/metrics',
      '/admin/mcps',
      '/admin/mcps/files',
      '/admin/tools',
      '/admin/metrics',
      '/admin/openapi.json',
    ]) {
      const answer = await front.send(path, { method: 'HEAD' })
      expect(answer.status).toBe(200)
      expect(Number(answer.headers.get('content-length'))).toBeGreaterThan(0)
      expect(await answer.text()).toBe('')
    }
  })
})

describe('the MCP endpoints', () => {
  test.each([
    ['POST', '/mcp-proxy/files/stream'],
    ['GET', '/mcp-proxy/files/stream'],
    ['DELETE', '/mcp-proxy/files/stream'],
    ['POST', '/mcp-proxy/files/stream/'],
    ['POST', '/mcp-proxy/files/stream/below/it'],
    ['GET', '/mcp-proxy/files/sse'],
    ['GET', '/mcp-proxy/files/sse/below'],
    ['POST', '/mcp-proxy/files/message?sessionId=x'],
  ])('%s %s reaches its handler with the name of the server', async (method, path) => {
    await using front = await startFront()
    const answer = await front.send(path, { method })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ name: 'files' })
  })

  test.each([
    ['POST', '/mcp'],
    ['GET', '/mcp'],
    ['DELETE', '/mcp'],
    ['POST', '/mcp/'],
    ['GET', '/mcp/sse'],
    ['POST', '/mcp/message?sessionId=x'],
  ])('%s %s reaches its handler without a name', async (method, path) => {
    await using front = await startFront()
    const answer = await front.send(path, { method })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ name: '' })
  })

  test.each(['/mcpx', '/mcp/stream', '/mcp/sse/below', '/mcp-proxy'])(
    'there is nothing at %s',
    async (path) => {
      await using front = await startFront()
      const answer = await front.send(path)
      expect(answer.status).toBe(404)
      expect(front.reached).toEqual([])
    },
  )

  test.each(['a%20b', '-x', '.x', 'x'.repeat(65), 'x*', '%E6%97%A5', '%ad', 'undefined%ff'])(
    'a name that no server can have ("%s") is an unknown server',
    async (name) => {
      await using front = await startFront()
      const answer = await front.send(`/mcp-proxy/${name}/stream`)
      expect(answer.status).toBe(404)
      expect(await answer.json()).toMatchObject({
        jsonrpc: '2.0',
        error: { data: { code: 'SERVER_UNKNOWN' } },
      })
      expect(front.reached).toEqual([])
    },
  )

  test('what is below nothing is 404 in JSON-RPC form', async () => {
    await using front = await startFront()
    const answer = await front.send('/mcp-proxy/files/other')
    expect(answer.status).toBe(404)
    expect(await answer.json()).toMatchObject({
      jsonrpc: '2.0',
      error: {
        code: -31404,
        message: expect.stringContaining('/mcp-proxy/{name}/stream'),
        data: { code: 'NOT_FOUND' },
      },
    })
  })

  test('a handler that throws is answered in the form of its area, and says nothing of the reason', async () => {
    const fail = async () => {
      throw new Error('secret reason')
    }
    await using front = await startFront({ mcp: { stream: fail } })
    const answer = await front.send('/mcp-proxy/files/stream')
    expect(answer.status).toBe(500)
    const text = await answer.text()
    expect(JSON.parse(text)).toMatchObject({
      jsonrpc: '2.0',
      error: {
        code: -32603,
        message: expect.stringMatching(/failed to answer this request; its log has the reason under \S+\.$/),
        data: { code: 'INTERNAL' },
      },
    })
    expect(text).not.toContain('secret reason')
    expect(front.lines).toEqual([{ level: 'error', message: 'request failed' }])
  })

  test('a handler that throws an error of the catalogue is answered with it', async () => {
    const fail = async () => {
      throw new GatewayError('SERVER_STARTING', 'Try again.', 7)
    }
    await using front = await startFront({ mcp: { stream: fail } })
    const answer = await front.send('/mcp-proxy/files/stream')
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('7')
  })
})

describe('health', () => {
  const ask = async (servers: readonly FrontServer[]) => {
    await using front = await startFront({ servers })
    const answer = await front.send('/readyz')
    return { status: answer.status, body: await answer.json(), retry: answer.headers.get('retry-after') }
  }

  test('is as the reference prints it', async () => {
    await using front = await startFront()
    const answer = await front.send('/healthz')
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ status: 'ok' })
  })

  test('is ready when every server of the file is connected or has failed', async () => {
    const servers = [{ name: 'a' }, { name: 'b', state: 'error' as const }]
    expect(await ask(servers)).toEqual({ status: 200, body: { status: 'ready' }, retry: null })
  })

  test('is not ready while one of them is still tried, and tells names and states only', async () => {
    expect(await ask([{ name: 'a' }, { name: 'b', state: 'connecting', settled: false }])).toEqual({
      status: 503,
      body: {
        status: 'starting',
        servers: [
          { name: 'a', status: 'connected' },
          { name: 'b', status: 'connecting' },
        ],
      },
      retry: '1',
    })
  })

  test('does not wait for servers that were registered over the API', async () => {
    const servers = [{ name: 'a', origin: 'store' as const, state: 'connecting' as const, settled: false }]
    expect((await ask(servers)).status).toBe(200)
  })

  test('is ready without any server', async () => {
    expect((await ask([])).status).toBe(200)
  })
})

describe('every answer', () => {
  test('that is no stream forbids sniffing, caching and framing', async () => {
    await using front = await startFront({ settings: secured })
    for (const path of ['/healthz', '/nothing', '/mcp-proxy/files/stream', '/admin/mcps']) {
      const { headers } = await front.send(path)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'")
    }
  })

  test('does not say what serves it', async () => {
    await using front = await startFront()
    const { headers } = await front.send('/healthz')
    expect(headers.get('server')).toBeNull()
    expect(headers.get('x-powered-by')).toBeNull()
  })
})
