/** Tokens of the executable while it runs: rotation, what ends with a token, how often one client may ask, who changed what. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** A session with its standing stream open; `ended` resolves when the gateway ends that stream. */
async function openStanding(
  url: URL,
  token: string,
): Promise<{ client: RawClient; ended: Promise<'ended'> }> {
  const client = await RawClient.open(url, { token })
  const stream = await client.get()
  expect(stream.status).toBe(200)
  const ended = new Response(stream.body).text().then(
    () => 'ended' as const,
    () => 'ended' as const,
  )
  return { client, ended }
}

async function statusOf(client: RawClient): Promise<number> {
  const response = await client.post('{"jsonrpc":"2.0","id":5,"method":"ping"}')
  await response.text()
  return response.status
}

describe('reading the configuration again', () => {
  test('takes tokens from their file, keeps the sessions of those that stay and ends the others', async () => {
    using secrets = temporaryDirectory({ tokens: 'kept-token,gone-token\n' })
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: { mcps: [{ name: 'raw', transport: 'stdio', ...commandOfRawServer() }] },
      env: { MCP_PROXY_GLOBAL_AUTH_TOKENS_FILE: join(secrets.path, 'tokens') },
    })
    const url = gateway.face('raw', 'stream')
    const kept = await openStanding(url, 'kept-token')
    const gone = await openStanding(url, 'gone-token')
    // The session of one token does not exist for another, valid as that is.
    const borrowed = await fetch(url, {
      method: 'DELETE',
      headers: { ...kept.client.headers(), ...bearer('gone-token') },
    })
    expect(borrowed.status).toBe(404)

    writeFileSync(join(secrets.path, 'tokens'), 'kept-token,new-token\n')
    gateway.process.signal('SIGHUP')
    await gateway.process.line((line) => line.includes('configuration read again'))
    expect(await gone.ended).toBe('ended')
    expect(await statusOf(gone.client)).toBe(401)
    expect(await statusOf(kept.client)).toBe(200)
    expect(await Promise.race([kept.ended, Bun.sleep(50).then(() => 'open')])).toBe('open')
    await using fresh = await RawClient.open(url, { token: 'new-token' })
    expect(await statusOf(fresh)).toBe(200)
    await kept.client.close()
  })

  test('takes allow-lists and trusted proxies, and keeps the old ones when one of them is wrong', async () => {
    const rules = (allow: readonly string[], proxies: readonly string[]) =>
      JSON.stringify({
        mcp_proxy: {
          auth: { admin_tokens: ['a1'], admin_allow_ips: allow },
          security: { trusted_proxies: proxies },
          storage: { type: 'memory' },
        },
      })
    await using gateway = await startGatewayProcess({ via: 'executable', config: rules([], []) })
    const file = join(gateway.directory, 'compozy.yaml')
    const ask = async (from?: string) => {
      const forwarded: Record<string, string> = from === undefined ? {} : { 'x-forwarded-for': from }
      const answer = await gateway.admin('/mcps', { headers: { ...bearer('a1'), ...forwarded } })
      await answer.text()
      return answer.status
    }
    const reload = async (text: string, says: string, times: number) => {
      writeFileSync(file, text)
      gateway.process.signal('SIGHUP')
      await gateway.process.line(() => countOf(gateway, says) >= times)
    }
    expect([await ask(), await ask('192.0.2.7')]).toEqual([200, 200])
    await reload(rules(['192.0.2.1/24'], []), 'read again', 1)
    expect([await ask(), await ask('192.0.2.7')]).toEqual([403, 403])
    const taken = '192.0.2.1/24\\" has host bits set; taken as the network 192.0.2.0/24'
    await gateway.process.line((line) => line.includes(taken))
    await reload(rules(['192.0.2.0/24'], ['127.0.0.1']), 'read again', 2)
    expect([await ask(), await ask('192.0.2.7'), await ask('192.0.2.7, 203.0.113.1')]).toEqual([
      403, 200, 403,
    ])
    await reload(rules(['10.0.0.0/33'], []), 'not taken', 1)
    await gateway.process.line((line) => line.includes('10.0.0.0/33'))
    expect([await ask(), await ask('192.0.2.7')]).toEqual([403, 200])
  })
})

function countOf(gateway: RunningGateway, says: string): number {
  return gateway.lines().filter((line) => line.includes(says)).length
}

describe('a server’s own tokens', () => {
  test('end with the definition that had them, with every stream that they opened', async () => {
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: { mcp_proxy: { storage: { type: 'memory' } } },
    })
    const definition = { name: 'raw', transport: 'stdio', ...commandOfRawServer() }
    await gateway.register({ ...definition, authTokens: ['kept-token', 'gone-token'] })
    const url = gateway.face('raw', 'stream')
    const kept = await openStanding(url, 'kept-token')
    const gone = await openStanding(url, 'gone-token')
    const replaced = await gateway.admin('/mcps/raw', {
      method: 'PUT',
      body: { ...definition, authTokens: ['kept-token'] },
    })
    expect(replaced.status).toBe(200)
    expect(await gone.ended).toBe('ended')
    expect([await statusOf(gone.client), await statusOf(kept.client)]).toEqual([401, 200])
    await kept.client.close()
  })
})

describe('the rate', () => {
  const seconds = Number(process.env['RATE_SECONDS'] ?? 3)
  const rate = { per_second: 10, burst: 20 }
  let gateway: RunningGateway

  beforeAll(async () => {
    gateway = await startGatewayProcess({
      via: 'executable',
      config: { mcp_proxy: { auth: { global_tokens: ['greedy', 'modest'] }, limits: { rate } } },
    })
  })
  afterAll(() => gateway?.stop())

  test(
    `of 10 a second with a burst of 20 holds within 5 percent over ${seconds} s, and slows nobody else`,
    async () => {
      const url = gateway.face('nobody', 'stream')
      const ask = async (token: string) => {
        const answer = await fetch(url, { method: 'DELETE', headers: bearer(token) })
        await answer.text()
        return answer
      }
      const begunMs = performance.now()
      const untilMs = begunMs + seconds * 1000
      let passed = 0
      let lastPassedMs = 0
      const greedy = async () => {
        while (performance.now() < untilMs) {
          const answer = await ask('greedy')
          if (answer.status === 404) {
            passed++
            lastPassedMs = performance.now()
          } else expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '1'])
          await Bun.sleep(5)
        }
      }
      const tookMs: number[] = []
      const modest = async () => {
        while (performance.now() < untilMs) {
          const askedMs = performance.now()
          expect((await ask('modest')).status).toBe(404)
          tookMs.push(performance.now() - askedMs)
          await Bun.sleep(150)
        }
      }
      await Promise.all([greedy(), greedy(), modest()])
      const allowed = rate.burst + (rate.per_second * (lastPassedMs - begunMs)) / 1000
      expect(passed).toBeWithin(Math.floor(allowed * 0.95), Math.ceil(allowed * 1.05) + 1)
      tookMs.sort((a, b) => a - b)
      expect(tookMs[Math.floor(tookMs.length / 2)]).toBeLessThan(100)
    },
    (seconds + 20) * 1000,
  )
})

test('each change by an admin leaves a line: who, from where, what, before and after, masked', async () => {
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: {
        auth: { admin_tokens: ['admin-1', 'admin-2'] },
        security: { trusted_proxies: ['127.0.0.1'] },
        storage: { type: 'memory' },
      },
    },
  })
  const definition = { name: 'raw', transport: 'stdio', ...commandOfRawServer(), env: { KEY: 'canary-env' } }
  const as = (token: string) => ({ ...bearer(token), 'x-forwarded-for': '192.0.2.7' })
  const send = async (method: string, path: string, token: string, body?: unknown) =>
    (await gateway.admin(path, { method, headers: as(token), ...(body !== undefined && { body }) })).status
  expect(await send('POST', '/mcps', 'admin-1', definition)).toBe(201)
  expect(
    await send('PUT', '/mcps/raw', 'admin-2', { ...definition, description: 'changed', env: { KEY: '***' } }),
  ).toBe(200)
  expect(await send('POST', '/mcps', 'admin-1', definition)).toBe(409)
  expect(await send('DELETE', '/mcps/raw', 'admin-1')).toBe(204)
  await gateway.process.line((line) => line.includes('"action":"delete"'))
  const lines = gateway
    .lines()
    .filter((line) => line.includes('"msg":"admin change"'))
    .map((line) => JSON.parse(line) as Record<string, string>)
  const idOf = (token: string) =>
    `admin:${new Bun.CryptoHasher('sha256').update(token).digest('hex').slice(0, 8)}`
  const common = { level: 'info', clientIp: '192.0.2.7', name: 'raw', requestId: expect.any(String) }
  expect(lines).toMatchObject([
    { ...common, action: 'create', caller: idOf('admin-1'), before: null },
    {
      ...common,
      action: 'replace',
      caller: idOf('admin-2'),
      after: expect.stringContaining('"description":"changed"'),
    },
    { ...common, action: 'delete', caller: idOf('admin-1'), after: null },
  ] as never)
  expect(lines[1]?.['before']).toBe(lines[0]?.['after'] ?? '')
  expect(lines[0]?.['after']).toContain('"env":{"KEY":"***"}')
  expect(gateway.lines().join('\n')).not.toMatch(/canary|admin-[12]"/)
})
