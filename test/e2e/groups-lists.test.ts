/** Lists of a group: all pages of all members, in order, once; whose part is missing, and when it is back. */
import { expect, test } from 'bun:test'
import { join, resolve } from 'node:path'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { ListingServer, manyTools, tool } from '../support/listing-server.ts'
import { askModern, Listening } from '../support/modern-client.ts'
import { RawClient } from '../support/raw-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const via = 'executable'

/** Four members with 250 tools on five pages each, two of each era. */
function fourMembers(): ListingServer[] {
  return ['a', 'b', 'c', 'd'].map(
    (name, index) =>
      new ListingServer(name, {
        era: index % 2 === 0 ? 'legacy' : 'modern',
        tools: manyTools(250, name),
        pageSize: 50,
      }),
  )
}

const expectedNames = ['a', 'b', 'c', 'd'].flatMap((name) =>
  Array.from({ length: 250 }, (_, index) => `${name}__${name}-${index}`),
)

function groupOf(servers: readonly ListingServer[], more: Readonly<Record<string, unknown>> = {}) {
  const members = servers.map(({ name }) => ({ server: name }))
  const group = { name: 'team', transport: 'group', members, listWait: '500ms', ...more }
  return { mcps: [...servers.map(({ definition }) => definition), group] }
}

test('a thousand tools of four members stand in one answer, once each, in order, for both eras and after a restart', async () => {
  const servers = fourMembers()
  const config = groupOf(servers)
  for (let start = 0; start < 2; start++) {
    await using gateway = await startGatewayProcess({ via, config })
    for (let run = 0; run < 5; run++) {
      await using client = await RawClient.open(gateway.face('team', 'stream'))
      expect(namesIn((await client.request(1, 'tools/list')).text)).toEqual(expectedNames)
    }
    const modern = await askModern(gateway.face('team', 'stream'), 'tools/list')
    expect(namesIn(modern.text)).toEqual(expectedNames)
  }
  for (const server of servers) server[Symbol.dispose]()
}, 60_000)

test('past the bound of one answer the list goes on page by page, and a cursor outlives the gateway', async () => {
  const servers = fourMembers()
  const config = { ...groupOf(servers), mcp_proxy: { limits: { group_list_items_max: 130 } } }
  let cursor: string | undefined
  const names: string[] = []
  for (let start = 0; start < 2; start++) {
    await using gateway = await startGatewayProcess({ via, config })
    await using client = await RawClient.open(gateway.face('team', 'stream'))
    do {
      const { text } = await client.request(1, 'tools/list', cursor === undefined ? {} : { cursor })
      names.push(...namesIn(text))
      cursor = JSON.parse(text).result.nextCursor
    } while (cursor !== undefined && (start > 0 || names.length < 390))
  }
  expect(names).toEqual(expectedNames)
  for (const server of servers) server[Symbol.dispose]()
}, 60_000)

test('a cursor of a list that has changed is refused, as is one that was never given', async () => {
  using one = new ListingServer('one', { tools: manyTools(3, 'x') })
  using other = new ListingServer('other', { tools: manyTools(3, 'x') })
  const config = { ...groupOf([one, other]), mcp_proxy: { limits: { group_list_items_max: 4 } } }
  await using gateway = await startGatewayProcess({ via, config })
  await using client = await RawClient.open(gateway.face('team', 'stream'))
  await client.stand()
  const { text } = await client.request(1, 'tools/list')
  const cursor = JSON.parse(text).result.nextCursor
  expect(namesIn(text)).toHaveLength(4)
  other.tools = [...other.tools, tool('more')]
  await other.heard()
  other.announce('notifications/tools/list_changed')
  await changesOf(client, 'tools', 1)
  for (const wrong of [cursor, 'none', '', 7]) {
    const { answer } = await client.request(2, 'tools/list', { cursor: wrong })
    expect(answer.error?.code).toBe(-32602)
  }
})

test.each(['legacy', 'modern'] as const)(
  'a %s member that is slow or answers nonsense is left out and named, and announced when it is back',
  async (era) => {
    using well = new ListingServer('well')
    using ill = new ListingServer('ill', { era })
    await using gateway = await startGatewayProcess({ via, config: groupOf([well, ill]) })
    await using client = await RawClient.open(gateway.face('team', 'stream'))
    await client.stand()
    ill.listDelayMs = 1_500
    const first = await client.request(1, 'tools/list')
    expect(namesIn(first.text)).toEqual(['well__echo', 'well__link'])
    expect(missingIn(first.text)).toEqual(['ill'])
    await changesOf(client, 'tools', 1)
    ill.listDelayMs = 0
    const second = await client.request(2, 'tools/list')
    expect(namesIn(second.text)).toEqual(['well__echo', 'well__link', 'ill__echo', 'ill__link'])
    expect(missingIn(second.text)).toEqual([])
    ill.garbage = true
    await ill.heard()
    ill.announce('notifications/tools/list_changed')
    await changesOf(client, 'tools', 2)
    const third = await askModern(gateway.face('team', 'stream'), 'tools/list')
    expect(missingIn(third.text)).toEqual(['ill'])
    expect((await client.callTool(4, 'well__echo', {})).answer.result).toBeDefined()
  },
)

test('a process of a client’s own that is slow to start takes nothing from its first list', async () => {
  using directory = temporaryDirectory()
  const raw = resolve(import.meta.dir, '../support/raw-server.ts')
  // The first process is there at once, each later one after a while.
  const script = 'mkdir "$0" 2>/dev/null || sleep 1; exec "$1" "$2"'
  const args = ['-c', script, join(directory.path, 'first'), process.execPath, raw]
  const slow = { name: 'slow', transport: 'stdio', command: 'sh', args }
  const group = { name: 'team', transport: 'group', members: [{ server: 'slow' }], listWait: '200ms' }
  await using gateway = await startGatewayProcess({ via, config: { mcps: [slow, group] } })
  const url = gateway.face('team', 'stream')
  await using client = await RawClient.open(url, { capabilities: { roots: {} } })
  await client.stand()
  const first = await client.request(1, 'tools/list')
  expect(namesIn(first.text)).toHaveLength(250)
  expect(missingIn(first.text)).toEqual([])
  expect((await client.callTool(2, 'slow__pid', {})).answer.result).toBeDefined()
  // What the client's own process lists is the same.
  await Bun.sleep(1_200)
  expect(countOf(client, 'tools')).toBe(0)
}, 20_000)

test('a server that has forgotten its sessions is asked for its lists anew, though it announces nothing', async () => {
  using server = new ListingServer('one', { tools: [tool('old')] })
  const group = { name: 'team', transport: 'group', members: [{ server: 'one' }] }
  await using gateway = await startGatewayProcess({ via, config: { mcps: [server.definition, group] } })
  const url = gateway.face('team', 'stream')
  await using client = await RawClient.open(url)
  const names = async () => namesIn((await client.request(1, 'tools/list')).text)
  const modernNames = async () => namesIn((await askModern(url, 'tools/list')).text)
  expect([await names(), await modernNames()]).toEqual([['one__old'], ['one__old']])
  server.tools = [tool('new')]
  expect([await names(), await modernNames()]).toEqual([['one__old'], ['one__old']])
  server.forget()
  await client.callTool(2, 'one__new', {})
  expect([await names(), await modernNames()]).toEqual([['one__new'], ['one__new']])
})

test('members that come, go and change are announced once for each kind, to sessions and to those who listen', async () => {
  using first = new ListingServer('first', { resources: [{ uri: 'x://1', name: 'one' }] })
  using second = new ListingServer('second')
  await using gateway = await startGatewayProcess({ via, config: { mcps: [first.definition] } })
  const url = new URL('/mcp', gateway.url)
  await using client = await RawClient.open(url)
  await client.stand()
  await using listening = await Listening.open(url, { toolsListChanged: true })
  expect(namesIn((await client.request(1, 'tools/list')).text)).toEqual(['first__echo', 'first__link'])

  await gateway.register(second.definition)
  await changesOf(client, 'tools', 1)
  await changesOf(client, 'prompts', 1)
  expect(namesIn((await client.request(2, 'tools/list')).text)).toContain('second__echo')
  await second.heard()
  for (let time = 0; time < 10; time++) second.announce('notifications/tools/list_changed')
  await changesOf(client, 'tools', 2)
  await remove(gateway, 'second')
  await changesOf(client, 'tools', 3)
  expect(namesIn((await client.request(3, 'tools/list')).text)).toEqual(['first__echo', 'first__link'])
  // Nothing is told twice.
  await Bun.sleep(1_200)
  expect(countOf(client, 'tools')).toBe(3)
  expect(countOf(client, 'resources')).toBe(0)
  const heard = listening.messages.filter(({ method }) => method === 'notifications/tools/list_changed')
  expect(heard.length).toBeGreaterThanOrEqual(2)
  expect(heard.length).toBeLessThanOrEqual(3)
})

function namesIn(text: string): string[] {
  return JSON.parse(text).result.tools.map(({ name }: { name: string }) => name)
}

function missingIn(text: string): string[] {
  const missing = JSON.parse(text).result._meta?.['com.compozy/unavailable'] ?? []
  return missing.map(({ server }: { server: string }) => server)
}

function countOf(client: RawClient, kind: string): number {
  return client.standing.filter(({ method }) => method === `notifications/${kind}/list_changed`).length
}

/** Waits until the client was told so often that this list has changed. */
async function changesOf(client: RawClient, kind: string, count: number): Promise<void> {
  await poll(`${count} changes of ${kind}`, async () => countOf(client, kind) >= count, 5_000)
  expect(countOf(client, kind)).toBe(count)
}

async function remove(gateway: RunningGateway, name: string): Promise<void> {
  const { status } = await gateway.admin(`/mcps/${name}`, { method: 'DELETE' })
  expect(status).toBe(204)
}
