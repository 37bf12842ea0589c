/**
 * Keys at the door of the executable: what they open on every endpoint and in both eras, where they never go, what ends
 * with them and how soon, and that nothing else does.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import type { NewKeyWire } from '../../src/registry/access/key-schema.ts'
import { startEchoingUpstream } from '../support/echoing-upstreams.ts'
import type { FaultHttp } from '../support/fault-http.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { ListingServer } from '../support/listing-server.ts'
import { askModern, callModern, Listening, modernHeaders, modernText } from '../support/modern-client.ts'
import { RawClient } from '../support/raw-client.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'
import { rawPost } from '../support/raw-http-request.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

interface Made {
  readonly text: string
  readonly key: { readonly id: string }
}

const raw = (name: string, more: object = {}) => ({
  name,
  transport: 'stdio',
  ...commandOfRawServer(),
  ...more,
})
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const admin = bearer('a1')

async function make(gateway: RunningGateway, body: NewKeyWire): Promise<Made> {
  const answer = await gateway.admin('/keys', { method: 'POST', body, headers: admin })
  expect(answer.status).toBe(201)
  return (await answer.json()) as Made
}

async function statusAt(target: URL, token: string): Promise<number> {
  const answer = await fetch(target, { method: 'POST', headers: bearer(token), body: '{}' })
  await answer.arrayBuffer()
  return answer.status
}

/** What each has of everything: one thing that the keys below open, and one that they do not. */
const shelf = {
  tools: [
    { name: 'look', inputSchema: { type: 'object' }, annotations: { readOnlyHint: true } },
    { name: 'write', inputSchema: { type: 'object' } },
  ],
  prompts: [{ name: 'open-one' }, { name: 'secret-one' }],
  resources: [
    { name: 'open', uri: 'lib://open/1' },
    { name: 'secret', uri: 'lib://secret/1' },
  ],
  templates: [
    { name: 'open', uriTemplate: 'lib://open/{x}' },
    { name: 'secret', uriTemplate: 'lib://secret/{x}' },
  ],
}
const old = new ListingServer('old', { era: 'legacy', ...shelf })
const young = new ListingServer('young', { era: 'modern', ...shelf })

/** What has reached the server `tallied`. */
const tally = temporaryDirectory({})
const tallied = () => readFileSync(join(tally.path, 'lines'), 'utf8')

let echo: FaultHttp
let gateway: RunningGateway
const url = (name: string, endpoint: 'stream' | 'sse' = 'stream') => gateway.face(name, endpoint)
const everything = () => new URL(`${gateway.url}/mcp`)

beforeAll(async () => {
  echo = startEchoingUpstream('modern')
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: {
        auth: { admin_tokens: ['a1'], global_tokens: ['g1'] },
        logging: { level: 'debug' },
        shutdown_timeout: '500ms',
      },
      mcps: [
        raw('files'),
        raw('docs'),
        raw('owned', { access: [{ who: { keys: ['reader'] }, tools: ['echo'] }] }),
        { name: 'team', transport: 'group', members: [{ server: 'files' }, { server: 'owned' }] },
        raw('tallied', { args: [...commandOfRawServer().args, '--tally', join(tally.path, 'lines')] }),
        old.definition,
        young.definition,
        ...['old', 'young'].map((server) => ({
          name: `${server}-shelf`,
          transport: 'group',
          members: [{ server }],
        })),
        {
          name: 'echo',
          transport: 'streamable-http',
          url: echo.url,
          forwardHeaders: ['authorization', 'x-token', 'x-user'],
        },
      ],
    },
  })
}, 60_000)
afterAll(async () => {
  await gateway.stop()
  await echo[Symbol.asyncDispose]()
  for (const each of [old, young, tally]) each[Symbol.dispose]()
})

describe('what a key opens', () => {
  test('is the same on every endpoint and in both eras: what it names, of that what the server opens to it', async () => {
    const { text: token } = await make(gateway, {
      name: 'reader',
      access: [{ servers: ['files'], tools: ['echo'] }, { servers: ['owned'] }],
    })
    for (const name of ['files', 'owned']) {
      await using client = await RawClient.open(url(name), { token })
      expect(await client.call('1', 'echo', { secret: 's' })).toEqual({ secret: 's' })
      const refused = [
        (await client.callTool('2', 'burst', { count: 1 })).answer,
        (await callModern(url(name), 'burst', { count: 1 }, { token })).answer,
        (await callModern(everything(), `${name}__burst`, { count: 1 }, { token })).answer,
      ]
      for (const { error } of refused) expect(error?.code).toBe(-32602)
      expect((await callModern(url(name), 'echo', { secret: 's' }, { token })).answer.error).toBeUndefined()
    }
    const listed = JSON.stringify((await askModern(everything(), 'tools/list', { token })).answer.result)
    expect(listed).not.toMatch(/"(?:docs|files|owned)__/)
    for (const name of ['docs', 'echo', 'team', 'nowhere']) {
      expect(await statusAt(url(name), token)).toBe(404)
      const answer = await fetch(url(name, 'sse'), { headers: bearer(token) })
      await answer.arrayBuffer()
      expect(answer.status).toBe(404)
    }
  })

  test('of a group: its members without rules of their own, by the names that it shows, and nothing beside it', async () => {
    const { text: token } = await make(gateway, {
      name: 'teamster',
      access: [{ servers: ['team'], tools: ['files__tool-0'] }],
    })
    const listed = JSON.stringify((await askModern(url('team'), 'tools/list', { token })).answer.result)
    expect(listed).toContain('files__tool-0')
    for (const hidden of ['files__tool-1', 'owned__']) expect(listed).not.toContain(hidden)
    for (const name of ['files__burst', 'files__tool-1', 'owned__tool-0', 'owned__echo']) {
      const { answer } = await callModern(url('team'), name, { secret: 's' }, { token })
      expect(answer.error?.code).toBe(-32602)
    }
    expect(await statusAt(url('files'), token)).toBe(404)
    const all = JSON.stringify((await askModern(everything(), 'tools/list', { token })).answer.result)
    expect(all).not.toContain('files__')
  })

  describe('is what it shows, of whatever kind, by every method', () => {
    const names = ['old', 'young'] as const
    const places = names.flatMap((server) => [
      { at: server, server, prefix: '' },
      { at: `${server}-shelf`, server, prefix: `${server}__` },
      { at: 'mcp', server, prefix: `${server}__` },
    ])
    const keys = new Map<string, string>()
    beforeAll(async () => {
      for (const server of names) {
        const narrow = { tools: ['*look'], prompts: ['*open*'], resources: ['lib://open/*'] }
        const direct = await make(gateway, {
          name: `${server}-key`,
          access: [{ servers: [server], ...narrow }],
        })
        const grouped = await make(gateway, {
          name: `${server}-shelf-key`,
          access: [{ servers: [`${server}-shelf`], readOnly: true, ...narrow, tools: ['*'] }],
        })
        keys.set(server, direct.text).set(`${server}-shelf`, grouped.text)
      }
    })

    test.each(places.flatMap((place) => ['legacy', 'modern'].map((era) => ({ ...place, era }))))(
      '$server at $at, for a $era client',
      async ({ at, server, prefix, era }) => {
        const token = keys.get(at) ?? keys.get(server) ?? ''
        const target = at === 'mcp' ? everything() : url(at)
        const client = era === 'legacy' ? await RawClient.open(target, { token }) : null
        let id = 0
        const ask = async (method: string, params: Record<string, unknown> = {}) =>
          (await (client?.request(`${++id}`, method, params) ?? askModern(target, method, { token, params })))
            .answer
        const listed = async (method: string, list: string, key: string) =>
          (((await ask(method)).result ?? {})[list] as Record<string, string>[]).map((item) => item[key])
        expect(await listed('tools/list', 'tools', 'name')).toEqual([`${prefix}look`])
        expect(await listed('prompts/list', 'prompts', 'name')).toEqual([`${prefix}open-one`])
        expect(await listed('resources/list', 'resources', 'uri')).toEqual(['lib://open/1'])
        expect(await listed('resources/templates/list', 'resourceTemplates', 'uriTemplate')).toEqual([
          'lib://open/{x}',
        ])
        const argument = { name: 'x', value: '' }
        const both = (word: string, tool: string): [string, Record<string, unknown>][] => [
          ['tools/call', { name: `${prefix}${tool}`, arguments: {} }],
          ['prompts/get', { name: `${prefix}${word}-one` }],
          ['resources/read', { uri: `lib://${word}/1` }],
          ['completion/complete', { ref: { type: 'ref/prompt', name: `${prefix}${word}-one` }, argument }],
          ['completion/complete', { ref: { type: 'ref/resource', uri: `lib://${word}/{x}` }, argument }],
          ...(client === null
            ? []
            : ([['resources/subscribe', { uri: `lib://${word}/1` }]] as [string, { uri: string }][])),
        ]
        for (const [method, params] of both('open', 'look'))
          expect([method, (await ask(method, params)).error]).toEqual([method, undefined])
        for (const [method, params] of both('secret', 'write'))
          expect([method, (await ask(method, params)).error?.code]).toEqual([method, expect.any(Number)])
        const reached = (server === 'old' ? old : young).received
          .map(({ params }) => JSON.stringify(params))
          .join()
        expect(reached).not.toContain('secret')
        if (client !== null) return
        const uris = ['lib://open/1', 'lib://secret/1']
        const listening = Listening.open(target, { resourceSubscriptions: uris }, { token })
        if (at === server) await expect(listening).rejects.toThrow('There is no such resource')
        else {
          await using open = await listening
          await poll('the acknowledgement', async () => open.messages.length > 0)
          expect(JSON.stringify(open.messages)).not.toContain('secret')
        }
      },
    )
  })

  test.each([
    { server: 'old', era: 'legacy' },
    { server: 'old', era: 'modern' },
    { server: 'young', era: 'legacy' },
    { server: 'young', era: 'modern' },
  ] as const)(
    'hides changes of what lies below a resource that is subscribed to and is not opened itself ($server, $era client)',
    async ({ server, era }) => {
      const access = [{ servers: [server], resources: ['lib://', 'lib://open/*'] }]
      const { text: token } = await make(gateway, { name: `below-${server}-${era}`, access })
      const hidden = { uri: 'lib://secret/1' }
      const open = { uri: 'lib://open/1' }
      const source = server === 'old' ? old : young
      await using client = era === 'legacy' ? await RawClient.open(url(server), { token }) : null
      await client?.stand()
      await client?.request('s', 'resources/subscribe', { uri: 'lib://' })
      const filter = { resourceSubscriptions: ['lib://'] }
      await using listening = era === 'modern' ? await Listening.open(url(server), filter, { token }) : null
      await source.heard()
      const messages = client?.standing ?? listening?.messages ?? []
      await poll('the change that is open', async () => {
        source.announce('notifications/resources/updated', hidden)
        source.announce('notifications/resources/updated', open)
        return JSON.stringify(messages).includes(open.uri)
      })
      expect(JSON.stringify(messages)).not.toContain('secret')
    },
  )

  test('of two keys never adds up, however their sessions are mixed', async () => {
    const one = await make(gateway, { name: 'one', access: [{ servers: ['files'], tools: ['echo'] }] })
    const two = await make(gateway, { name: 'two', access: [{ servers: ['files'], tools: ['burst'] }] })
    await using client = await RawClient.open(url('files'), { token: one.text })
    const asTwo = { ...client.headers(), ...bearer(two.text) }
    const message = {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'burst', arguments: { count: 1 } },
    }
    const answer = await fetch(url('files'), {
      method: 'POST',
      headers: asTwo,
      body: JSON.stringify(message),
    })
    expect(answer.status).toBe(404)
    await answer.arrayBuffer()
    expect((await client.callTool('2', 'burst', { count: 1 })).answer.error?.code).toBe(-32602)
    const both = await fetch(url('files'), {
      method: 'POST',
      headers: { authorization: `Bearer ${one.text}, Bearer ${two.text}` },
    })
    expect(both.status).toBe(401)
    await both.arrayBuffer()
  })
})

/** Everything that a client can have open with a key at a server. */
async function openAll(token: string, name: string) {
  const client = await RawClient.open(url(name), { token })
  const stream = await client.get()
  const sse = await fetch(url(name, 'sse'), { headers: { ...bearer(token), accept: 'text/event-stream' } })
  const listening = await Listening.open(url(name), { toolsListChanged: true }, { token })
  const grouped = await RawClient.open(everything(), { token })
  const groupStream = await grouped.get()
  const legacyCall = client.callTool('slow', 'slow', { ms: 30_000 }).catch((thrown: unknown) => thrown)
  const modernCall = callModern(url(name), 'slow', { ms: 30_000 }, { token }).catch(
    (thrown: unknown) => thrown,
  )
  const groupCall = callModern(everything(), `${name}__slow`, { ms: 30_000 }, { token }).catch(
    (thrown: unknown) => thrown,
  )
  for (const each of [stream, sse, groupStream]) expect(each.status).toBe(200)
  await poll('the calls', async () => {
    const { servers } = (await (await gateway.admin('/metrics', { headers: admin })).json()) as {
      servers: { name: string; inFlight: number }[]
    }
    return (servers.find((server) => server.name === name)?.inFlight ?? 0) >= 3
  })
  const open = {
    stream: stream.text(),
    sse: sse.text(),
    listening: listening.ended,
    group: groupStream.text(),
    legacyCall,
    modernCall,
    groupCall,
  }
  const ended = new Set<string>()
  for (const [what, each] of Object.entries(open))
    void Promise.resolve(each).then(
      () => ended.add(what),
      () => ended.add(what),
    )
  return { client, all: Object.keys(open).sort(), ended: () => [...ended].sort() }
}

describe('with a key ends, within a second, everything that was opened with it and nothing else', () => {
  test.each<{ why: string; end: (made: Made) => Promise<number>; stays?: readonly string[] }>([
    {
      why: 'when it is revoked',
      end: async ({ key }) =>
        (await gateway.admin(`/keys/${key.id}`, { method: 'DELETE', headers: admin })).status,
    },
    {
      why: 'when it is changed and reaches the server no more',
      // Where all servers are together it reaches another one still.
      stays: ['group'],
      end: async ({ key }) => {
        const body = { access: [{ servers: ['docs'] }] }
        return (await gateway.admin(`/keys/${key.id}`, { method: 'PATCH', body, headers: admin })).status
      },
    },
    {
      why: 'when its old text is ended',
      end: async ({ key }) => {
        const init = { method: 'POST', body: { overlap: '0s' }, headers: admin }
        return (await gateway.admin(`/keys/${key.id}/rotate`, init)).status
      },
    },
    {
      why: 'when it expires',
      end: async ({ key }) => {
        const body = { expires: new Date(Date.now() + 500).toISOString() }
        const { status } = await gateway.admin(`/keys/${key.id}`, { method: 'PATCH', body, headers: admin })
        await Bun.sleep(500)
        return status
      },
    },
  ])(
    '$why',
    async ({ why, end, stays = [] }) => {
      const name = why.replaceAll(' ', '-')
      const access = [{ servers: ['files'] }]
      const made = await make(gateway, { name, access })
      const other = await make(gateway, { name: `other-${name}`, access })
      const [mine, theirs] = [await openAll(made.text, 'files'), await openAll(other.text, 'files')]
      expect([mine.ended(), theirs.ended()]).toEqual([[], []])
      expect(await end(made)).toBeLessThan(300)
      const startedMs = performance.now()
      const ending = mine.all.filter((what) => !stays.includes(what))
      await poll('the end of all', async () => mine.ended().length >= ending.length, 3_000)
      expect(performance.now() - startedMs).toBeLessThan(1_000)
      expect([mine.ended(), theirs.ended()]).toEqual([ending, []])
      expect([404, 401]).toContain(await statusAt(url('files'), made.text))
      // Whoever goes on has lost nothing.
      expect(await theirs.client.call('1', 'echo', { secret: 's' })).toEqual({ secret: 's' })
      await gateway.admin(`/keys/${other.key.id}`, { method: 'DELETE', headers: admin })
    },
    30_000,
  )

  describe('a request whose body is still on its way, which', () => {
    const rest = (id: string, init: { method: string; body?: object }) => async () => {
      // The head has to be there first.
      await Bun.sleep(100)
      await (await gateway.admin(`/keys/${id}`, { ...init, headers: admin })).arrayBuffer()
    }
    const lines = (headers: Record<string, string>) =>
      Object.entries(headers).map(([name, value]) => `${name}: ${value}`)

    test.each([
      { why: 'reaches no server when the key was revoked', change: { method: 'DELETE' }, status: 401 },
      {
        why: 'is answered as at a server that is not there when the key names it no more',
        change: { method: 'PATCH', body: { access: [{ servers: ['docs'] }] } },
        status: 404,
      },
      {
        why: 'goes on when what was changed does not matter to it',
        change: { method: 'PATCH', body: { access: [{ servers: ['docs', 'tallied'] }] } },
        status: 200,
      },
    ])('$why', async ({ change, status }) => {
      const name = `halfway-${status}`
      const { text, key } = await make(gateway, { name, access: [{ servers: ['tallied'] }] })
      const params = { name: 'echo', arguments: { secret: name } }
      const call = { token: text, params }
      const reply = await rawPost(
        url('tallied'),
        lines(modernHeaders('tools/call', call)),
        modernText('tools/call', call),
        rest(key.id, change),
      )
      expect(reply.status).toBe(status)
      expect(tallied().includes(name)).toBe(status === 200)
    })

    test('changes nothing when the key was one of the admin API', async () => {
      const { text, key } = await make(gateway, { name: 'leaked', role: 'admin' })
      const reply = await rawPost(
        new URL(`${gateway.url}/admin/keys`),
        lines({ ...bearer(text), 'content-type': 'application/json' }),
        JSON.stringify({ name: 'planted', role: 'admin' }),
        rest(key.id, { method: 'DELETE' }),
      )
      expect(reply.status).toBe(401)
      const { keys } = (await (await gateway.admin('/keys', { headers: admin })).json()) as {
        keys: { name: string }[]
      }
      expect(keys.map(({ name }) => name)).not.toContain('planted')
    })
  })

  test('a call that waits for its server to start never reaches it, nor one of a tool that is the key’s no more', async () => {
    const access = [{ servers: ['late'] }]
    const { text: token, key } = await make(gateway, { name: 'early', access })
    const narrowed = await make(gateway, { name: 'narrowed', access })
    const command = commandOfRawServer()
    const line = [command.command, ...command.args, '--tally', join(tally.path, 'late')].join(' ')
    const late = { name: 'late', transport: 'stdio', command: 'sh', args: ['-c', `sleep 1; exec ${line}`] }
    await (await gateway.admin('/mcps', { method: 'POST', body: late, headers: admin })).arrayBuffer()
    const call = callModern(url('late'), 'echo', { secret: 'early' }, { token })
    const narrowedCall = callModern(url('late'), 'echo', { secret: 'early' }, { token: narrowed.text })
    await Bun.sleep(200)
    await gateway.admin(`/keys/${key.id}`, { method: 'DELETE', headers: admin })
    const body = { access: [{ servers: ['late'], tools: ['mirror'] }] }
    await gateway.admin(`/keys/${narrowed.key.id}`, { method: 'PATCH', body, headers: admin })
    expect((await call).answer.error).toMatchObject({ data: { code: 'UNAUTHENTICATED' } })
    expect((await narrowedCall).answer.error?.code).toBe(-32602)
    expect(readFileSync(join(tally.path, 'late'), 'utf8')).not.toContain('early')
  })

  test('a call that waits for input of its client is given up at its server', async () => {
    const made = await make(gateway, { name: 'asked', access: [{ servers: ['tallied'] }] })
    const question = { message: 'Your name?', requestedSchema: { type: 'object', properties: {} } }
    const args = { method: 'elicitation/create', params: question }
    const post = { token: made.text, capabilities: { elicitation: {} } }
    const { answer } = await callModern(url('tallied'), 'ask', args, post)
    expect(answer.result).toMatchObject({ resultType: 'input_required' })
    expect(tallied()).not.toContain('notifications/cancelled')
    await gateway.admin(`/keys/${made.key.id}`, { method: 'DELETE', headers: admin })
    await poll('the cancel', async () => tallied().includes('notifications/cancelled'), 1_000)
  })

  test('a change over the admin API that waits for its turn is not made', async () => {
    const { text, key } = await make(gateway, { name: 'waiting', role: 'admin' })
    await (await gateway.admin('/mcps', { method: 'POST', body: raw('kept'), headers: admin })).arrayBuffer()
    // A restart lets calls finish first, and whatever comes behind it waits.
    const call = callModern(url('kept'), 'slow', { ms: 1_000 }, { token: 'g1' })
    await poll('the call', async () => {
      const answer = await gateway.admin('/mcps/kept', { headers: admin })
      return ((await answer.json()) as { status: { totalRequests: number } }).status.totalRequests > 0
    })
    const restart = gateway.admin('/mcps/kept/restart', { method: 'POST', headers: admin })
    await Bun.sleep(50)
    const removal = gateway.admin('/mcps/kept', { method: 'DELETE', headers: bearer(text) })
    await Bun.sleep(50)
    await gateway.admin(`/keys/${key.id}`, { method: 'DELETE', headers: admin })
    expect((await removal).status).toBe(401)
    await call
    expect((await restart).status).toBe(200)
    expect((await gateway.admin('/mcps/kept', { headers: admin })).status).toBe(200)
  })

  test('a call over the admin API is given up at its server', async () => {
    const { text, key } = await make(gateway, { name: 'operating', role: 'operator' })
    const headers = { ...bearer(text), 'content-type': 'application/json' }
    const body = JSON.stringify({ mcpName: 'tallied', toolName: 'slow', arguments: { ms: 60_000, by: 'op' } })
    const call = fetch(`${gateway.url}/admin/tools/call`, { method: 'POST', headers, body })
    await poll('the call', async () => tallied().includes('"by":"op"'))
    const cancels = () => tallied().split('notifications/cancelled').length
    const before = cancels()
    await gateway.admin(`/keys/${key.id}`, { method: 'DELETE', headers: admin })
    expect((await call).status).toBe(401)
    await poll('the cancel', async () => cancels() > before, 1_000)
  })

  test('a reload that takes a key out of the file, or changes it, does the same; an untouched one goes on', async () => {
    const texts = {
      gone: makeKeyText('goneaaaa'),
      kept: makeKeyText('keptaaaa'),
      less: makeKeyText('lessaaaa'),
    }
    const entry = (name: keyof typeof texts, servers = ['files']) => ({
      id: `${name}aaaa`,
      name,
      hash: hashOfKey(texts[name]),
      access: [{ servers }],
    })
    const config = (keys: object[]) => ({
      mcp_proxy: { auth: { admin_tokens: ['a1'], keys } },
      mcps: [raw('files')],
    })
    await using own = await startGatewayProcess({
      via: 'executable',
      config: config([entry('gone'), entry('kept'), entry('less')]),
    })
    const streams = new Map<string, Response>()
    for (const [name, token] of Object.entries(texts)) {
      const client = await RawClient.open(own.face('files', 'stream'), { token })
      streams.set(name, await client.get())
    }
    writeFileSync(
      join(own.directory, 'compozy.yaml'),
      JSON.stringify(config([entry('kept'), entry('less', [])])),
    )
    expect((await own.admin('/reload', { method: 'POST', headers: admin })).status).toBe(200)
    const startedMs = performance.now()
    await Promise.all(['gone', 'less'].map((name) => streams.get(name)?.text()))
    expect(performance.now() - startedMs).toBeLessThan(1_000)
    const still = await Promise.race([streams.get('kept')?.text(), Bun.sleep(300).then(() => 'open')])
    expect(still).toBe('open')
    const statuses = Object.values(texts).map((token) => statusAt(own.face('files', 'stream'), token))
    expect(await Promise.all(statuses)).toEqual([401, 400, 404])
  }, 30_000)
})

test('a rotation loses nothing: sessions, streams and calls go on, with the old text and with the new one', async () => {
  const { text, key } = await make(gateway, { name: 'rotating', access: [{ servers: ['files'] }] })
  await using client = await RawClient.open(url('files'), { token: text })
  const stream = await client.get()
  const call = client.call('1', 'steps', { count: 2, everyMs: 150 })
  const answer = await gateway.admin(`/keys/${key.id}/rotate`, { method: 'POST', headers: admin })
  const next = (await answer.json()) as Made
  expect(await call).toEqual({ done: true })
  const message = {
    jsonrpc: '2.0',
    id: 2,
    method: 'tools/call',
    params: { name: 'echo', arguments: { secret: 's' } },
  }
  for (const token of [text, next.text]) {
    const headers = { ...client.headers(), ...bearer(token) }
    const said = await fetch(url('files'), { method: 'POST', headers, body: JSON.stringify(message) })
    expect(await said.text()).toContain('"secret":"s"')
  }
  expect(await Promise.race([stream.text(), Bun.sleep(300).then(() => 'open')])).toBe('open')
})

test('a key has so many calls in flight as it may, in both eras; the next is refused, and those of others are not', async () => {
  const access = [{ servers: ['files'] }]
  const { text: token } = await make(gateway, { name: 'bounded', access, inFlight: 2 })
  const other = await make(gateway, { name: 'unbounded', access })
  await using client = await RawClient.open(url('files'), { token })
  const aborted = new AbortController()
  const slow = callModern(url('files'), 'slow', { ms: 60_000 }, { token, signal: aborted.signal }).catch(
    () => {},
  )
  const legacy = client.callTool('slow', 'slow', { ms: 700 })
  await Bun.sleep(150)
  const refused = [
    (await client.callTool('1', 'echo', { secret: 's' })).answer,
    (await callModern(url('files'), 'echo', { secret: 's' }, { token })).answer,
  ]
  for (const { error } of refused)
    expect(error).toMatchObject({ code: -31429, data: { code: 'IN_FLIGHT_EXHAUSTED', retryAfterMs: 1_000 } })
  const free = await callModern(url('files'), 'echo', { secret: 's' }, { token: other.text })
  expect(free.answer.result?.structuredContent).toEqual({ secret: 's' })
  await legacy
  aborted.abort()
  await slow
  await poll(
    'room',
    async () =>
      (await callModern(url('files'), 'echo', { secret: 's' }, { token })).answer.error === undefined,
  )
})

test('a batch takes as much out of the rate of a key as its requests would one by one', async () => {
  const access = [{ servers: ['files'] }]
  const { text: token } = await make(gateway, {
    name: 'batching',
    access,
    rate: { perSecond: 1, burst: 5 },
  })
  // The handshake takes two of them.
  await using client = await RawClient.open(url('files'), { token, version: '2025-03-26' })
  const batch = Array.from({ length: 20 }, (_, id) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'echo', arguments: { secret: 's' } },
  }))
  const answers = await (await client.post(JSON.stringify(batch))).text()
  const [passed, refused] = [
    answers.split('"secret":"s"').length - 1,
    answers.split('RATE_LIMITED').length - 1,
  ]
  expect(passed + refused).toBe(20)
  expect(passed).toBeLessThanOrEqual(4)
  expect(answers).toContain('"retryAfterMs"')
})

describe('a gateway that asked nobody', () => {
  test('ends with its first key what was open without one, and asks on after a restart and the last one', async () => {
    await using own = await startGatewayProcess({ via: 'executable', config: { mcps: [raw('files')] } })
    const target = own.face('files', 'stream')
    const client = await RawClient.open(target)
    const [stream, listening] = [await client.get(), await Listening.open(target, { toolsListChanged: true })]
    const body = { name: 'first', access: [{ servers: ['files'] }] }
    const { text, key } = (await (await own.admin('/keys', { method: 'POST', body })).json()) as Made
    await Promise.all([stream.text(), listening.ended])
    expect([await statusAt(target, ''), await statusAt(target, text)]).toEqual([401, 400])
    const state = join(own.directory, '.local/state/compozy')
    await own.admin(`/keys/${key.id}`, { method: 'DELETE' })
    using kept = temporaryDirectory({})
    cpSync(join(state, 'definitions.sqlite'), join(kept.path, 'definitions.sqlite'))
    const env = { MCP_PROXY_STORAGE_PATH: kept.path }
    await using again = await startGatewayProcess({
      via: 'executable',
      config: { mcps: [raw('files')] },
      env,
    })
    expect(await statusAt(again.face('files', 'stream'), '')).toBe(401)
    const other = (await (await again.admin('/keys', { method: 'POST', body })).json()) as Made
    expect(await statusAt(again.face('files', 'stream'), other.text)).toBe(400)
    await again.admin(`/keys/${other.key.id}?open`, { method: 'DELETE' })
    expect(await statusAt(again.face('files', 'stream'), '')).toBe(400)
  }, 20_000)

  test('keeps keys as long as it runs where nothing is kept', async () => {
    const config = { mcp_proxy: { storage: { type: 'memory' } }, mcps: [raw('files')] }
    await using own = await startGatewayProcess({ via: 'executable', config })
    const body = { name: 'first', access: [{ servers: ['files'] }] }
    const { text } = (await (await own.admin('/keys', { method: 'POST', body })).json()) as Made
    const target = own.face('files', 'stream')
    expect([await statusAt(target, ''), await statusAt(target, text)]).toEqual([401, 400])
  })
})

describe('a key is in nothing but its own request', () => {
  test('no server, line, error, figure or process has it, nor a copy of the state directory', async () => {
    const { text: token, key } = await make(gateway, {
      name: 'canary',
      access: [{ servers: ['echo', 'files'] }],
    })
    const post = { token, headers: { 'x-token': token, 'x-user': `alice;${token}` } }
    const said = JSON.stringify((await callModern(url('echo'), 'echo', {}, post)).answer)
    const withGlobal = { token: 'g1', headers: { 'x-token': token, 'x-user': 'alice' } }
    const other = JSON.stringify((await callModern(url('echo'), 'echo', {}, withGlobal)).answer)
    await callModern(url('files'), 'echo', {}, { token: `${token}x` })
    await callModern(url('docs'), 'echo', {}, { token })
    await fetch(`${gateway.url}/mcp-proxy/files/stream?key=${token}`, { method: 'POST' })
    const rotated = (await (
      await gateway.admin(`/keys/${key.id}/rotate`, { method: 'POST', headers: admin })
    ).json()) as Made
    const asked = await Promise.all(
      ['/keys', '/metrics', '/mcps'].map(
        async (path) => await (await gateway.admin(path, { headers: admin })).text(),
      ),
    )
    const state = join(gateway.directory, '.local/state/compozy')
    using copy = temporaryDirectory({})
    cpSync(state, copy.path, { recursive: true })
    const stored = readdirSync(copy.path)
      .filter((name) => statSync(join(copy.path, name)).isFile())
      .map((name) => readFileSync(join(copy.path, name), 'latin1'))
    const children = readFileSync(`/proc/${gateway.pid}/task/${gateway.pid}/children`, 'utf8')
      .trim()
      .split(' ')
    const processes = children.map((child) => readFileSync(`/proc/${child}/environ`, 'utf8'))
    const all = [said, other, ...asked, ...gateway.lines(), ...stored, ...processes].join('\n')
    for (const text of [token, rotated.text]) {
      expect(all.includes(text.slice(13, 45))).toBe(false)
      expect(asked.join().includes(hashOfKey(text).slice(7))).toBe(false)
    }
    expect(all).toContain(`key:${key.id}`)
  })
})
