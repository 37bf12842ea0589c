/** The doors of single servers on the executable: their own tokens alone, their addresses, and a token that nobody has. */
import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'

const raw = { transport: 'stdio', ...commandOfRawServer() }
const modernCall = {
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/list',
  params: {
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'doors', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
}
const legacyCall = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'doors', version: '1' } },
}

interface Caller {
  readonly token?: string
  readonly from?: string
}

/** The status of each way in: both endpoints, both eras. */
async function statuses(gateway: RunningGateway, name: string, { token, from }: Caller): Promise<number[]> {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(from !== undefined && { 'x-forwarded-for': from }),
  }
  const post = (path: string, call: object, extra: object = {}) =>
    fetch(`${gateway.url}/mcp-proxy/${name}/${path}`, {
      method: 'POST',
      headers: { ...headers, ...extra },
      body: JSON.stringify(call),
    })
  const modern = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' }
  const answers = [
    await post('stream', legacyCall),
    await post('stream', modernCall, modern),
    await fetch(gateway.face(name, 'sse'), { headers }),
    await post('message?sessionId=none', legacyCall),
  ]
  for (const answer of answers) await answer.body?.cancel()
  return answers.map(({ status }) => status)
}

/** `/message` without a session is 404 behind the door. */
const inside = [200, 200, 200, 404]
const all = (status: number) => [status, status, status, status]

describe('doors of single servers', () => {
  test('hold on both endpoints, in both eras, for servers of the file and of the admin API', async () => {
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: {
        mcp_proxy: {
          auth: { global_tokens: ['global-token'], admin_tokens: ['an-admin'] },
          security: { trusted_proxies: ['127.0.0.1'] },
          storage: { type: 'memory' },
        },
        mcps: [{ ...raw, name: 'only', authTokens: ['own-token'], authTokensOnly: true }],
      },
    })
    const admin = { authorization: 'Bearer an-admin', 'x-forwarded-for': '192.0.2.200' }
    const walled = { ...raw, name: 'walled', allowedIPs: ['192.0.2.0/28', '2001:db8::/32', '127.0.0.1'] }
    const added = await gateway.admin('/mcps', { method: 'POST', body: walled, headers: admin })
    expect(added.status).toBe(201)
    const shown = await (await gateway.admin('/mcps/walled', { headers: admin })).json()
    expect(shown).toMatchObject({
      definition: { allowedIPs: ['192.0.2.0/28', '2001:db8::/32', '127.0.0.1'] },
    })

    expect(await statuses(gateway, 'only', { token: 'own-token' })).toEqual(inside)
    expect(await statuses(gateway, 'only', { token: 'global-token' })).toEqual(all(401))
    expect(await statuses(gateway, 'walled', { token: 'global-token', from: '192.0.2.7' })).toEqual(inside)
    expect(await statuses(gateway, 'walled', { token: 'global-token', from: '2001:db8::9' })).toEqual(inside)
    expect(await statuses(gateway, 'walled', { token: 'global-token', from: '192.0.2.17' })).toEqual(all(403))
    expect(await statuses(gateway, 'walled', { from: '192.0.2.7' })).toEqual(all(401))

    // Narrowed while a stream is open: it ends, whoever has it.
    const client = await RawClient.open(gateway.face('walled', 'stream'), { token: 'global-token' })
    const stream = await client.get()
    const replaced = await gateway.admin('/mcps/walled', {
      method: 'PUT',
      body: { ...walled, allowedIPs: ['192.0.2.9'] },
      headers: admin,
    })
    expect(replaced.status).toBe(200)
    await new Response(stream.body).text().catch(() => {})
    expect((await client.post('{"jsonrpc":"2.0","id":2,"method":"ping"}')).status).toBe(403)
  })

  test('a file of TBXark’s proxy keeps its doors: tokens of a server replace the defaults', async () => {
    const { command, args } = commandOfRawServer()
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: {
        mcpProxy: { addr: '127.0.0.1:0', type: 'sse', options: { authTokens: ['default-token'] } },
        mcpServers: {
          plain: { command, args },
          own: { command, args, options: { authTokens: ['own-token'] } },
        },
      },
    })
    expect(await statuses(gateway, 'plain', { token: 'default-token' })).toEqual(inside)
    expect(await statuses(gateway, 'plain', { token: 'own-token' })).toEqual(all(401))
    expect(await statuses(gateway, 'own', { token: 'own-token' })).toEqual(inside)
    expect(await statuses(gateway, 'own', { token: 'default-token' })).toEqual(all(401))
    expect(await statuses(gateway, 'own', {})).toEqual(all(401))
  })

  test('a token that is asked for and that nobody has lets nobody in, and log and status say so', async () => {
    const mcps = [{ ...raw, name: 'asked', requireAuth: true }]
    await using gateway = await startGatewayProcess({ via: 'executable', config: { mcps } })
    await gateway.process.line((line) => line.includes('nobody can come in') && line.includes('requireAuth'))
    expect(await statuses(gateway, 'asked', {})).toEqual(all(401))
    expect(await statuses(gateway, 'asked', { token: 'any' })).toEqual(all(401))
    const shown = await (await gateway.admin('/mcps/asked')).json()
    expect(shown).toMatchObject({ status: { closed: expect.stringContaining('auth.global_tokens') } })

    const config = { mcp_proxy: { auth: { global_tokens: ['a-token'] } }, mcps }
    writeFileSync(join(gateway.directory, 'compozy.yaml'), JSON.stringify(config))
    gateway.process.signal('SIGHUP')
    await gateway.process.line((line) => line.includes('configuration read again'))
    expect(await statuses(gateway, 'asked', { token: 'a-token' })).toEqual(inside)
    expect(await (await gateway.admin('/mcps/asked')).json()).toMatchObject({ status: { closed: null } })
  })
})
