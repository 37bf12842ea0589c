/** The registry over HTTP, every status and shape of the contract, over a real socket. */
import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GatewayError } from '../../src/errors.ts'
import { openSqliteStore } from '../../src/registry/storage/sqlite.ts'
import { StoreError, storageFull } from '../../src/registry/storage/store.ts'
import { reference } from '../registry/definitions.ts'
import { type AdminServer, startAdminServer } from './admin-server.ts'

const runnable = process.execPath
const files = {
  name: 'files',
  transport: 'stdio',
  command: runnable,
  args: ['x.ts'],
  env: { TOKEN: 'swordfish-1' },
}

async function errorOf(response: Response): Promise<{ status: number; code: string; details: string }> {
  const body = (await response.json()) as { error: string; details: string; code: string }
  expect(Object.keys(body).sort()).toEqual(['code', 'details', 'error'])
  return { status: response.status, code: body.code, details: body.details }
}

async function definitionIn(server: AdminServer, name: string): Promise<Record<string, unknown>> {
  const response = await server.send('GET', `/admin/mcps/${name}`)
  return ((await response.json()) as { definition: Record<string, unknown> }).definition
}

describe('POST /admin/mcps', () => {
  test('answers 201 with message and name once the definition is in the store', async () => {
    await using server = startAdminServer()
    const response = await server.send('POST', '/admin/mcps', files)
    expect(response.status).toBe(201)
    expect(await response.json()).toEqual({ message: expect.any(String), name: 'files' })
    expect(server.store.get('files')?.env).toEqual({ TOKEN: 'swordfish-1' })
    expect(server.directory.get('files')?.origin).toBe('store')
    expect(server.lastLog()).toEqual({ mcp: 'files' })
  })

  test('exactly one of fifty simultaneous registrations of one name is 201, the others 409', async () => {
    await using server = startAdminServer()
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => server.send('POST', '/admin/mcps', files).then((r) => r.status)),
    )
    expect(answers.filter((status) => status === 201)).toHaveLength(1)
    expect(answers.filter((status) => status === 409)).toHaveLength(49)
  })

  test.each([
    {
      why: 'nothing at all',
      body: undefined,
      code: 'BAD_REQUEST',
      details: 'The request needs a JSON body.',
    },
    {
      why: 'broken JSON',
      body: '{"name":',
      code: 'BAD_REQUEST',
      details: 'The request body is not valid JSON.',
    },
    { why: 'a list', body: [], code: 'DEFINITION_INVALID', details: 'input: must be an object' },
    {
      why: 'an unknown field',
      body: { ...files, commnd: 'x' },
      code: 'DEFINITION_INVALID',
      details: 'commnd: is not a known field; did you mean command?',
    },
    {
      why: 'a bare small integer as duration',
      body: { ...files, timeout: 30000 },
      code: 'DEFINITION_INVALID',
      details: 'timeout: 30000 means nanoseconds here; write "30s"',
    },
    {
      why: 'a name with a slash',
      body: { ...files, name: '../etc' },
      code: 'DEFINITION_INVALID',
      details: expect.stringMatching(/^name: must be 1 to 64/),
    },
    {
      why: 'a working directory, which only the file may choose',
      body: { ...files, cwd: '/' },
      code: 'DEFINITION_INVALID',
      details: 'cwd: can only be set in the configuration file',
    },
    {
      why: 'a mask instead of a value',
      body: { ...files, env: { TOKEN: '***' } },
      code: 'DEFINITION_INVALID',
      details: expect.stringMatching(/^env.TOKEN: is a mask/),
    },
  ])('answers 400 for $why', async ({ body, code, details }) => {
    await using server = startAdminServer()
    expect(await errorOf(await server.send('POST', '/admin/mcps', body))).toEqual({
      status: 400,
      code,
      details,
    })
    expect(server.store.list()).toEqual([])
  })

  test('answers 413 for a body past the bound', async () => {
    await using server = startAdminServer()
    const response = await server.send('POST', '/admin/mcps', {
      ...files,
      description: 'x'.repeat(1_100_000),
    })
    expect(await errorOf(response)).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
  })

  test('takes durations as strings and as nanoseconds', async () => {
    await using server = startAdminServer()
    await server.send('POST', '/admin/mcps', { ...files, timeout: 30_000_000_000, reconnectDelay: '1m30s' })
    expect(server.store.get('files')).toMatchObject({ timeoutMs: 30_000, reconnectDelayMs: 90_000 })
    expect(await definitionIn(server, 'files')).toMatchObject({ timeout: '30s', reconnectDelay: '90s' })
  })

  test('answers 409 for a name that the configuration file uses, and says so', async () => {
    await using server = startAdminServer({ file: [files] })
    const error = await errorOf(await server.send('POST', '/admin/mcps', files))
    expect(error).toMatchObject({ status: 409, code: 'DEFINITION_EXISTS' })
    expect(error.details).toContain('configuration file')
  })

  test('says that the disk is full, with a status of its own, and starts nothing', async () => {
    await using server = startAdminServer()
    server.store.put = () => {
      throw new StoreError('STORAGE_FULL', storageFull('/state/definitions.sqlite'))
    }
    const error = await errorOf(await server.send('POST', '/admin/mcps', files))
    expect(error).toMatchObject({ status: 507, code: 'STORAGE_FULL' })
    expect(error.details).toContain('The disk of /state/definitions.sqlite is full')
    expect(server.directory.list()).toEqual([])
  })

  test('does not answer 201, nor start anything, when the store fails', async () => {
    await using server = startAdminServer()
    server.store.put = () => {
      throw new Error('disk is full at /secret/path')
    }
    const error = await errorOf(await server.send('POST', '/admin/mcps', files))
    expect(error).toEqual({ status: 500, code: 'INTERNAL', details: expect.stringContaining('r-1') })
    expect(error.details).not.toContain('disk')
    expect(server.directory.list()).toEqual([])
    expect(server.lines).toMatchObject([
      { level: 'error', fields: { reason: expect.stringContaining('disk') } },
    ])
  })
})

describe('GET /admin/mcps', () => {
  test('lists definition and status of every server, with their count', async () => {
    await using server = startAdminServer({ file: [{ ...files, name: 'from-file' }] })
    await server.send('POST', '/admin/mcps', files)
    const response = await server.send('GET', '/admin/mcps')
    expect(response.status).toBe(200)
    const body = (await response.json()) as { mcps: { definition: object; status: object }[]; count: number }
    expect(Object.keys(body)).toEqual(['mcps', 'count'])
    expect(body.count).toBe(2)
    expect(body.mcps.map((mcp) => Object.keys(mcp))).toEqual(
      Array(2).fill(['definition', 'origin', 'status']),
    )
    expect(body.mcps.map((mcp) => mcp.definition)).toMatchObject([{ name: 'from-file' }, { name: 'files' }])
  })

  test('one server has the fields of the contract, defaults filled in and secrets masked', async () => {
    await using server = startAdminServer({ now: () => new Date('2026-02-03T04:05:06Z') })
    await server.send('POST', '/admin/mcps', files)
    const response = await server.send('GET', '/admin/mcps/files')
    expect(await response.json()).toEqual({
      definition: {
        name: 'files',
        description: '',
        transport: 'stdio',
        command: runnable,
        args: ['x.ts'],
        env: { TOKEN: '***' },
        headers: {},
        autoReconnect: true,
        maxReconnects: 0,
        reconnectDelay: '5s',
        healthCheckEnabled: true,
        healthCheckInterval: '30s',
        logEnabled: false,
        tags: {},
        isolation: 'auto',
        startTimeout: '120s',
        forwardHeaders: [],
        authTokens: [],
        createdAt: '2026-02-03T04:05:06.000Z',
        updatedAt: '2026-02-03T04:05:06.000Z',
      },
      origin: 'store',
      status: expect.objectContaining({ name: 'files', status: 'disconnected', upTime: 0, stderrTail: [] }),
    })
  })

  test.each(['nobody', '..%2f..%2fadmin', 'constructor', '__proto__', '%00', 'x'.repeat(3_000)])(
    'answers 404 for the name %s',
    async (name) => {
      await using server = startAdminServer()
      expect(await errorOf(await server.send('GET', `/admin/mcps/${name}`))).toMatchObject({
        status: 404,
        code: 'SERVER_UNKNOWN',
      })
      expect(server.lastLog()).toEqual({ code: 'SERVER_UNKNOWN' })
    },
  )
})

test('what a server printed or answered is shown without the credentials that it quotes', async () => {
  await using server = startAdminServer()
  await server.send('POST', '/admin/mcps', { ...files, args: ['--key', 'open-sesame'] })
  server.behave('files', {
    status: {
      lastError: 'exited: swordfish-1',
      stderrTail: ['TOKEN=swordfish-1', 'args: --key open-sesame'],
      serverInfo: { name: 'files', version: 'swordfish-1' },
      capabilities: { tools: {}, experimental: { key: 'open-sesame' } },
      reason: 'it says swordfish-1',
    },
    listTools: () => Promise.reject(new Error('with swordfish-1')),
    callTool: () => Promise.reject(new GatewayError('SERVER_UNAVAILABLE', 'with swordfish-1')),
  })
  const call = { mcpName: 'files', toolName: 't' }
  const answers = await Promise.all([
    server.send('GET', '/admin/mcps'),
    server.send('GET', '/admin/mcps/files'),
    server.send('GET', '/admin/tools'),
    server.send('POST', '/admin/tools/call', call),
  ])
  const texts = await Promise.all(answers.map((response) => response.text()))
  expect(texts.join()).not.toMatch(/swordfish|sesame/)
  expect(texts[1]).toContain('"lastError":"exited: ***"')
  expect(texts[1]).toContain('["TOKEN=***","args: --key ***"]')
  expect(texts[1]).toContain('{"tools":{},"experimental":{"key":"***"}}')
})

describe('PUT /admin/mcps/{name}', () => {
  test('keeps every masked value when the answer of GET is sent back', async () => {
    await using server = startAdminServer()
    const secretive = {
      name: 'docs',
      transport: 'streamable-http',
      url: `http://user:pa55word@127.0.0.1:9/mcp?key=k-123&page=${reference('PAGE')}`,
      headers: { Authorization: 'Bearer swordfish-2', 'X-Team': reference('TEAM') },
      authTokens: ['opener-1'],
    }
    await server.send('POST', '/admin/mcps', secretive)
    const before = server.store.get('docs')
    const shown = await definitionIn(server, 'docs')
    expect(shown).toMatchObject({
      url: `http://***:***@127.0.0.1:9/mcp?key=***&page=${reference('PAGE')}`,
      headers: { Authorization: '***', 'X-Team': reference('TEAM') },
      authTokens: ['***'],
    })
    const response = await server.send('PUT', '/admin/mcps/docs', { ...shown, description: 'new' })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ message: expect.any(String), name: 'docs' })
    const after = server.store.get('docs')
    expect(after).toEqual({ ...before, description: 'new', updatedAt: expect.any(String) } as never)
    expect(server.directory.get('docs')?.definition).toEqual(after as never)
  })

  test('keeps createdAt and moves updatedAt', async () => {
    let day = 1
    await using server = startAdminServer({ now: () => new Date(Date.UTC(2026, 0, day++)) })
    await server.send('POST', '/admin/mcps', files)
    await server.send('PUT', '/admin/mcps/files', { ...files, createdAt: '1999-01-01T00:00:00Z' })
    expect(server.store.get('files')).toMatchObject({
      createdAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-02T00:00:00.000Z',
    })
  })

  test('takes the name from the path when the body has none, and refuses another one', async () => {
    await using server = startAdminServer()
    await server.send('POST', '/admin/mcps', files)
    const { name: _name, ...nameless } = files
    expect((await server.send('PUT', '/admin/mcps/files', nameless)).status).toBe(200)
    const error = await errorOf(await server.send('PUT', '/admin/mcps/files', { ...files, name: 'other' }))
    expect(error).toMatchObject({ status: 400, code: 'DEFINITION_INVALID' })
    expect(error.details).toContain('other')
  })

  test('answers 404 for a name that does not exist, and creates nothing', async () => {
    await using server = startAdminServer()
    expect(await errorOf(await server.send('PUT', '/admin/mcps/files', files))).toMatchObject({ status: 404 })
    expect(server.store.list()).toEqual([])
  })

  test('two admins who edit at once each start from what the other left', async () => {
    await using server = startAdminServer()
    await server.send('POST', '/admin/mcps', { ...files, env: { TOKEN: 'first-secret' } })
    const masked = await definitionIn(server, 'files')
    const [one, two] = await Promise.all([
      server.send('PUT', '/admin/mcps/files', { ...masked, env: { TOKEN: 'second-secret' } }),
      server.send('PUT', '/admin/mcps/files', { ...masked, description: 'edited' }),
    ])
    expect([one.status, two.status]).toEqual([200, 200])
    expect(server.store.get('files')).toMatchObject({
      env: { TOKEN: 'second-secret' },
      description: 'edited',
    })
  })
})

describe('DELETE /admin/mcps/{name}', () => {
  test('answers 204 without a body, and 404 the second time', async () => {
    await using server = startAdminServer()
    await server.send('POST', '/admin/mcps', files)
    const response = await server.send('DELETE', '/admin/mcps/files')
    expect(response.status).toBe(204)
    expect(await response.text()).toBe('')
    expect(server.store.list()).toEqual([])
    expect(await errorOf(await server.send('DELETE', '/admin/mcps/files'))).toMatchObject({ status: 404 })
  })

  test('a registration that follows at once waits until the old server is gone', async () => {
    await using server = startAdminServer()
    await server.send('POST', '/admin/mcps', files)
    const order: string[] = []
    const begun = Promise.withResolvers<void>()
    const gone = Promise.withResolvers<void>()
    const { remove, add } = server.directory
    server.directory.remove = async (name) => {
      begun.resolve()
      await gone.promise
      await remove(name)
      order.push('removed')
    }
    server.directory.add = (definition, origin) => {
      order.push('added')
      return add(definition, origin)
    }
    const removal = server.send('DELETE', '/admin/mcps/files')
    await begun.promise
    const again = server.send('POST', '/admin/mcps', files)
    await server.send('GET', '/admin/mcps')
    gone.resolve()
    expect([(await removal).status, (await again).status]).toEqual([204, 201])
    expect(order).toEqual(['removed', 'added'])
  })
})

test.each(['PUT', 'DELETE'])('%s answers 409 with the reason for a server from the file', async (method) => {
  await using server = startAdminServer({ file: [files] })
  const error = await errorOf(
    await server.send(method, '/admin/mcps/files', method === 'PUT' ? files : undefined),
  )
  expect(error).toMatchObject({ status: 409, code: 'DEFINITION_READ_ONLY' })
  expect(error.details).toContain('configuration file')
  expect(server.directory.get('files')).toBeDefined()
})

test('a broken percent escape in the path is refused, and the gateway serves on', async () => {
  await using server = startAdminServer()
  const response = await server.send('GET', '/admin/mcps/%E0%A4%A')
  expect(response.status).toBeGreaterThanOrEqual(400)
  expect(response.status).toBeLessThan(500)
  expect((await server.send('GET', '/admin/mcps')).status).toBe(200)
})

/** One side of an audit line: a masked definition as JSON text, or nothing. */
function sideOf(text: unknown): unknown {
  return typeof text === 'string' ? JSON.parse(text) : text
}

test('each change leaves one audit line: who, from where, what, before and after, all masked', async () => {
  await using server = startAdminServer()
  await server.send('POST', '/admin/mcps', files)
  await server.send('PUT', '/admin/mcps/files', { ...files, description: 'x', env: { TOKEN: 'swordfish-2' } })
  await server.send('DELETE', '/admin/mcps/files')
  await server.send('DELETE', '/admin/mcps/files')
  expect(server.lines.map(({ level, message }) => `${level} ${message}`)).toEqual(
    Array(3).fill('info admin change'),
  )
  for (const { fields } of server.lines) {
    expect(fields).toMatchObject({ caller: 'admin:01234567', clientIp: '192.0.2.7', name: 'files' })
  }
  const changes = server.lines.map(({ fields: { action, before, after } }) => [
    action,
    sideOf(before),
    sideOf(after),
  ])
  const first = { description: '', env: { TOKEN: '***' } }
  const second = { description: 'x', env: { TOKEN: '***' } }
  expect(changes).toMatchObject([
    ['create', null, first],
    ['replace', first, second],
    ['delete', second, null],
  ])
  expect(JSON.stringify(server.lines)).not.toContain('swordfish')
})

test('what was answered 201 is in the file even if nothing is closed properly', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'admin-'))
  try {
    const store = openSqliteStore(directory)
    await using server = startAdminServer({ store })
    await server.send('POST', '/admin/mcps', files)
    const other = openSqliteStore(directory)
    expect(other.get('files')).toEqual(store.get('files') as never)
    other.close()
    store.close()
  } finally {
    rmSync(directory, { recursive: true })
  }
})
