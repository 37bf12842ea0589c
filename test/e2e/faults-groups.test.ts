/** What happens to a member of a group happens to nobody else in it. */
import { expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { callerWays, openCaller } from '../support/callers.ts'
import { everythingStdio } from '../support/everything-server.ts'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { ListingServer } from '../support/listing-server.ts'
import { RawClient } from '../support/raw-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const raw = resolve(import.meta.dir, '../support/raw-server.ts')
const pipe = (name: string) => ({
  name,
  transport: 'stdio',
  command: process.execPath,
  args: [raw],
  reconnectDelay: '300ms',
})

test('members are killed, slow, added and removed during traffic: calls of the others never fail', async () => {
  using slow = new ListingServer('slow')
  const team = { name: 'team', transport: 'group', members: [{ all: true }], listWait: '200ms' }
  const config = { mcps: [pipe('well'), pipe('dying'), slow.definition, team] }
  await using gateway = await startGatewayProcess({ via: 'executable', config })
  await using witness = await RawClient.open(gateway.face('team', 'stream'))
  await witness.stand()
  await witness.request(0, 'tools/list')
  slow.listDelayMs = 5_000

  const traffic = { goesOn: true, calls: 0, failures: [] as string[] }
  const callers = callerWays.map(async (way) => {
    await using caller = await openCaller(gateway, 'team', way)
    for (let id = 0; traffic.goesOn; id++) {
      const { answer } = await caller.call(id, 'well__echo', { secret: String(id) })
      traffic.calls++
      if (answer.error || !JSON.stringify(answer).includes(`"${id}"`))
        traffic.failures.push(JSON.stringify(answer))
      await Bun.sleep(2)
    }
  })
  for (let kills = 1; kills <= 2; kills++) {
    const before = changesOf(witness)
    await witness.callTool(100 + kills, 'dying__exit', { code: 1 })
    await poll('the server to be back', async () => {
      const { answer } = await witness.callTool(200, 'dying__pid', {})
      return answer.error === undefined
    })
    await Bun.sleep(1_000)
    // It went, and it came back.
    expect(changesOf(witness) - before).toBeLessThanOrEqual(2)
  }
  using late = new ListingServer('late')
  await gateway.register(late.definition)
  const added = await witness.request(300, 'tools/list')
  expect(added.text).toContain('late__echo')
  expect((await gateway.admin('/mcps/late', { method: 'DELETE' })).status).toBe(204)
  const gone = await witness.callTool(301, 'late__echo', {})
  expect(gone.answer.error).toMatchObject({ code: -32602, message: 'Unknown tool' })

  traffic.goesOn = false
  await Promise.all(callers)
  expect(traffic.failures).toEqual([])
  expect(traffic.calls).toBeGreaterThan(100)
}, 60_000)

test('a member that nobody can reach is named in lists at once, whoever asks', async () => {
  using well = new ListingServer('well')
  const down = { name: 'down', transport: 'streamable-http', url: 'http://127.0.0.1:9/mcp' }
  const team = {
    name: 'team',
    transport: 'group',
    members: [{ server: 'well' }, { server: 'down' }, { server: 'nobody' }],
  }
  const config = { mcps: [well.definition, down, team] }
  await using gateway = await startGatewayProcess({ via: 'executable', config })
  await using client = await RawClient.open(gateway.face('team', 'stream'))
  await client.request(1, 'tools/list')
  const startedAtMs = performance.now()
  for (let time = 0; time < 5; time++) {
    const { text } = await client.request(2, 'tools/list')
    const { tools, _meta } = JSON.parse(text).result
    expect(tools).toHaveLength(2)
    expect(_meta['com.compozy/unavailable']).toEqual([
      { server: 'down', reason: expect.stringContaining('down') },
      { server: 'nobody', reason: expect.any(String) },
    ])
  }
  expect(performance.now() - startedAtMs).toBeLessThan(2_000)
  const call = await client.callTool(3, 'down__echo', {})
  expect(call.answer.error).toMatchObject({ code: -31503 })
})

test('a client whose own process takes long to start is shown what the first one lists, and told when its own is there', async () => {
  using place = temporaryDirectory({})
  // The first process is there at once; all later ones take their time, as launchers that look for updates do.
  const script = `mkdir ${place.path}/first 2>/dev/null || sleep 2; exec ${everythingStdio.join(' ')}`
  const late = { name: 'late', transport: 'stdio', command: 'sh', args: ['-c', script] }
  const team = { name: 'team', transport: 'group', members: [{ server: 'late' }], listWait: '200ms' }
  await using gateway = await startGatewayProcess({ via: 'executable', config: { mcps: [late, team] } })
  await using client = await RawClient.open(gateway.face('team', 'stream'), {
    capabilities: { sampling: {}, roots: {} },
  })
  await client.stand()
  const { text } = await client.request(1, 'tools/list')
  const { tools, _meta } = JSON.parse(text).result
  const names = (shown: readonly { readonly name: string }[]) => shown.map(({ name }) => name)
  expect(names(tools)).toContain('late__echo')
  // Shown to those alone who can be asked for their roots.
  expect(names(tools)).not.toContain('late__get-roots-list')
  expect(_meta).toBeUndefined()
  await poll('the word that its own list is there', async () => changesOf(client) > 0)
  const own = JSON.parse((await client.request(2, 'tools/list')).text).result
  expect(names(own.tools)).toContain('late__get-roots-list')
  expect((await client.callTool(3, 'late__echo', { message: 'x' })).answer.error).toBeUndefined()
})

test('a member that ends its session ends nothing but its own calls', async () => {
  const config = { mcps: [pipe('well'), pipe('dying')] }
  await using gateway = await startGatewayProcess({ via: 'executable', config })
  await using client = await RawClient.open(new URL('/mcp', gateway.url))
  const slow = client.callTool(1, 'well__slow', { ms: 500 })
  const died = await client.callTool(2, 'dying__exit', { code: 3 })
  expect(died.answer.error).toMatchObject({ code: -31502 })
  expect((await slow).answer.result?.structuredContent).toEqual({ slept: 500 })
})

function changesOf(client: RawClient): number {
  return client.standing.filter(({ method }) => method === 'notifications/tools/list_changed').length
}
