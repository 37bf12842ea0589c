/**
 * How long what a user has of a server lives: started when they ask, one process where one is enough, bounded, ended when
 * they have not used it or when it is somebody else's; and what clients of a group hear of it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { openAsker } from '../support/askers.ts'
import { callerWays } from '../support/callers.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'

const admin = { authorization: 'Bearer a1' }
const userToken = `$\{user.token}`
/** Servers that repeat all that they were started with. */
const tellingModes = ['serve', 'refuse', 'crash', 'crash-on-call']
const telling = (mode: string) => ({
  name: `telling-${mode}`,
  transport: 'stdio',
  command: process.execPath,
  args: [resolve(import.meta.dir, '../support/telling-server.ts'), mode],
  env: { KEY: `x ${userToken}` },
  logEnabled: true,
})
let gateway: RunningGateway

beforeAll(async () => {
  const script = resolve(import.meta.dir, '../support/environment-server.ts')
  const pipe = { transport: 'stdio', command: process.execPath, args: [script], env: { TOKEN: userToken } }
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: {
        auth: { admin_tokens: ['a1'] },
        limits: { processes_per_client_max: 2 },
        timeouts: { lane_idle: '1s' },
        logging: { level: 'debug' },
      },
      mcps: [
        { name: 'pipe', ...pipe },
        { name: 'own', ...pipe, isolation: 'session' },
        { name: 'named', ...pipe, env: { TOKEN: userToken, NAMED: '1' } },
        { name: 'raw', transport: 'stdio', ...commandOfRawServer(), env: { TOKEN: userToken } },
        { name: 'plain', transport: 'stdio', ...commandOfRawServer() },
        ...tellingModes.map((mode) => telling(mode)),
        { name: 'team', transport: 'group', members: [{ server: 'pipe' }, { server: 'plain' }] },
        { name: 'named-team', transport: 'group', members: [{ server: 'named' }, { server: 'plain' }] },
      ],
    },
  })
})

afterAll(async () => {
  await gateway?.stop()
})

async function makeKey(name: string, user: string): Promise<{ id: string; text: string }> {
  const body = { name, user, access: [{ servers: ['*'] }] }
  const answer = await gateway.admin('/keys', { method: 'POST', body, headers: admin })
  const { text, key } = (await answer.json()) as { text: string; key: { id: string } }
  return { id: key.id, text }
}

async function store(server: string, user: string, value: string): Promise<void> {
  const answer = await gateway.admin(`/credentials/${server}/token?owner=user:${user}`, {
    method: 'PUT',
    body: { value },
    headers: admin,
  })
  expect(answer.status).toBe(204)
}

async function statusOf(name: string): Promise<{ status: string; processes: number; users: number }> {
  const answer = await gateway.admin(`/mcps/${name}`, { headers: admin })
  return ((await answer.json()) as { status: { status: string; processes: number; users: number } }).status
}

describe('what a user has of a server', () => {
  test('is one process for a client that can be asked, and is gone a while after it has left', async () => {
    const { text } = await makeKey('dan', 'dan')
    await store('pipe', 'dan', 'canary-dan')
    expect(await statusOf('pipe')).toMatchObject({ status: 'disconnected', processes: 0, users: 0 })
    const able = { token: text, capabilities: { sampling: {}, roots: {} } }
    const client = await RawClient.open(gateway.face('pipe', 'stream'), able)
    const { answer } = await client.callTool(1, 'token', {})
    expect(JSON.stringify(answer.result)).toContain('canary-dan')
    expect(await statusOf('pipe')).toMatchObject({ status: 'connected', processes: 1, users: 1 })
    await client.close()
    await poll('the end of it', async () => (await statusOf('pipe')).users === 0, 10_000)
    expect(await statusOf('pipe')).toMatchObject({ status: 'disconnected', processes: 0 })
  }, 20_000)

  test('is bounded for one user, whatever the others have', async () => {
    const [eve, fay] = [await makeKey('eve', 'eve'), await makeKey('fay', 'fay')]
    for (const user of ['eve', 'fay']) await store('own', user, `canary-${user}`)
    const open = (token: string) => RawClient.open(gateway.face('own', 'stream'), { token })
    const first = [await open(eve.text), await open(eve.text)]
    await expect(open(eve.text)).rejects.toThrow('PROCESSES_EXHAUSTED')
    first.push(await open(fay.text))
    for (const client of first) await client.close()
  }, 20_000)

  test('ends for a key that is used for somebody else', async () => {
    const key = await makeKey('gil', 'gil')
    await store('pipe', 'gil', 'canary-gil')
    await store('pipe', 'hal', 'canary-hal')
    await using client = await RawClient.open(gateway.face('pipe', 'stream'), { token: key.text })
    expect((await client.callTool(1, 'token', {})).text).toContain('canary-gil')
    const change = await gateway.admin(`/keys/${key.id}`, {
      method: 'PATCH',
      body: { user: 'hal' },
      headers: admin,
    })
    expect(change.status).toBe(200)
    const after = await client.post('{"jsonrpc":"2.0","id":2,"method":"tools/list"}')
    expect([after.status, (await after.text()).includes('-32001')]).toEqual([404, true])
    await using again = await RawClient.open(gateway.face('pipe', 'stream'), { token: key.text })
    expect((await again.callTool(1, 'token', {})).text).toContain('canary-hal')
  }, 20_000)

  test('keeps a session across another value: its next call uses that', async () => {
    const key = await makeKey('ida', 'ida')
    await store('raw', 'ida', 'canary-one')
    await using client = await RawClient.open(gateway.face('raw', 'stream'), { token: key.text })
    const { pid } = await client.call<{ pid: number }>(1, 'pid', {})
    const slow = client.callTool(2, 'slow', { ms: 600 })
    await Bun.sleep(100)
    await store('raw', 'ida', 'canary-two')
    const next = await client.call<{ pid: number }>(3, 'pid', {})
    expect(next.pid).not.toBe(pid)
    // What was under way ends on the process that it was sent to.
    expect((await slow).answer.error).toBeUndefined()
  }, 20_000)

  test('is given to nobody when the process of its user crashes', async () => {
    const [jan, kim] = [await makeKey('jan', 'jan'), await makeKey('kim', 'kim')]
    for (const user of ['jan', 'kim']) await store('pipe', user, `canary-${user}`)
    await using one = await openAsker(gateway.url, '/mcp-proxy/pipe', 'stream', jan.text)
    await using other = await openAsker(gateway.url, '/mcp-proxy/pipe', 'modern', kim.text)
    const told = async (asker: typeof one) => {
      const { result } = await asker.ask('tools/call', { name: 'token', arguments: {} })
      const [{ text = '' } = {}] = (result?.['content'] ?? []) as { text?: string }[]
      return text.split(' ')
    }
    const [pid = '', value] = await told(one)
    expect(value).toBe('canary-jan')
    expect((await told(other))[1]).toBe('canary-kim')
    process.kill(Number(pid), 'SIGKILL')
    await poll('another process', async () => {
      const [next, again] = await told(one).catch(() => [pid, ''])
      if (again !== '' && again !== undefined) expect(again).toBe('canary-jan')
      return next !== pid
    })
    expect((await told(other))[1]).toBe('canary-kim')
  }, 20_000)
})

describe('lists', () => {
  test('are each user’s own, by every way and in a group', async () => {
    const users = await Promise.all(
      ['oda', 'pia'].map(async (user) => {
        await store('named', user, `only_${user}`)
        return { user, key: await makeKey(user, user) }
      }),
    )
    for (let round = 0; round < 2; round++)
      await Promise.all(
        users.flatMap(({ user, key }) =>
          callerWays.flatMap((way) =>
            ['/mcp-proxy/named', '/mcp-proxy/named-team'].map(async (path) => {
              await using asker = await openAsker(gateway.url, path, way, key.text)
              const { result } = await asker.ask('tools/list', {})
              const names = ((result?.['tools'] ?? []) as { name: string }[]).map(({ name }) => name)
              const own = names.filter((name) => name.includes('only_'))
              expect([path, way, ...own]).toEqual([
                path,
                way,
                `${path.endsWith('team') ? 'named__' : ''}only_${user}`,
              ])
            }),
          ),
        ),
      )
  }, 20_000)
})

describe('through a group', () => {
  test('a member is missing for whoever has stored nothing, and there for them once they have', async () => {
    const [lea, max] = [await makeKey('lea', 'lea'), await makeKey('max', 'max')]
    await store('pipe', 'max', 'canary-max')
    const url = gateway.face('team', 'stream')
    await using one = await RawClient.open(url, { token: lea.text })
    await using other = await RawClient.open(url, { token: max.text })
    await one.stand()
    await other.stand()
    const listed = async (client: RawClient, id: number) => (await client.request(id, 'tools/list')).text
    const without = await listed(one, 1)
    expect(without).not.toContain('pipe__token')
    expect(without).toContain('com.compozy/unavailable')
    expect(without).toContain('pipe needs your token. Set it at /me of the gateway')
    expect(await listed(other, 1)).toContain('pipe__token')
    const heard = other.standing.length
    await store('pipe', 'lea', 'canary-lea')
    await poll('the change', async () =>
      one.standing.some(({ method }) => method === 'notifications/tools/list_changed'),
    )
    expect(await listed(one, 2)).toContain('pipe__token')
    expect((await one.callTool(3, 'pipe__token', {})).text).toContain('canary-lea')
    expect((await other.callTool(3, 'pipe__token', {})).text).toContain('canary-max')
    expect(other.standing.length).toBe(heard)
  }, 20_000)
})

describe('a server that moves', () => {
  test('is not given what users have stored for the one before', async () => {
    const { startEchoingUpstream } = await import('../support/echoing-upstreams.ts')
    await using before = startEchoingUpstream('modern')
    await using after = startEchoingUpstream('modern')
    const key = await makeKey('ned', 'ned')
    const definition = (url: string) => ({
      name: 'moving',
      transport: 'streamable-http',
      url,
      headers: { 'X-User-Token': `Bearer ${userToken}` },
    })
    expect(
      (await gateway.admin('/mcps', { method: 'POST', body: definition(before.url), headers: admin })).status,
    ).toBe(201)
    await store('moving', 'ned', 'canary-ned')
    await using client = await openAsker(gateway.url, '/mcp-proxy/moving', 'modern', key.text)
    const ask = async () => JSON.stringify(await client.ask('tools/call', { name: 'echo', arguments: {} }))
    expect(await ask()).toContain('Bearer canary-ned')
    const moved = await gateway.admin('/mcps/moving', {
      method: 'PUT',
      body: definition(after.url),
      headers: admin,
    })
    expect(moved.status).toBe(200)
    expect(await ask()).toContain('CREDENTIAL_MISSING')
    expect(JSON.stringify(after.seen.map(({ headers }) => headers))).not.toContain('canary-ned')
    // Removed and registered anew under its name it is another one, too.
    expect((await gateway.admin('/mcps/moving', { method: 'DELETE', headers: admin })).status).toBe(204)
    expect(
      (await gateway.admin('/mcps', { method: 'POST', body: definition(before.url), headers: admin })).status,
    ).toBe(201)
    expect(await ask()).toContain('CREDENTIAL_MISSING')
  }, 20_000)
})

describe('servers that tell what they were started with', () => {
  test('tell nobody but their own user', async () => {
    const asked = await Promise.all(
      tellingModes.map(async (mode) => {
        const name = `telling-${mode}`
        const key = await makeKey(`of-${mode}`, `of-${mode}`)
        await store(name, `of-${mode}`, 'canary-told-7Fq2')
        for (const way of ['stream', 'modern'] as const) {
          const asker = await openAsker(gateway.url, `/mcp-proxy/${name}`, way, key.text).catch(() => null)
          await asker?.ask('tools/call', { name: 'tell', arguments: {} })
          await asker?.[Symbol.asyncDispose]()
        }
        return name
      }),
    )
    const found = /canary-told|Y2FuYXJ5|NhbmFye|jYW5hcn/
    const own = asked.flatMap((name) => [`/mcps/${name}`, `/mcps/${name}/logs`])
    for (const path of [...own, '/mcps', '/credentials', '/metrics', '/tools']) {
      const text = await (await gateway.admin(path, { headers: admin })).text()
      expect([path, found.exec(text)?.[0]]).toEqual([path, undefined])
    }
    expect(gateway.lines().filter((line) => found.test(line))).toEqual([])
    expect(gateway.lines().join()).toContain('started with')
  }, 20_000)
})
