/** `/admin/mcps/{name}/stream`: admins speak MCP as clients do, under the rules of the admin API. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { callModern, modernText } from '../support/modern-client.ts'
import { RawClient, type RpcMessage } from '../support/raw-client.ts'
import { rawStdio } from '../support/supervised.ts'

const token = 'admin-token-0123456789'
const clientToken = 'client-token-0123456789'
const admin = { authorization: `Bearer ${token}` }

interface Key {
  readonly text: string
  readonly key: { readonly id: string }
}

describe('an admin speaks MCP', () => {
  let gateway: RunningGateway
  const door = (name: string) => new URL(`${gateway.url}/admin/mcps/${name}/stream`)
  const toolNames = async (client: RawClient): Promise<string[]> => {
    const { answer } = await client.request('list', 'tools/list')
    return ((answer.result?.['tools'] ?? []) as { name: string }[]).map(({ name }) => name)
  }
  const keyOf = async (role: string): Promise<Key> => {
    const body = { name: `${role}-${crypto.randomUUID().slice(0, 8)}`, role }
    return (await (await gateway.admin('/keys', { method: 'POST', body, headers: admin })).json()) as Key
  }
  const audit = () =>
    gateway
      .lines()
      .filter((line) => line.includes('"msg":"audit"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)

  beforeAll(async () => {
    gateway = await startGatewayProcess({
      via: 'executable',
      config: {
        mcp_proxy: { auth: { global_tokens: [clientToken], admin_tokens: [token] }, audit: { file: '-' } },
        mcps: [
          rawStdio('raw'),
          rawStdio('closed', { authTokens: ['own-token-0123456789'], authTokensOnly: true }),
          rawStdio('filtered', { toolFilter: { mode: 'allow', list: ['tool-1'] } }),
          { name: 'both', transport: 'group', members: [{ server: 'raw' }, { server: 'closed' }] },
        ],
      },
    })
  })
  afterAll(async () => {
    await gateway.stop()
  })

  test.each(['raw', 'closed'])('with %s: progress, a question that is answered, a result', async (name) => {
    const progress: RpcMessage[] = []
    await using client = await RawClient.open(door(name), {
      token,
      capabilities: { elicitation: {} },
      answer: () => ({ action: 'accept', content: { name: 'Ada' } }),
    })
    const { before, answer } = await client.callTool(1, 'steps', { count: 2, everyMs: 1 }, 'p')
    progress.push(...before)
    expect(progress.map(({ method }) => method)).toEqual(['notifications/progress', 'notifications/progress'])
    expect(answer.result?.structuredContent).toEqual({ done: true })
    const params = { message: 'Who?', requestedSchema: { type: 'object', properties: {} } }
    const asked = await client.call(2, 'ask', { method: 'elicitation/create', params })
    expect(asked['result']).toEqual({ action: 'accept', content: { name: 'Ada' } })
  })

  test('as a client of 2026-07-28 too', async () => {
    const { status, answer } = await callModern(door('closed'), 'echo', { secret: 'x' }, { token })
    expect([status, answer.result?.structuredContent]).toEqual([200, { secret: 'x' }])
  })

  test('with a group, whose members are there whatever they ask of clients, and with everything', async () => {
    for (const name of ['both', 'mcp']) {
      await using client = await RawClient.open(door(name), { token })
      expect(await toolNames(client)).toContain('closed__tool-1')
    }
  })

  test('and is shown no more than the filter of a definition lets through', async () => {
    await using client = await RawClient.open(door('filtered'), { token })
    expect(await toolNames(client)).toEqual(['tool-1'])
    const { answer } = await client.callTool(1, 'echo', { secret: 'x' })
    expect(answer.error?.code).toBe(-32602)
  })

  test('and stands in log and audit as who has called, with no line of a change', async () => {
    await using client = await RawClient.open(door('raw'), { token })
    await client.callTool(1, 'mirror', {})
    await poll('the line', async () =>
      audit().some(({ event, tool, server }) => event === 'call' && tool === 'mirror' && server === 'raw'),
    )
    const lines = audit()
    expect(lines.find(({ tool, server }) => tool === 'mirror' && server === 'raw')).toMatchObject({
      event: 'call',
      principal: expect.stringMatching(/^admin:[\da-f]{8}$/),
      server: 'raw',
    })
    expect(
      lines.filter(({ event, action }) => event === 'admin' && String(action).includes('stream')),
    ).toEqual([])
  })

  test.each([
    { why: 'nobody', headers: {}, status: 401 },
    { why: 'a client', headers: { authorization: `Bearer ${clientToken}` }, status: 403 },
  ])('$why is refused as everywhere on /admin', async ({ headers, status }) => {
    const body = modernText('tools/list')
    const answer = await fetch(door('raw'), { method: 'POST', body, headers })
    expect(answer.status).toBe(status)
  })

  test('an operator may, a viewer may not', async () => {
    const [operator, viewer] = [await keyOf('operator'), await keyOf('viewer')]
    await using client = await RawClient.open(door('raw'), { token: operator.text })
    expect(await client.call(1, 'echo', { secret: 'o' })).toEqual({ secret: 'o' })
    await expect(RawClient.open(door('raw'), { token: viewer.text })).rejects.toThrow('403')
  })

  test('a session of an admin is none at the endpoint for clients, and the other way round', async () => {
    await using own = await RawClient.open(door('raw'), { token })
    await using other = await RawClient.open(gateway.face('raw', 'stream'), { token: clientToken })
    const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })
    const at = (url: URL, bearer: string, session: string) =>
      fetch(url, {
        method: 'POST',
        body: ping,
        headers: {
          authorization: `Bearer ${bearer}`,
          'mcp-session-id': session,
          'content-type': 'application/json',
        },
      }).then(({ status }) => status)
    expect(await at(gateway.face('raw', 'stream'), clientToken, own.sessionId)).toBe(404)
    expect(await at(door('raw'), token, other.sessionId)).toBe(404)
  })

  test('what a key has open ends when it is revoked, and nothing of another admin', async () => {
    const operator = await keyOf('operator')
    await using client = await RawClient.open(door('raw'), { token: operator.text })
    await using other = await RawClient.open(door('raw'), { token })
    const slow = await client.post(
      JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'steps', arguments: { count: 500, everyMs: 20 }, _meta: { progressToken: 1 } },
      }),
    )
    await gateway.admin(`/keys/${operator.key.id}`, { method: 'DELETE', headers: admin })
    const text = await slow.text()
    expect(text).toContain('revoked')
    expect(await other.call(2, 'echo', { secret: 'still' })).toEqual({ secret: 'still' })
  })

  test('with a cookie it takes the header against forgery, and ends with the sign-out', async () => {
    const own = { origin: gateway.url, 'content-type': 'application/json' }
    const signedIn = await fetch(`${gateway.url}/me/session`, {
      method: 'POST',
      headers: own,
      body: JSON.stringify({ token }),
    })
    const { csrf } = (await signedIn.json()) as { csrf: string }
    const cookie = (signedIn.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
    await expect(RawClient.open(door('raw'), { headers: { ...own, cookie } })).rejects.toThrow('403')
    const headers = { ...own, cookie, 'x-csrf-token': csrf }
    await using client = await RawClient.open(door('raw'), { headers })
    const slow = await client.post(
      JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'steps', arguments: { count: 500, everyMs: 20 }, _meta: { progressToken: 1 } },
      }),
    )
    expect((await fetch(`${gateway.url}/me/session`, { method: 'DELETE', headers })).status).toBe(204)
    expect(await slow.text()).toContain('counts no more')
  })
})

test('without admin tokens this machine may, and what it opens is not that of clients without a token', async () => {
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: { mcp_proxy: { auth: { global_tokens: [clientToken] } }, mcps: [rawStdio('raw')] },
  })
  const door = new URL(`${gateway.url}/admin/mcps/raw/stream`)
  await using client = await RawClient.open(door)
  expect(await client.call(1, 'echo', { secret: 'here' })).toEqual({ secret: 'here' })
  gateway.process.signal('SIGHUP')
  await poll('the reload', async () =>
    gateway.lines().some((line) => line.includes('configuration read again')),
  )
  expect(await client.call(2, 'echo', { secret: 'still' })).toEqual({ secret: 'still' })
})
