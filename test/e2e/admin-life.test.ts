/** The admin API of the program as it is run: real servers, real calls, and what is left after `kill -9`. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { document } from '../support/api-document.ts'
import { jsonAnswer, startFaultHttp, welcome } from '../support/fault-http.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const faultServer = resolve(import.meta.dir, '../support/fault-stdio.ts')
const via = 'executable'
const raw = { transport: 'stdio', command: process.execPath, args: [rawServer] }

interface View {
  readonly definition: Record<string, unknown>
  readonly status: Record<string, unknown> & { status: string; lastError: string | null }
}

async function json<T = Record<string, unknown>>(response: Response): Promise<T & { httpStatus: number }> {
  return { ...((await response.json()) as T), httpStatus: response.status }
}

let gateway: RunningGateway
const post = (body: unknown) => gateway.admin('/mcps', { method: 'POST', body })
const put = (name: string, body: unknown) => gateway.admin(`/mcps/${name}`, { method: 'PUT', body })
const remove = (name: string) => gateway.admin(`/mcps/${name}`, { method: 'DELETE' })
const view = async (name: string) => json<View>(await gateway.admin(`/mcps/${name}`))
const callTool = (body: unknown) => gateway.admin('/tools/call', { method: 'POST', body })

beforeAll(async () => {
  gateway = await startGatewayProcess({
    via,
    config: { mcps: [{ name: 'from-file', ...raw }] },
  })
}, 30_000)
afterAll(() => gateway?.stop())

test('the executable describes itself as its sources do', async () => {
  const described = await (await gateway.admin('/openapi.json')).json()
  expect(described).toEqual({ ...document, servers: [{ url: gateway.url }] })
})

describe('registering', () => {
  test('201 for a server that works: the status says that it is connected, and what it is', async () => {
    const added = await json(
      await post({ name: 'works', ...raw, timeout: 30_000_000_000, tags: { team: 'a' } }),
    )
    expect(added).toEqual({ httpStatus: 201, name: 'works', message: expect.any(String) })
    await poll('works to connect', async () => (await view('works')).status.status === 'connected')
    const { definition, status, httpStatus } = await view('works')
    expect(httpStatus).toBe(200)
    expect(definition).toMatchObject({ name: 'works', timeout: '30s', tags: { team: 'a' } })
    expect(status).toEqual({
      name: 'works',
      status: 'connected',
      lastConnected: expect.any(String),
      lastError: null,
      lastErrorTime: null,
      lastExit: null,
      reconnectAttempts: 0,
      restarts: 0,
      since: expect.any(String),
      reason: null,
      upTime: expect.any(Number),
      totalRequests: 0,
      totalErrors: 0,
      toolErrors: 0,
      avgResponseTime: 0,
      protocolVersion: '2025-11-25',
      era: 'legacy',
      serverInfo: { name: 'raw-fixture', version: '1.0.0' },
      capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} },
      processes: 1,
      sessions: 0,
      stderrTail: [],
      closed: null,
      disabledAt: null,
      login: null,
    })
  }, 20_000)

  test('201 for a server that dies at once: the status says why, with the end of what it printed', async () => {
    const args = [faultServer, 'exit-at-once']
    expect((await post({ name: 'dies', ...raw, args })).status).toBe(201)
    await poll('dies to fail', async () => (await view('dies')).status.status === 'error', 3_000)
    const { status } = await view('dies')
    expect(status.lastError).toBeString()
    expect(status['lastErrorTime']).toBeString()
    expect(status['stderrTail']).toEqual(['missing configuration', 'set FILES_ROOT'])
    expect(await json(await callTool({ mcpName: 'dies', toolName: 'x' }))).toMatchObject({
      httpStatus: 503,
      code: 'SERVER_UNAVAILABLE',
    })
    await remove('dies')
  }, 20_000)

  test('201 for a remote server that nobody listens for: the status says so', async () => {
    const nobody = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response() })
    const url = `http://127.0.0.1:${nobody.port}/mcp`
    await nobody.stop(true)
    expect((await post({ name: 'gone', transport: 'streamable-http', url })).status).toBe(201)
    await poll('gone to fail', async () => (await view('gone')).status.status === 'error', 3_000)
    expect((await view('gone')).status.lastError).toContain('ECONNREFUSED')
    await remove('gone')
  }, 20_000)

  test.each([
    {
      why: '409 for a name that is taken',
      body: { name: 'works', ...raw },
      httpStatus: 409,
      code: 'DEFINITION_EXISTS',
    },
    {
      why: '409 for a name of the file',
      body: { name: 'from-file', ...raw },
      httpStatus: 409,
      code: 'DEFINITION_EXISTS',
    },
    {
      why: '422 for a command that is not there',
      body: { name: 'x', transport: 'stdio', command: 'no-such' },
      httpStatus: 422,
      code: 'COMMAND_NOT_FOUND',
    },
    {
      why: '400 for an unknown field',
      body: { name: 'x', ...raw, cmd: 1 },
      httpStatus: 400,
      code: 'DEFINITION_INVALID',
    },
    { why: '400 for a bad name', body: { name: 'a b', ...raw }, httpStatus: 400, code: 'DEFINITION_INVALID' },
    {
      why: '400 for a bare small duration',
      body: { name: 'x', ...raw, timeout: 30000 },
      httpStatus: 400,
      code: 'DEFINITION_INVALID',
    },
    { why: '400 for broken JSON', body: '{', httpStatus: 400, code: 'BAD_REQUEST' },
    {
      why: '422 for a metadata address',
      body: { name: 'x', transport: 'sse', url: 'http://169.254.169.254/' },
      httpStatus: 422,
      code: 'URL_FORBIDDEN',
    },
  ])('$why', async ({ body, httpStatus, code }) => {
    expect(await json(await post(body))).toEqual({
      httpStatus,
      code,
      error: expect.any(String),
      details: expect.stringMatching(/.{10,}/),
    })
  })
})

describe('the tools', () => {
  test('of every page of every server are listed, filters applied', async () => {
    await gateway.register({
      name: 'filtered',
      ...raw,
      toolFilter: { mode: 'allow', list: ['tool-7', 'tool-249'] },
    })
    const { tools, errors } = await json<{ tools: { name: string; mcpName: string }[]; errors: unknown[] }>(
      await gateway.admin('/tools'),
    )
    const of = (server: string) => tools.filter(({ mcpName }) => mcpName === server).map(({ name }) => name)
    expect(new Set(of('works')).size).toBe(250)
    expect(of('filtered')).toEqual(['tool-7', 'tool-249'])
    expect(errors).toEqual([])
  }, 20_000)

  test('that a filter hides are hidden from clients too, page by page, and cannot be called', async () => {
    await using client = await RawClient.open(gateway.face('filtered', 'stream'))
    const pages: unknown[] = []
    let cursor: unknown
    do {
      const { answer } = await client.request('page', 'tools/list', cursor === undefined ? {} : { cursor })
      const tools = (answer.result?.['tools'] ?? []) as { name: string }[]
      pages.push(tools.map(({ name }) => name))
      cursor = answer.result?.['nextCursor']
    } while (cursor !== undefined)
    expect(pages).toEqual([['tool-7'], [], [], [], ['tool-249']])
    expect((await client.callTool(1, 'tool-8', {})).answer.error?.code).toBe(-32602)
    expect((await client.callTool(2, 'tool-7', {})).answer.error).toBeUndefined()
    expect((await callTool({ mcpName: 'filtered', toolName: 'tool-8' })).status).toBe(404)
  }, 20_000)

  test('get arguments with the digits that they were written with', async () => {
    const args = '{"n":12345678901234567890,"f":1.10,"e":1E400,"z":-0.0}'
    expect((await callTool(`{"mcpName":"works","toolName":"mirror","arguments":${args}}`)).status).toBe(200)
    await using client = await RawClient.open(gateway.face('works', 'stream'))
    const look = { part: '"name":"mirror"' }
    const { found } = await client.call<{ found: { text: string }[] }>('look', 'received', look)
    expect(found.at(-1)?.text).toContain(`"arguments":${args}`)
  })

  test.each([
    {
      why: '404 for an unknown server',
      body: { mcpName: 'nobody', toolName: 'x' },
      httpStatus: 404,
      code: 'SERVER_UNKNOWN',
    },
    { why: '400 without a tool', body: { mcpName: 'works' }, httpStatus: 400, code: 'BAD_REQUEST' },
  ])('$why', async ({ body, httpStatus, code }) => {
    expect(await json(await callTool(body))).toMatchObject({ httpStatus, code })
  })

  test('504 for one that takes longer than the timeout of its server', async () => {
    await gateway.register({ name: 'hurried', ...raw, timeout: '300ms' })
    const slow = { mcpName: 'hurried', toolName: 'slow', arguments: { ms: 60_000 } }
    expect(await json(await callTool(slow))).toMatchObject({ httpStatus: 504, code: 'UPSTREAM_TIMEOUT' })
    await remove('hurried')
  }, 20_000)
})

describe('changing', () => {
  const mark = crypto.randomUUID()
  const slow = async (client: RawClient, ms: number) => {
    const call = client.callTool('slow', 'slow', { ms, mark })
    await poll('the call to arrive', async () => {
      const { found } = await client.call<{ found: unknown[] }>('look', 'received', { part: mark })
      return found.length > 0
    })
    return { call }
  }

  test('PUT lets a call in flight finish on the old process, and the session goes on with the new one', async () => {
    await gateway.register({ name: 'changing', ...raw, env: { TOKEN: 'canary-before' } })
    await using client = await RawClient.open(gateway.face('changing', 'stream'))
    const { call } = await slow(client, 700)
    const { definition } = await view('changing')
    expect(definition['env']).toEqual({ TOKEN: '***' })
    const replaced = await json(await put('changing', { ...definition, description: 'new' }))
    expect(replaced).toEqual({ httpStatus: 200, name: 'changing', message: expect.any(String) })
    // A new process has received nothing of the old one's.
    const { found } = await client.call<{ found: unknown[] }>('new', 'received', { part: mark })
    expect(found).toEqual([])
    expect((await call).answer.result?.structuredContent).toEqual({ slept: 700 })
    expect((await view('changing')).definition).toMatchObject({ description: 'new', env: { TOKEN: '***' } })
  }, 20_000)

  test('DELETE answers a call in flight with an error, and the session is 404 from then on', async () => {
    const client = await RawClient.open(gateway.face('changing', 'stream'))
    const { call } = await slow(client, 60_000)
    expect((await remove('changing')).status).toBe(204)
    const { answer } = await call
    expect(answer.id).toBe('slow')
    expect(answer.error?.code).toBeNegative()
    const after = await client.post('{"jsonrpc":"2.0","id":1,"method":"ping"}')
    expect(after.status).toBe(404)
    expect((await remove('changing')).status).toBe(404)
    expect((await put('changing', raw)).status).toBe(404)
  }, 20_000)

  test('PUT gives a secret that came back masked to nobody but the server it was stored for', async () => {
    await using owner = startFaultHttp((request) => welcome(request) ?? jsonAnswer(request))
    await using stranger = startFaultHttp((request) => welcome(request) ?? jsonAnswer(request))
    const name = 'moving'
    await gateway.register({
      name,
      transport: 'streamable-http',
      url: `${owner.url.replace('//', '//user:canary-password@')}?key=canary-query`,
      headers: { 'X-Key': 'canary-header' },
    })
    const { definition } = await view(name)
    const moved = String(definition['url']).replace(new URL(owner.url).host, new URL(stranger.url).host)
    const sse = { ...definition, transport: 'sse' }
    for (const body of [{ ...definition, url: moved }, { ...definition, url: stranger.url }, sse]) {
      const refused = await json<{ details: string }>(await put(name, body))
      expect(refused).toMatchObject({ httpStatus: 400, code: 'DEFINITION_INVALID' })
      expect(refused.details).toMatch(/headers\.X-Key: is a mask, .*send the value of the secret again$/)
    }
    expect(stranger.seen).toEqual([])
    // Another path of the same origin is the same server's.
    const beside = String(definition['url']).replace('/mcp', '/beside')
    expect((await put(name, { ...definition, url: beside })).status).toBe(200)
    const { path, headers } = await owner.request((request) => request.path.startsWith('/beside'))
    expect([path, headers['authorization'], headers['x-key']]).toEqual([
      '/beside?key=canary-query',
      `Basic ${btoa('user:canary-password')}`,
      'canary-header',
    ])
    const anew = { ...definition, url: stranger.url, headers: { 'X-Key': 'its own' } }
    expect((await put(name, anew)).status).toBe(200)
    await stranger.request((request) => request.headers['x-key'] === 'its own')
    expect(JSON.stringify(stranger.seen)).not.toContain('canary')
    expect((await remove(name)).status).toBe(204)
  }, 20_000)

  test('PUT hands a secret that came back masked to no other command, arguments or environment', async () => {
    using place = temporaryDirectory()
    const told = join(place.path, 'told')
    const script = `env > ${told}`
    const name = 'running'
    await gateway.register({ ...raw, name, env: { TOKEN: 'canary-variable' } })
    const { definition } = await view(name)
    const edits = [
      { command: 'sh', args: ['-c', script] },
      { command: 'sh', args: ['-c', script, '--token', '***'] },
      { args: ['-e', `require('fs').writeFileSync('${told}', process.env.TOKEN)`] },
      { env: { TOKEN: '***', BUN_OPTIONS: '--preload=/tmp/evil.js' } },
      { env: { TOKEN: '***', HTTPS_PROXY: 'http://127.0.0.1:9' } },
    ]
    for (const edit of edits) {
      const refused = await json<{ details: string }>(await put(name, { ...definition, ...edit }))
      expect(refused).toMatchObject({ httpStatus: 400, code: 'DEFINITION_INVALID' })
      expect(refused.details).toMatch(
        /env\.TOKEN: is a mask, .*every entry of env .*send the value of the secret again/,
      )
    }
    expect(existsSync(told)).toBe(false)
    expect((await put(name, { ...definition, description: 'kept' })).status).toBe(200)
    expect((await remove(name)).status).toBe(204)
  }, 20_000)

  test.each(['PUT', 'DELETE'])('%s answers 409 for a server of the file', async (method) => {
    const answer = await gateway.admin(
      '/mcps/from-file',
      method === 'PUT' ? { method, body: raw } : { method },
    )
    expect(await json(answer)).toMatchObject({ httpStatus: 409, code: 'DEFINITION_READ_ONLY' })
  })

  test('no secret has come back, nor stands in the log', async () => {
    const texts = await Promise.all(
      ['/mcps', '/tools', '/metrics'].map(async (path) => (await gateway.admin(path)).text()),
    )
    expect([...texts, ...gateway.lines()].join('\n')).not.toContain('canary')
  })
})

test('what was answered 201 is there after kill -9, secrets included, and what was deleted is not', async () => {
  using state = temporaryDirectory()
  const options = { via, config: { mcp_proxy: { storage: { path: state.path } } } } as const
  await using first = await startGatewayProcess(options)
  const definition = { ...raw, name: 'kept', env: { TOKEN: 'canary' } }
  const answers = [
    await first.admin('/mcps', { method: 'POST', body: { ...raw, name: 'deleted' } }),
    await first.admin('/mcps/deleted', { method: 'DELETE' }),
    await first.admin('/mcps', { method: 'POST', body: definition }),
  ]
  await first.kill()
  expect(answers.map(({ status }) => status)).toEqual([201, 204, 201])
  await using second = await startGatewayProcess(options)
  const { mcps, count } = await json<{ mcps: View[]; count: number }>(await second.admin('/mcps'))
  expect(count).toBe(1)
  expect(mcps[0]?.definition).toMatchObject({ name: 'kept', args: [rawServer], env: { TOKEN: '***' } })
  // The mask sent back means the value that was kept, which the process still gets.
  const changed = await second.admin('/mcps/kept', {
    method: 'PUT',
    body: { ...mcps[0]?.definition, tags: { a: 'b' } },
  })
  expect(changed.status).toBe(200)
}, 30_000)
