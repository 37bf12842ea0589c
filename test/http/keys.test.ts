/** Keys at the front door and in the admin API: whom they make, what they open, what they close, and what is refused. */
import { describe, expect, test } from 'bun:test'
import { readTarget } from '../../src/http/hooks/target.ts'
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import { type FileKey, keyOf, type NewKeyWire } from '../../src/registry/access/key-schema.ts'
import { type Front, type FrontServer, startFront } from './front.ts'

interface Made {
  readonly message: string
  readonly text: string
  readonly key: { readonly id: string; readonly name: string; readonly previousEnds: string | null }
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const json = { 'content-type': 'application/json' }

async function admin(front: Front, method: string, path: string, body?: unknown, token?: string) {
  const answer = await front.send(`/admin${path}`, {
    method,
    headers: { ...(token === undefined ? {} : bearer(token)), ...(body === undefined ? {} : json) },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return { status: answer.status, answer: answer.status === 204 ? {} : await answer.json() }
}

async function make(front: Front, body: NewKeyWire, token?: string): Promise<Made> {
  const { status, answer } = await admin(front, 'POST', '/keys', body, token)
  expect([status, answer]).toEqual([201, expect.anything()])
  return answer as Made
}

async function call(front: Front, server: string, token?: string) {
  const headers = token === undefined ? {} : bearer(token)
  const answer = await front.send(`/mcp-proxy/${server}/stream`, { method: 'POST', headers, body: '{}' })
  return {
    status: answer.status,
    answer: (await answer.json()) as { principal?: { id: string; name?: string } },
  }
}

const statusOf = async (front: Front, server: string, token?: string) =>
  (await call(front, server, token)).status

const docs: NewKeyWire = { name: 'ci', access: [{ servers: ['docs'] }] }
const servers: FrontServer[] = [{ name: 'docs' }, { name: 'files' }]

function fileKey(id: string, text: string, more: Partial<NewKeyWire> = {}): FileKey {
  return { ...keyOf(id, { ...docs, ...more }, null), hash: hashOfKey(text) }
}

describe('at an MCP endpoint', () => {
  test('a key is a principal with a name, at the servers that it names', async () => {
    await using front = await startFront({ servers })
    const { text, key } = await make(front, docs)
    expect(await call(front, 'docs', text)).toMatchObject({
      status: 200,
      answer: { principal: { id: `key:${key.id}`, name: 'ci', role: 'client' } },
    })
    expect(front.entries.at(-1)).toMatchObject({ caller: `key:${key.id}` })
    expect(JSON.stringify([front.entries, front.lines])).not.toContain(text.slice(13))
  })

  test('a server out of its reach is answered as one that is not there', async () => {
    await using front = await startFront({
      servers: [...servers, { name: 'own', authTokens: ['t'], authTokensOnly: true }],
    })
    const { text } = await make(front, { name: 'ci', access: [{ servers: ['docs', 'own'] }] })
    const answers = await Promise.all(['files', 'nowhere', 'own'].map((name) => call(front, name, text)))
    for (const [at, name] of ['files', 'nowhere', 'own'].entries()) {
      expect(answers[at]?.status).toBe(404)
      expect(JSON.stringify(answers[at]).replaceAll(name, 'NAME')).toBe(
        JSON.stringify(answers[1]).replaceAll('nowhere', 'NAME'),
      )
    }
  })

  test('what is no key that counts is answered like any unknown token', async () => {
    await using front = await startFront({ servers, settings: { auth: { globalTokens: ['g1'] } } })
    const { text, key } = await make(front, docs)
    const wrong = [makeKeyText(key.id), makeKeyText('aaaaaaaa'), `${text}x`, 'nothing']
    const answers = await Promise.all(wrong.map((token) => call(front, 'docs', token)))
    for (const answer of answers) expect(answer).toEqual({ ...answers[3], status: 401 } as never)
    expect(await statusOf(front, 'docs', 'g1')).toBe(200)
  })

  test('where nobody was asked, the first key has everybody asked, and says so; the last one leaves it so', async () => {
    await using front = await startFront({ servers })
    expect(await statusOf(front, 'docs')).toBe(200)
    const { message, key } = await make(front, docs)
    expect(message).toContain('every MCP endpoint asks for a key')
    expect(await statusOf(front, 'docs')).toBe(401)
    expect((await make(front, { ...docs, name: 'cd' })).message).not.toContain('every MCP endpoint')
    expect((await admin(front, 'DELETE', `/keys/${key.id}?open=true`)).status).toBe(400)
    expect((await admin(front, 'DELETE', `/keys/${key.id}`)).status).toBe(204)
    const { answer } = await admin(front, 'GET', '/keys')
    const [last] = (answer as { keys: { id: string }[] }).keys
    await admin(front, 'DELETE', `/keys/${last?.id}`)
    expect(await statusOf(front, 'docs')).toBe(401)
    const another = await make(front, docs)
    expect((await admin(front, 'DELETE', `/keys/${another.key.id}?open`)).status).toBe(204)
    expect(await statusOf(front, 'docs')).toBe(200)
  })

  test('a key of the file has everybody asked as well, and requireAuth is content with keys', async () => {
    const text = makeKeyText('aaaaaaaa')
    await using front = await startFront({
      servers: [...servers, { name: 'strict', requireAuth: true }],
      settings: {
        auth: { keys: [fileKey('aaaaaaaa', text, { access: [{ servers: ['docs', 'strict'] }] })] },
      },
    })
    expect(await statusOf(front, 'docs')).toBe(401)
    expect([await statusOf(front, 'docs', text), await statusOf(front, 'strict', text)]).toEqual([200, 200])
    expect(front.access.closedReason('strict')).toBeNull()
  })

  test('a server that it names and nobody has is told to whoever makes it', async () => {
    await using front = await startFront({ servers })
    const { message } = await make(front, { name: 'ci', access: [{ servers: ['dosc', '*x'] }] })
    expect(message).toContain('Warning: key ci: no server is named dosc')
    expect(message).toMatch(/did you mean docs\?$/)
  })

  test('its rate is beside that of everybody: 429 with Retry-After, and others go on', async () => {
    await using front = await startFront({ servers })
    const slow = await make(front, { ...docs, rate: { perSecond: 1, burst: 2 } })
    const other = await make(front, { ...docs, name: 'other' })
    const answers: Response[] = []
    for (let n = 0; n < 3; n++)
      answers.push(
        await front.send('/mcp-proxy/docs/stream', {
          method: 'POST',
          headers: bearer(slow.text),
          body: '{}',
        }),
      )
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429])
    expect(Number(answers[2]?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect(await answers[2]?.text()).toContain('With this key 1 requests a second may be sent')
    expect(await statusOf(front, 'docs', other.text)).toBe(200)
  })
})

describe('at the admin API', () => {
  const rows = [
    { role: 'viewer', get: 200, operate: 403, change: 403 },
    { role: 'operator', get: 200, operate: 404, change: 403 },
    { role: 'admin', get: 200, operate: 404, change: 400 },
  ] as const
  test.each(rows)(
    'a key of the role $role opens it as far as that goes',
    async ({ role, get, operate, change }) => {
      await using front = await startFront({ servers })
      const first = await make(front, { name: 'root', role: 'admin' })
      const { text, key } = await make(front, { name: 'one', role }, first.text)
      const statuses = [
        (await admin(front, 'GET', '/mcps', undefined, text)).status,
        (await admin(front, 'POST', '/mcps/nowhere/restart', undefined, text)).status,
        (await admin(front, 'POST', '/mcps', {}, text)).status,
      ]
      expect(statuses).toEqual([get, operate, change])
      expect(front.entries.at(-1)).toMatchObject({ caller: `admin:${key.id}` })
      expect((await front.send('/metrics', { headers: bearer(text) })).status).toBe(200)
      // Once there is one, MCP endpoints ask as before, and it is no key of theirs.
      expect(await statusOf(front, 'docs')).toBe(200)
      await make(front, docs, first.text)
      expect(await statusOf(front, 'docs', text)).toBe(401)
    },
  )

  test('the first one has everybody asked, this machine too', async () => {
    await using front = await startFront({ servers })
    const { message, text, key } = await make(front, { name: 'root', role: 'admin' })
    expect(message).toContain('the admin API asks for a key')
    expect((await admin(front, 'GET', '/mcps')).status).toBe(401)
    expect((await admin(front, 'GET', '/mcps', undefined, makeKeyText(key.id))).status).toBe(401)
    expect((await admin(front, 'DELETE', `/keys/${key.id}`, undefined, text)).status).toBe(204)
    expect((await admin(front, 'GET', '/mcps', undefined, text)).status).toBe(401)
    expect((await admin(front, 'GET', '/mcps')).status).toBe(401)
  })

  test('with a viewer alone nobody could administer any more, so that none is made', async () => {
    await using front = await startFront({ servers })
    for (const role of ['viewer', 'operator'] as const) {
      const { status, answer } = await admin(front, 'POST', '/keys', { name: 'one', role })
      expect([status, answer]).toMatchObject([400, { code: 'KEY_INVALID' }])
    }
    const { text, key } = await make(front, { name: 'root', role: 'admin' })
    const change = await admin(front, 'PATCH', `/keys/${key.id}`, { role: 'viewer' }, text)
    expect(change).toMatchObject({
      status: 400,
      answer: { details: expect.stringContaining('nobody could administer') },
    })
  })

  test('a key for servers is refused, with 403 as a client’s token is', async () => {
    await using front = await startFront({ servers, settings: { auth: { adminTokens: ['a1'] } } })
    const { text } = await make(front, docs, 'a1')
    expect((await admin(front, 'GET', '/mcps', undefined, text)).status).toBe(403)
  })

  test('streams end with the key, or when its role is another one', async () => {
    await using front = await startFront({ servers, settings: { auth: { adminTokens: ['a1'] } } })
    const { text, key } = await make(front, { name: 'root', role: 'viewer' }, 'a1')
    const headers = { ...bearer(text), host: `127.0.0.1:${front.port}` }
    const request = new Request(`${front.url}/admin/events`, { headers })
    const target = readTarget(request.url)
    if (target === null) throw new Error('it is one')
    const { context } = front.access.admit(request, target, '127.0.0.1')
    expect(front.access.admitsAdmin(context)).toBe(true)
    await admin(front, 'PATCH', `/keys/${key.id}`, { role: 'operator' }, 'a1')
    expect(front.access.admitsAdmin(context)).toBe(true)
    await admin(front, 'DELETE', `/keys/${key.id}`, undefined, 'a1')
    expect(front.access.admitsAdmin(context)).toBe(false)
  })
})

describe('in a browser', () => {
  test('a key signs in, is who it is now, and is nobody once it has another role or is revoked', async () => {
    await using front = await startFront({ servers, settings: { auth: { adminTokens: ['a1'] } } })
    const { text, key } = await make(front, { name: 'root', role: 'viewer' }, 'a1')
    const signedIn = await front.send('/me/session', {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ token: text }),
    })
    expect(signedIn.status).toBe(200)
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? ''
    const me = async () => (await (await front.send('/me', { headers: { cookie } })).json()) as object
    expect(await me()).toMatchObject({ principal: `admin:${key.id}`, role: 'viewer', name: 'root' })
    await admin(front, 'PATCH', `/keys/${key.id}`, { name: 'boss' }, 'a1')
    expect(await me()).toMatchObject({ role: 'viewer', name: 'boss' })
    await admin(front, 'PATCH', `/keys/${key.id}`, { role: 'admin' }, 'a1')
    expect((await front.send('/me', { headers: { cookie } })).status).toBe(401)
    const again = await front.send('/me/session', {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ token: text }),
    })
    const admins = again.headers.get('set-cookie')?.split(';')[0] ?? ''
    await admin(front, 'DELETE', `/keys/${key.id}`, undefined, 'a1')
    expect((await front.send('/me', { headers: { cookie: admins } })).status).toBe(401)
  })

  test('/me says whose key it is', async () => {
    await using front = await startFront({ servers })
    const { text, key } = await make(front, docs)
    const answer = await front.send('/me', { headers: bearer(text) })
    expect(await answer.json()).toEqual({ principal: `key:${key.id}`, role: 'client', name: 'ci' })
    expect((await front.send('/me', { headers: bearer(makeKeyText(key.id)) })).status).toBe(401)
  })
})

describe('what is refused', () => {
  test.each<{ why: string; body: unknown; says: string }>([
    { why: 'no name', body: { access: [] }, says: 'name: is required' },
    { why: 'a name with a blank', body: { name: 'a b' }, says: 'name: must be 1 to 64 letters' },
    { why: 'a word that is near', body: { name: 'a', acess: [] }, says: 'did you mean access?' },
    {
      why: 'a rule without servers',
      body: { name: 'a', access: [{ tools: ['x'] }] },
      says: 'access[0].servers',
    },
    {
      why: 'a rule about whom',
      body: { name: 'a', access: [{ who: {}, servers: ['*'] }] },
      says: 'access[0].who',
    },
    {
      why: 'a role with access',
      body: { name: 'a', role: 'admin', access: [{ servers: ['*'] }] },
      says: 'make two keys',
    },
    { why: 'a role that is none', body: { name: 'a', role: 'root' }, says: 'one of viewer, operator, admin' },
    { why: 'an end in the past', body: { ...docs, expires: '2020-01-01' }, says: 'has passed already' },
    { why: 'a day that is none', body: { ...docs, expires: '2099-02-31' }, says: 'no day of any calendar' },
    {
      why: 'a time without a zone',
      body: { ...docs, expires: '2099-02-01T10:00' },
      says: 'expires: must be',
    },
    { why: 'a rate of none', body: { ...docs, rate: { perSecond: 0 } }, says: 'rate.perSecond' },
    { why: 'a chosen id', body: { ...docs, id: 'aaaaaaaa' }, says: 'id: is not a known field' },
    { why: 'a chosen hash', body: { ...docs, hash: hashOfKey('x') }, says: 'hash: is not a known field' },
    {
      why: 'rules without end',
      body: { name: 'a', access: Array(513).fill({ servers: ['*'] }) },
      says: 'at most 512',
    },
    {
      why: 'rules of more than 64 Ki',
      body: {
        name: 'a',
        access: [{ servers: Array.from({ length: 200 }, (_, n) => `${n}${'x'.repeat(400)}`) }],
      },
      says: 'more than 65536 characters',
    },
  ])('$why', async ({ body, says }) => {
    await using front = await startFront({ servers, settings: { limits: { bodyBytesMax: 1_000_000 } } })
    const { status, answer } = await admin(front, 'POST', '/keys', body)
    expect([status, answer]).toMatchObject([
      400,
      { code: 'KEY_INVALID', details: expect.stringContaining(says) },
    ])
    expect((await admin(front, 'GET', '/keys')).answer).toEqual({ keys: [], count: 0 })
  })

  test('a name that is taken, by a name or an id', async () => {
    const text = makeKeyText('aaaaaaaa')
    await using front = await startFront({
      servers,
      settings: { auth: { keys: [fileKey('aaaaaaaa', text)] } },
    })
    for (const name of ['ci', 'aaaaaaaa'])
      expect(await admin(front, 'POST', '/keys', { ...docs, name })).toMatchObject({
        status: 409,
        answer: { code: 'KEY_EXISTS' },
      })
    const { key } = await make(front, { ...docs, name: 'cd' })
    expect((await admin(front, 'PATCH', `/keys/${key.id}`, { name: 'ci' })).status).toBe(409)
    expect((await admin(front, 'PATCH', `/keys/${key.id}`, { name: 'cd' })).status).toBe(200)
  })

  test('to change a key of the file, or one that is not there', async () => {
    await using front = await startFront({
      servers,
      settings: { auth: { keys: [fileKey('aaaaaaaa', makeKeyText('aaaaaaaa'))] } },
    })
    for (const [method, path, body] of [
      ['PATCH', '/keys/aaaaaaaa', { name: 'x' }],
      ['DELETE', '/keys/aaaaaaaa', undefined],
      ['POST', '/keys/aaaaaaaa/rotate', {}],
    ] as const) {
      expect(await admin(front, method, path, body)).toMatchObject({
        status: 409,
        answer: { code: 'KEY_READ_ONLY' },
      })
      const missing = await admin(front, method, path.replace('aaaaaaaa', 'aaaaaaab'), body)
      expect(missing).toMatchObject({ status: 404, answer: { details: expect.stringContaining('aaaaaaaa') } })
    }
    expect(await admin(front, 'GET', '/keys/ci')).toMatchObject({
      status: 404,
      answer: { details: expect.stringContaining('ci is the name of aaaaaaaa') },
    })
  })

  test('an overlap that is none, or longer than a week', async () => {
    await using front = await startFront({ servers })
    const { key } = await make(front, docs)
    for (const overlap of ['1d', '169h', '', -1])
      expect((await admin(front, 'POST', `/keys/${key.id}/rotate`, { overlap })).status).toBe(400)
    const { status, answer } = await admin(front, 'POST', `/keys/${key.id}/rotate`, '')
    expect(status).toBe(200)
    const hours = (Date.parse((answer as Made).key.previousEnds ?? '') - Date.now()) / 3_600_000
    expect(Math.round(hours)).toBe(24)
  })
})

test('what is shown of keys has no text, and no digest of one', async () => {
  const text = makeKeyText('aaaaaaaa')
  await using front = await startFront({ servers, settings: { auth: { keys: [fileKey('aaaaaaaa', text)] } } })
  const made = await make(front, { ...docs, name: 'cd', user: 'svc', expires: null })
  await call(front, 'docs', made.text)
  const { answer } = await admin(front, 'GET', '/keys')
  expect(answer).toMatchObject({
    count: 2,
    keys: [
      { id: 'aaaaaaaa', name: 'ci', source: 'file', createdAt: null, lastUsedAt: null },
      { name: 'cd', source: 'store', user: 'svc', expires: null, access: [{ servers: ['docs'] }] },
    ],
  })
  const lines = JSON.stringify(front.lines)
  for (const each of [text, made.text]) {
    expect(JSON.stringify(answer) + lines).not.toContain(each.slice(13))
    expect(JSON.stringify(answer) + lines).not.toContain(hashOfKey(each).slice(7))
  }
})
