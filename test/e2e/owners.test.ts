/**
 * Servers that each user has of their own (`${user.…}`): over every wire, in both eras, by every endpoint and through a
 * group each user reaches them as themselves, whatever is stored, changed and removed meanwhile.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import { type Asker, openAsker } from '../support/askers.ts'
import { type CallerWay, callerWays } from '../support/callers.ts'
import { echoingWires, startEchoingUpstream } from '../support/echoing-upstreams.ts'
import type { FaultHttp } from '../support/fault-http.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { processesAtHome } from '../support/process-facts.ts'

const users = ['ada', 'bob', 'cleo'] as const
type User = (typeof users)[number]

/** A key for each; two that are used for one user have the same credentials. */
const ids: Readonly<Record<string, string>> = {
  ada: 'adaadaad',
  bob: 'bobbobbo',
  cleo: 'cleocleo',
  ada2: 'adaadaa2',
}
const texts = Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, makeKeyText(id)]))
const textOf = (name: string): string => texts[name] ?? ''

const upstreams = new Map<string, FaultHttp>()
let gateway: RunningGateway
const servers = ['pipe', ...echoingWires]

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

function store(user: string, server: string, value: string | null): Promise<Response> {
  return fetch(`${gateway.url}/me/credentials/${server}/token`, {
    method: value === null ? 'DELETE' : 'PUT',
    headers: { ...bearer(textOf(user)), 'content-type': 'application/json' },
    ...(value === null ? {} : { body: JSON.stringify({ value }) }),
  })
}

/** The credential that a server says that it was called with; null where the call was refused for want of one. */
async function toldBy(asker: Asker, server: string, prefix: string): Promise<string | null> {
  const name = `${prefix}${server === 'pipe' ? 'token' : 'echo'}`
  const { result, error } = await asker.ask('tools/call', { name, arguments: {} })
  if (error !== undefined) {
    const { code } = (error.data ?? {}) as { code?: string }
    if (code !== 'CREDENTIAL_MISSING') throw new Error(`${server}: ${JSON.stringify(error)}`)
    return null
  }
  const [{ text = '' } = {}] = (result?.['content'] ?? []) as { text?: string }[]
  if (server === 'pipe') return text.split(' ')[1] ?? ''
  return (JSON.parse(text) as Record<string, string>)['x-user-token'] ?? ''
}

beforeAll(async () => {
  for (const wire of echoingWires) upstreams.set(wire, startEchoingUpstream(wire))
  const script = resolve(import.meta.dir, '../support/environment-server.ts')
  const keys = Object.entries(ids).map(([name, id]) => ({
    id,
    name,
    hash: hashOfKey(textOf(name)),
    user: name === 'ada2' ? 'ada' : name,
    access: [{ servers: ['*'] }],
  }))
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: {
        auth: { admin_tokens: ['a1'], global_tokens: ['g1'], keys },
        audit: { file: 'audit.log' },
        logging: { level: 'debug' },
      },
      mcps: [
        {
          name: 'pipe',
          transport: 'stdio',
          command: process.execPath,
          args: [script],
          env: { TOKEN: '${user.token}' },
          logEnabled: true,
        },
        ...[...upstreams].map(([name, { url }]) => ({
          name,
          transport: name === 'sse' ? 'sse' : 'streamable-http',
          url,
          headers: { 'X-User-Token': '${user.token}', 'X-Same': 'all' },
        })),
        { name: 'team', transport: 'group', members: servers.map((server) => ({ server })) },
      ],
    },
  })
})

afterAll(async () => {
  await gateway?.stop()
  for (const upstream of upstreams.values()) await upstream[Symbol.asyncDispose]()
})

/** One user's clients: at each server and at the group, opened when they are used first. */
class Clients {
  readonly #askers = new Map<string, Promise<Asker>>()

  constructor(readonly token: string) {}

  at(path: string, way: CallerWay): Promise<Asker> {
    const key = `${path} ${way}`
    const asker = this.#askers.get(key) ?? openAsker(gateway.url, path, way, this.token)
    this.#askers.set(key, asker)
    return asker
  }

  async close(): Promise<void> {
    for (const asker of this.#askers.values()) await (await asker)[Symbol.asyncDispose]()
  }
}

describe('each user', () => {
  test('is known at every server by what they have stored, by every way, at once', async () => {
    const canary = (user: string, server: string) => `canary-${user}-${server}`
    for (const user of users)
      for (const server of servers) expect((await store(user, server, canary(user, server))).status).toBe(204)
    const clients = Object.keys(ids).map((name) => ({ name, clients: new Clients(textOf(name)) }))
    const asked = clients.flatMap(({ name, clients: own }) =>
      callerWays.flatMap((way) =>
        servers.flatMap((server) =>
          [
            { path: `/mcp-proxy/${server}`, prefix: '' },
            { path: '/mcp-proxy/team', prefix: `${server}__` },
          ].map(async ({ path, prefix }) => {
            const told = await toldBy(await own.at(path, way), server, prefix)
            return [told, canary(name === 'ada2' ? 'ada' : name, server)]
          }),
        ),
      ),
    )
    for (const [told, own] of await Promise.all(asked)) expect(told).toBe(own ?? '')
    for (const { clients: own } of clients) await own.close()
  }, 60_000)

  test('stays themselves while everybody stores, changes and removes', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = randomFrom(seed)
    const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T
    const stored = new Map<string, string | null>()
    for (const user of users)
      for (const server of servers) stored.set(`${user} ${server}`, `canary-${user}-${server}`)
    const clients = new Map<User, Clients>(users.map((user) => [user, new Clients(textOf(user))]))
    let count = 0
    const step = async (user: User): Promise<void> => {
      const server = pick(servers)
      const key = `${user} ${server}`
      if (random() < 0.25) {
        const value = random() < 0.3 ? null : `canary-${user}-${server}-${++count}`
        const { status } = await store(user, server, value)
        expect([204, ...(stored.get(key) === null ? [404] : [])]).toContain(status)
        stored.set(key, value)
        return
      }
      const way = pick(callerWays)
      const through = random() < 0.5
      const own = clients.get(user) as Clients
      const path = through ? '/mcp-proxy/team' : `/mcp-proxy/${server}`
      const expected = stored.get(key) ?? null
      // Who has nothing stored cannot begin a session there.
      if (expected === null && !through) return
      const told = await toldBy(await own.at(path, way), server, through ? `${server}__` : '').catch(
        (thrown) => {
          if (expected === null) return null
          throw new Error(`seed ${seed}: ${key} by ${way}${through ? ' in the group' : ''}: ${thrown}`)
        },
      )
      if (told !== expected) throw new Error(`seed ${seed}: ${key} by ${way}: ${told}, not ${expected}`)
    }
    // The users among each other at once, each of them one step after the other.
    await Promise.all(
      users.map(async (user) => {
        for (let n = 0; n < 40; n++) await step(user)
      }),
    )
    for (const own of clients.values()) await own.close()
  }, 60_000)

  test('who removes what they have stored ends their own and nobody else’s', async () => {
    for (const user of users) await store(user, 'pipe', `canary-${user}-again`)
    await using ada = await openAsker(gateway.url, '/mcp-proxy/pipe', 'stream', textOf('ada'))
    await using bob = await openAsker(gateway.url, '/mcp-proxy/pipe', 'stream', textOf('bob'))
    const pidOf = async (asker: Asker) => {
      const { result } = await asker.ask('tools/call', { name: 'token', arguments: {} })
      const [{ text = '' } = {}] = (result?.['content'] ?? []) as { text?: string }[]
      return text
    }
    const before = await pidOf(bob)
    expect(await pidOf(ada)).toContain('canary-ada-again')
    expect((await store('ada', 'pipe', null)).status).toBe(204)
    expect(await toldBy(ada, 'pipe', '')).toBeNull()
    // The same process as before.
    expect(await pidOf(bob)).toBe(before)
    expect((await store('ada', 'pipe', 'canary-ada-back')).status).toBe(204)
    expect(await pidOf(ada)).toContain('canary-ada-back')
    expect(await pidOf(bob)).toBe(before)
  }, 30_000)
})

describe('nobody in particular', () => {
  test.each(callerWays)('a token of the configuration is refused with what to do, by %s', async (way) => {
    const asker = openAsker(gateway.url, '/mcp-proxy/pipe', way, 'g1')
    if (way === 'stream') {
      await expect(asker).rejects.toMatchObject({ status: 403 })
      return
    }
    await using opened = await asker.catch(() => null as unknown as Asker)
    if (opened === null) return
    const { error } = await opened.ask('tools/call', { name: 'token', arguments: {} })
    expect(JSON.stringify(error ?? '')).toMatch(/come with a key, or sign in|begins with initialize|not open/)
  })

  test('has nothing of their own to store, and a key reaches only what it names', async () => {
    const asToken = await fetch(`${gateway.url}/me/credentials`, { headers: bearer('g1') })
    expect([asToken.status, await asToken.text()]).toEqual([
      401,
      expect.stringContaining('use a key, or sign in'),
    ])
    const nobody = await fetch(`${gateway.url}/me/credentials`)
    expect(nobody.status).toBe(401)
    await nobody.body?.cancel()
    for (const [server, name] of [
      ['nothing', 'token'],
      ['pipe', 'other'],
      ['team', 'token'],
    ]) {
      const answer = await fetch(`${gateway.url}/me/credentials/${server}/${name}`, {
        method: 'PUT',
        headers: { ...bearer(textOf('ada')), 'content-type': 'application/json' },
        body: '{"value":"x"}',
      })
      expect([server, answer.status]).toEqual([server, 404])
      await answer.body?.cancel()
    }
  })
})

describe('the server itself', () => {
  test('is ready without anybody, says how many have it open, and starts nothing for nobody', async () => {
    const { status } = (await (await gateway.admin('/mcps/pipe', { headers: bearer('a1') })).json()) as {
      status: Record<string, unknown>
    }
    expect(status).toMatchObject({ name: 'pipe', reason: null, users: expect.any(Number) })
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200)
  })

  test('is used by an admin as themselves, who is nobody in particular by a token', async () => {
    const list = await gateway.admin('/tools?name=pipe', { headers: bearer('a1') })
    expect(await list.json()).toMatchObject({ tools: [], errors: [{ mcpName: 'pipe' }] })
    const call = await gateway.admin('/tools/call', {
      method: 'POST',
      headers: bearer('a1'),
      body: { mcpName: 'pipe', toolName: 'token' },
    })
    expect([call.status, await call.json()]).toEqual([
      403,
      expect.objectContaining({ code: 'CREDENTIAL_MISSING' }),
    ])
  })

  test('has what an admin stores for somebody, and shows nobody a value', async () => {
    const at = '/credentials/pipe/token?owner=user:cleo'
    const stored = await gateway.admin(at, {
      method: 'PUT',
      headers: bearer('a1'),
      body: { value: 'canary-cleo-by-admin' },
    })
    expect(stored.status).toBe(204)
    await using cleo = await openAsker(gateway.url, '/mcp-proxy/pipe', 'stream', textOf('cleo'))
    expect(await toldBy(cleo, 'pipe', '')).toBe('canary-cleo-by-admin')
    const listed = await (await gateway.admin('/credentials?server=pipe', { headers: bearer('a1') })).text()
    expect(listed).toContain('"owner":"user:cleo"')
    expect(listed).not.toContain('canary')
    const own = await (
      await fetch(`${gateway.url}/me/credentials`, { headers: bearer(textOf('cleo')) })
    ).text()
    expect(own).toContain('"owner":"user:cleo"')
    expect(own).not.toContain('canary')
    expect((await gateway.admin(at, { method: 'DELETE', headers: bearer('a1') })).status).toBe(204)
    expect((await gateway.admin(at, { method: 'DELETE', headers: bearer('a1') })).status).toBe(404)
  })
})

test('no process has anything of two users', async () => {
  for (const user of users) expect((await store(user, 'pipe', `canary-${user}-apart`)).status).toBe(204)
  const clients = users.map((user) => new Clients(textOf(user)))
  for (const own of clients) await toldBy(await own.at('/mcp-proxy/pipe', 'stream'), 'pipe', '')
  const found = processesAtHome(gateway.directory).map((pid) => {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1')
    return users.filter((user) => environment.includes(`canary-${user}-apart`))
  })
  expect(found.filter((owners) => owners.length > 1)).toEqual([])
  expect(found.flat().sort()).toEqual([...users])
  for (const own of clients) await own.close()
})

test('no value is in a log line, in the audit, in what servers print, or in the state directory', async () => {
  const lines = gateway.lines().join('\n')
  expect(lines).toContain('credential changed')
  expect(lines).toContain('my token is ***')
  expect(lines).not.toContain('canary-')
  await poll('the audit', async () =>
    readFileSync(join(gateway.directory, 'audit.log'), 'utf8').includes('"credential"'),
  )
  const kept = filesBelow(gateway.directory).filter((path) => !path.endsWith('compozy.yaml'))
  expect(kept.some((path) => path.endsWith('definitions.sqlite'))).toBe(true)
  for (const path of kept)
    expect([path, readFileSync(path, 'latin1').includes('canary-')]).toEqual([path, false])
})

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
