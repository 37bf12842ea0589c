/** What a server nests very deep costs its own answers, and nobody else's. */
import { expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { rawStdio, statusOf } from '../support/supervised.ts'

const deepServer = resolve(import.meta.dir, '../support/deep-server.ts')

test.each([
  { place: 'info', says: 'deeper than 256 levels', state: 'error' },
  { place: 'tools', says: 'deeper than 256 levels', state: 'connected' },
  { place: 'result', says: null, state: 'connected' },
])(
  'the admin API answers for all others when $place is nested 200,000 deep',
  async ({ place, says, state }) => {
    await using gateway = await startGatewayProcess({
      via: 'executable',
      untilReady: false,
      config: {
        mcps: [
          {
            name: 'deep',
            transport: 'stdio',
            command: process.execPath,
            args: [deepServer, place, '200000'],
          },
          rawStdio('good'),
        ],
      },
    })
    await poll('both to be settled', async () => {
      const states = await Promise.all(
        ['deep', 'good'].map(async (name) => (await statusOf(gateway, name)).status),
      )
      return states[0] === state && states[1] === 'connected'
    })
    const startedAtMs = performance.now()
    const tools = (await (await gateway.admin('/tools')).json()) as {
      tools: { mcpName: string }[]
      errors?: { mcpName: string; error: string }[]
    }
    expect(new Set(tools.tools.map(({ mcpName }) => mcpName))).toContain('good')
    if (says !== null) expect(JSON.stringify(tools.errors)).toContain(says)
    const call = { mcpName: 'deep', toolName: 'dig', arguments: {} }
    const called = await gateway.admin('/tools/call', { method: 'POST', body: call })
    expect(called.status).toBe(place === 'info' ? 503 : 200)
    expect((await gateway.admin('/mcps')).status).toBe(200)
    expect(performance.now() - startedAtMs).toBeLessThan(5_000)
    // A client is given the text as it is: nobody here has to make objects of it.
    if (place === 'info') return
    await using client = await RawClient.open(gateway.face('deep', 'stream'))
    const { answer } = await client.requestText(7, '{"jsonrpc":"2.0","id":7,"method":"tools/list"}')
    expect(answer.error).toBeUndefined()
  },
)
