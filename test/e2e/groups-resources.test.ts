/** Resources of a group whose members have the same URIs: whatever names one leads to the member that it is of. */
import { describe, expect, test } from 'bun:test'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { ListingServer } from '../support/listing-server.ts'
import { askModern, callModern, Listening } from '../support/modern-client.ts'
import { RawClient } from '../support/raw-client.ts'

const shared = 'file:///shared.txt'
const resource = (uri: string) => ({ uri, name: uri })
const template = (uriTemplate: string) => ({ uriTemplate, name: uriTemplate })

/** Two servers of files, one of each era, that have one file and one template in common and one each for itself. */
function twoServers(): ListingServer[] {
  return (['legacy', 'modern'] as const).map(
    (era, index) =>
      new ListingServer(['left', 'right'][index] ?? '', {
        era,
        resources: [resource(shared), resource(`file:///${era}.txt`)],
        templates: [template('file:///{path}'), template(`${era}:///{path}`)],
      }),
  )
}

type Ask = (method: string, params: Record<string, unknown>) => Promise<Answered>

interface Answered {
  readonly result?: {
    readonly resources?: readonly { uri: string }[]
    readonly resourceTemplates?: readonly { uriTemplate: string }[]
    readonly contents?: readonly { uri: string; text: string }[]
    readonly content?: readonly { uri?: string; resource?: { uri: string } }[]
    readonly completion?: unknown
  }
  readonly error?: { readonly code: number; readonly message: string }
}

const clients: readonly { readonly era: string; readonly open: (url: URL) => Promise<Ask> }[] = [
  {
    era: 'legacy',
    open: async (url) => {
      const client = await RawClient.open(url)
      let id = 0
      return async (method, params) => JSON.parse((await client.request(++id, method, params)).text)
    },
  },
  {
    era: 'modern',
    open: async (url) => async (method, params) =>
      JSON.parse((await askModern(url, method, { params })).text),
  },
]

describe.each(clients)('a $era client', ({ open }) => {
  test('lists both under other URIs, and reads each from the member that it is of', async () => {
    await using world = await startWorld()
    const ask = await open(world.url)
    const { result } = await ask('resources/list', {})
    const uris = result?.resources?.map(({ uri }) => uri)
    expect(uris).toEqual([
      'mcp+left:file:///shared.txt',
      'file:///legacy.txt',
      'mcp+right:file:///shared.txt',
      'file:///modern.txt',
    ])
    const from = async (uri: string) => {
      const { result: read } = await ask('resources/read', { uri })
      return read?.contents?.[0]
    }
    expect(await from('mcp+left:file:///shared.txt')).toEqual({
      uri: 'mcp+left:file:///shared.txt',
      text: 'left',
    })
    expect(await from('mcp+right:file:///shared.txt')).toMatchObject({ text: 'right' })
    expect(await from('file:///modern.txt')).toEqual({ uri: 'file:///modern.txt', text: 'right' })
    expect(await from('legacy:///not/listed')).toMatchObject({ text: 'left' })
    expect(world.right.requests('resources/read').map(({ uri }) => uri)).toEqual([
      shared,
      'file:///modern.txt',
    ])
    const ambiguous = await ask('resources/read', { uri: shared })
    expect(ambiguous.error?.message).toContain('left, right')
    const unknown = await ask('resources/read', { uri: 'nobody:///x' })
    expect(unknown.error?.message).toBe('Resource not found')
  })

  test('a link and a content in a result lead back to the member that gave it', async () => {
    await using world = await startWorld()
    const ask = await open(world.url)
    for (const [server, uri, shown] of [
      ['right', shared, 'mcp+right:file:///shared.txt'],
      ['right', 'file:///modern.txt', 'file:///modern.txt'],
      // Only the template of the other one would fit.
      ['right', 'legacy:///of/the/other', 'mcp+right:legacy:///of/the/other'],
      ['left', 'legacy:///own', 'legacy:///own'],
    ] as const) {
      const { result } = await ask('tools/call', { name: `${server}__link`, arguments: { uri } })
      const [link, embedded] = result?.content ?? []
      expect([link?.uri, embedded?.resource?.uri]).toEqual([shown, shown])
      const { result: read } = await ask('resources/read', { uri: shown })
      expect(read?.contents?.[0]?.text).toBe(server)
    }
  })

  test('a template and a completion of it are of the member that has it', async () => {
    await using world = await startWorld()
    const ask = await open(world.url)
    const { result } = await ask('resources/templates/list', {})
    const templates = result?.resourceTemplates?.map((one) => one.uriTemplate)
    expect(templates).toEqual([
      'mcp+left:file:///{path}',
      'legacy:///{path}',
      'mcp+right:file:///{path}',
      'modern:///{path}',
    ])
    for (const [uri, server] of [
      ['mcp+right:file:///{path}', 'right'],
      ['legacy:///{path}', 'left'],
    ] as const) {
      const { result: completed } = await ask('completion/complete', {
        ref: { type: 'ref/resource', uri },
        argument: { name: 'path', value: 'a' },
      })
      expect(completed?.completion).toEqual({ values: [server] })
    }
    expect(world.right.requests('completion/complete')[0]?.['ref']).toEqual({
      type: 'ref/resource',
      uri: 'file:///{path}',
    })
  })
})

test('an update is told under the URI that was subscribed to, and only that of the right member', async () => {
  await using world = await startWorld()
  await using client = await RawClient.open(world.url)
  await client.stand()
  const uri = 'mcp+left:file:///shared.txt'
  await client.request(1, 'resources/subscribe', { uri })
  expect(world.left.requests('resources/subscribe')).toEqual([{ uri: shared }])
  await world.left.heard()
  world.right.announce('notifications/resources/updated', { uri: shared })
  world.left.announce('notifications/resources/updated', { uri: shared })
  await poll('the update', async () => updatesOf(client.standing).length > 0)
  expect(updatesOf(client.standing)).toEqual([uri])
  await client.request(2, 'resources/unsubscribe', { uri })
  expect(world.left.requests('resources/unsubscribe')).toEqual([{ uri: shared }])
})

test('a listen hears of the resources that it was acknowledged for, under the URIs that it has named', async () => {
  await using world = await startWorld()
  const uris = ['mcp+right:file:///shared.txt', 'file:///legacy.txt', 'nobody:///x']
  await using listening = await Listening.open(world.url, { resourceSubscriptions: uris }, { id: 'mine' })
  await poll('the acknowledgement', async () => listening.messages.length > 0)
  expect(listening.messages[0]).toMatchObject({
    method: 'notifications/subscriptions/acknowledged',
    params: {
      notifications: { resourceSubscriptions: expect.arrayContaining(uris.slice(0, 2)) },
      _meta: { 'io.modelcontextprotocol/subscriptionId': 'mine' },
    },
  })
  expect(JSON.stringify(listening.messages[0])).not.toContain('nobody')
  await Promise.all([world.left.heard(), world.right.heard()])
  world.left.announce('notifications/resources/updated', { uri: shared })
  world.right.announce('notifications/resources/updated', { uri: shared })
  world.left.announce('notifications/resources/updated', { uri: 'file:///legacy.txt' })
  await poll('both updates', async () => updatesOf(listening.messages).length >= 2)
  expect(updatesOf(listening.messages).sort()).toEqual(['file:///legacy.txt', 'mcp+right:file:///shared.txt'])
})

test('where only one member has resources every URI stays, listed or not', async () => {
  using only = new ListingServer('only', { resources: [resource(shared)] })
  using other = new ListingServer('other')
  const mcps = [only.definition, other.definition]
  await using gateway = await startGatewayProcess({ via: 'executable', config: { mcps } })
  const url = new URL('/mcp', gateway.url)
  const answer = await callModern(url, 'other__link', { uri: 'any:///thing' })
  expect(answer.text).toContain('"uri":"any:///thing"')
  const read = await askModern(url, 'resources/read', { params: { uri: 'any:///thing' } })
  expect(read.answer.result?.['contents']).toEqual([{ uri: 'any:///thing', text: 'only' }])
})

interface World extends AsyncDisposable {
  readonly url: URL
  readonly left: ListingServer
  readonly right: ListingServer
}

async function startWorld(): Promise<World> {
  const [left, right] = twoServers() as [ListingServer, ListingServer]
  const group = { name: 'files', transport: 'group', members: [{ all: true }] }
  const mcps = [left.definition, right.definition, group]
  const gateway: RunningGateway = await startGatewayProcess({ via: 'executable', config: { mcps } })
  return {
    url: gateway.face('files', 'stream'),
    left,
    right,
    async [Symbol.asyncDispose]() {
      left[Symbol.dispose]()
      right[Symbol.dispose]()
      await gateway[Symbol.asyncDispose]()
    },
  }
}

function updatesOf(
  messages: readonly { method?: string; params?: Readonly<Record<string, unknown>> }[],
): unknown[] {
  return messages
    .filter(({ method }) => method === 'notifications/resources/updated')
    .map(({ params }) => params?.['uri'])
}
