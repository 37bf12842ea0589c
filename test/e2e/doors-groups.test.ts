/** What a caller may not use is nowhere in a group: in no list, search, completion, answer or error. */
import { describe, expect, test } from 'bun:test'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { ListingServer, tool } from '../support/listing-server.ts'
import { askModern, callModern } from '../support/modern-client.ts'
import { RawClient } from '../support/raw-client.ts'

const globalToken = 'token-of-everybody'
const guardedToken = 'token-of-guarded-alone'
const teamToken = 'token-of-the-team'

const secretWords = ['guarded', 'canary', 'hush']

interface World extends AsyncDisposable {
  readonly gateway: RunningGateway
  readonly open: ListingServer
  readonly guarded: ListingServer
}

async function startWorld(globalTokens: readonly string[]): Promise<World> {
  const open = new ListingServer('open', { tools: [tool('echo'), tool('hush')] })
  const guarded = new ListingServer('guarded', {
    tools: [tool('canary')],
    prompts: [{ name: 'canary' }],
    resources: [{ uri: 'canary://1', name: 'canary' }],
    templates: [{ uriTemplate: 'canary://{id}', name: 'canary' }],
    instructions: 'The canary sings.',
  })
  const members = [{ all: true }]
  const gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: { auth: { global_tokens: globalTokens } },
      mcps: [
        { ...open.definition, toolFilter: { mode: 'block', list: ['hush'] } },
        { ...guarded.definition, authTokens: [guardedToken] },
        { name: 'team', transport: 'group', members, authTokens: [teamToken] },
        { name: 'found', transport: 'group', members, exposure: 'search', authTokens: [teamToken] },
      ],
    },
  })
  return {
    gateway,
    open,
    guarded,
    async [Symbol.asyncDispose]() {
      open[Symbol.dispose]()
      guarded[Symbol.dispose]()
      await gateway[Symbol.asyncDispose]()
    },
  }
}

/** Everything that a client can ask a group, as one text. */
async function everythingFrom(url: URL, token: string): Promise<string> {
  const texts: string[] = []
  await using client = await RawClient.open(url, { token })
  texts.push(JSON.stringify(client.greeting))
  const asks: [string, Record<string, unknown>][] = [
    ['tools/list', {}],
    ['prompts/list', {}],
    ['resources/list', {}],
    ['resources/templates/list', {}],
  ]
  for (const [method, params] of asks) {
    texts.push((await client.request(1, method, params)).text)
    texts.push((await askModern(url, method, { params, token })).text)
  }
  texts.push((await askModern(url, 'server/discover', { token })).text)
  return texts.join('\n')
}

/** What names something hidden, and the same of nobody: both must be answered alike. */
const pairs: readonly { readonly method: string; readonly hidden: object; readonly nobody: object }[] = [
  {
    method: 'tools/call',
    hidden: { name: 'guarded__canary', arguments: {} },
    nobody: { name: 'nobody__canary', arguments: {} },
  },
  {
    method: 'tools/call',
    hidden: { name: 'open__hush', arguments: {} },
    nobody: { name: 'open__nothing', arguments: {} },
  },
  { method: 'prompts/get', hidden: { name: 'guarded__canary' }, nobody: { name: 'nobody__canary' } },
  {
    method: 'resources/read',
    hidden: { uri: 'mcp+guarded:canary://1' },
    nobody: { uri: 'mcp+nobody:canary://1' },
  },
  {
    method: 'completion/complete',
    hidden: { ref: { type: 'ref/prompt', name: 'guarded__canary' }, argument: { name: 'a', value: '' } },
    nobody: { ref: { type: 'ref/prompt', name: 'nobody__canary' }, argument: { name: 'a', value: '' } },
  },
]

test('a global token opens everything but what a filter hides', async () => {
  await using world = await startWorld([globalToken])
  const text = await everythingFrom(new URL('/mcp', world.gateway.url), globalToken)
  expect(text).toContain('guarded__canary')
  expect(text).toContain('open__echo')
  expect(text).not.toContain('hush')
})

describe.each([
  {
    path: '/mcp-proxy/team/stream',
    token: teamToken,
    why: 'the token of a group opens no server that has tokens',
  },
  { path: '/mcp-proxy/found/stream', token: teamToken, why: 'nor where tools are searched' },
])('$path: $why', ({ path, token }) => {
  test('what the caller may not use is in no answer', async () => {
    await using world = await startWorld([])
    const url = new URL(path, world.gateway.url)
    const text = await everythingFrom(url, token)
    for (const word of secretWords) expect(text).not.toContain(word)
    for (const query of ['canary', 'hush', 'guarded']) {
      const found = await callModern(url, 'find_tools', { query }, { token })
      const { answer } = found
      expect(JSON.stringify(answer.result ?? {})).not.toMatch(/guarded|hush|canary__|The tool canary/)
      const described = await callModern(url, 'describe_tools', { names: ['guarded__canary'] }, { token })
      expect(JSON.stringify(described.answer.result ?? {})).not.toContain('The tool canary')
    }
    expect(world.guarded.requests('tools/list')).toHaveLength(0)
  })

  test.each(pairs)(
    '$method of what is hidden is answered as that of nothing',
    async ({ method, hidden, nobody }) => {
      await using world = await startWorld([])
      const url = new URL(path, world.gateway.url)
      await using client = await RawClient.open(url, { token })
      const strip = (text: string) => text.replaceAll(/guarded|nobody|hush|nothing/g, '_')
      const before = world.guarded.received.length
      const asked = [await client.request(1, method, hidden), await client.request(1, method, nobody)]
      expect(strip(asked[0]?.text ?? '')).toBe(strip(asked[1]?.text ?? 'nothing came'))
      const modern = await Promise.all(
        [hidden, nobody].map((params) => askModern(url, method, { params: { ...params }, token })),
      )
      expect(strip(modern[0]?.text ?? '')).toBe(strip(modern[1]?.text ?? 'nothing came'))
      expect(modern[0]?.answer.error).toBeDefined()
      expect(world.guarded.received.slice(before).filter((message) => message.method === method)).toEqual([])
      expect(world.open.requests('tools/call').filter(({ name }) => name === 'hush')).toEqual([])
    },
  )
})

test('a server’s own token opens /mcp for that server, and no other where there are global tokens', async () => {
  await using world = await startWorld([globalToken])
  const url = new URL('/mcp', world.gateway.url)
  const text = await everythingFrom(url, guardedToken)
  expect(text).toContain('guarded__canary')
  expect(text).not.toContain('open__echo')
  expect((await askModern(url, 'tools/list', { token: 'another-token' })).status).toBe(401)
  expect((await askModern(url, 'tools/list')).status).toBe(401)
})

test('whoever loses a member hears so, and can use nothing of it any more', async () => {
  await using world = await startWorld([globalToken])
  await using client = await RawClient.open(new URL('/mcp', world.gateway.url), { token: globalToken })
  await client.stand()
  expect((await client.callTool(1, 'guarded__canary', {})).answer.result).toBeDefined()
  const { text } = await client.request(2, 'tools/list')
  expect(text).toContain('guarded__canary')
  const definition = { ...world.guarded.definition, name: 'late', authTokens: [guardedToken] }
  const added = await world.gateway.admin('/mcps', { method: 'POST', body: definition })
  expect(added.status).toBe(201)
  const changes = () =>
    client.standing.filter(({ method }) => method === 'notifications/tools/list_changed').length
  await poll('the new member', async () => changes() > 0)
  expect((await client.callTool(3, 'late__canary', {})).answer.result).toBeDefined()
  const closed = { ...definition, authTokens: ['only-these'], authTokensOnly: true }
  const replaced = await world.gateway.admin('/mcps/late', { method: 'PUT', body: closed })
  expect(replaced.status).toBe(200)
  await poll('its loss', async () => changes() > 1)
  const lost = await client.callTool(4, 'late__canary', {})
  expect(lost.answer.error).toMatchObject({ code: -32602, message: 'Unknown tool' })
  expect((await client.request(5, 'tools/list')).text).not.toContain('late__')
})
