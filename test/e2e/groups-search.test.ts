/** A group with `exposure: search`: a short list, and three tools that find, describe and call all the others. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { ListingServer, manyTools, tool } from '../support/listing-server.ts'
import { askModern, callModern } from '../support/modern-client.ts'
import { RawClient } from '../support/raw-client.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'

const via = 'executable'
const app = { _meta: { ui: { resourceUri: 'ui://chart/app.html' } } }
const marked = {
  inputSchema: {
    type: 'object',
    properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
  },
}

let weather: ListingServer
let charts: ListingServer
let gateway: RunningGateway

beforeAll(async () => {
  weather = new ListingServer('weather', {
    era: 'modern',
    tools: [
      { ...tool('forecast'), description: 'Tells the weather of the next days. In any city.', ...marked },
      { ...tool('history'), description: 'Tells the weather of days that are over.' },
      { ...tool('secret'), description: 'Tells the weather of the boss.' },
    ],
  })
  charts = new ListingServer('charts', {
    tools: [{ ...tool('draw'), description: 'Draws a chart.', ...app }, ...manyTools(40, 'chart')],
  })
  gateway = await startGatewayProcess({
    via,
    config: {
      mcps: [
        {
          ...weather.definition,
          description: 'Weather of all cities. And more.',
          toolFilter: { mode: 'block', list: ['secret'] },
        },
        charts.definition,
        { name: 'raw', transport: 'stdio', ...commandOfRawServer() },
        {
          name: 'team',
          transport: 'group',
          exposure: 'search',
          always: ['weather__hist*'],
          members: [{ server: 'weather' }, { server: 'charts' }, { server: 'raw' }, { server: 'later' }],
        },
      ],
    },
  })
})

afterAll(async () => {
  await gateway?.stop()
  weather?.[Symbol.dispose]()
  charts?.[Symbol.dispose]()
})

const url = () => gateway.face('team', 'stream')

interface ToolResult {
  readonly content: { readonly text: string }[]
  readonly isError?: boolean
  readonly structuredContent?: { readonly server: string; readonly name: string; readonly args: object }
  readonly resultType?: string
  readonly _meta?: Readonly<Record<string, unknown>>
}

/** The two ways to call a tool, as the two eras have them. */
const callers = [
  {
    era: 'legacy',
    async call(name: string, args: unknown): Promise<ToolResult> {
      await using client = await RawClient.open(url())
      const { answer } = await client.callTool(1, name, args as Record<string, unknown>)
      if (answer.error !== undefined) throw new Error(JSON.stringify(answer.error))
      return answer.result as unknown as ToolResult
    },
    async list(): Promise<string[]> {
      await using client = await RawClient.open(url())
      return namesIn((await client.request(1, 'tools/list')).text)
    },
  },
  {
    era: 'modern',
    async call(name: string, args: unknown): Promise<ToolResult> {
      const { answer } = await askModern(url(), 'tools/call', { params: { name, arguments: args } })
      if (answer.error !== undefined) throw new Error(JSON.stringify(answer.error))
      expect(answer.result).toMatchObject({ resultType: 'complete' })
      return answer.result as unknown as ToolResult
    },
    list: async () => namesIn((await askModern(url(), 'tools/list')).text),
  },
]

function namesIn(text: string): string[] {
  return (JSON.parse(text) as { result: { tools: { name: string }[] } }).result.tools.map(({ name }) => name)
}

describe.each(callers)('for clients of the $era era', ({ call, list }) => {
  const textOf = (result: ToolResult): string => result.content[0]?.text ?? ''

  test('the list has the three tools, those that are always there, and those with an app', async () => {
    expect(await list()).toEqual([
      'find_tools',
      'describe_tools',
      'call_tool',
      'weather__history',
      'charts__draw',
    ])
  })

  test('find_tools names the tools that fit, and says who is missing', async () => {
    const found = await call('find_tools', { query: 'weather forecast for next days', limit: 2 })
    expect(textOf(found).split('\n')).toEqual([
      'weather__forecast: Tells the weather of the next days.',
      'weather__history: Tells the weather of days that are over.',
    ])
    expect(found._meta?.['com.compozy/unavailable']).toMatchObject([{ server: 'later' }])
  })

  test('describe_tools gives whole definitions under their shown names', async () => {
    const text = textOf(await call('describe_tools', { names: ['weather__forecast', 'weather__none'] }))
    const [definitions = '', missing] = text.split('\n')
    expect(JSON.parse(definitions)).toEqual([
      {
        ...tool('forecast'),
        name: 'weather__forecast',
        description: expect.stringContaining('In any city'),
        ...marked,
      },
    ])
    expect(missing).toBe('No such tool: weather__none. Ask find_tools.')
    expect(textOf(await call('describe_tools', { names: ['later__none'] }))).toBe(
      'Not known now, as not all servers can be asked: later__none. Try again in a moment.',
    )
  })

  test('call_tool calls the member, with structured content, as if its tool had been called', async () => {
    for (const name of ['weather__forecast', 'charts__chart-7']) {
      const args = { region: 'north', big: 12345678901234567000 }
      const wrapped = await call('call_tool', { name, arguments: args })
      const [server, own] = name.split('__')
      expect(wrapped.structuredContent).toEqual({ server: server ?? '', name: own ?? '', args })
    }
    const none = await call('call_tool', { name: 'charts__chart-7' })
    expect(none.structuredContent?.args).toEqual({})
  })

  test.each<{ why: string; tool: string; args: object; says: string }>([
    { why: 'no query', tool: 'find_tools', args: {}, says: 'find_tools takes { "query"' },
    { why: 'nothing fits', tool: 'find_tools', args: { query: 'xyzzy' }, says: 'No tool fits' },
    {
      why: 'a tool that does not exist',
      tool: 'call_tool',
      args: { name: 'weather__none', arguments: {} },
      says: 'No such tool: weather__none. Ask find_tools.',
    },
    {
      why: 'a tool that is hidden',
      tool: 'call_tool',
      args: { name: 'weather__secret', arguments: {} },
      says: 'No such tool: weather__secret. Ask find_tools.',
    },
    {
      why: 'the definition of a tool that is hidden',
      tool: 'describe_tools',
      args: { names: ['weather__secret'] },
      says: 'No such tool: weather__secret. Ask find_tools.',
    },
    {
      why: 'arguments beside the name',
      tool: 'call_tool',
      args: { name: 'weather__history', city: 'Rome' },
      says: 'call_tool takes { "name"',
    },
    {
      why: 'itself',
      tool: 'call_tool',
      args: { name: 'call_tool', arguments: {} },
      says: 'No such tool: call_tool',
    },
  ])('$why is told as a result that a model can read', async ({ tool: name, args, says }) => {
    expect(textOf(await call(name, args))).toStartWith(says)
  })

  test('what is hidden is not found', async () => {
    const found = textOf(await call('find_tools', { query: 'weather of the boss secret', limit: 50 }))
    expect(found).toContain('weather__forecast')
    expect(found).not.toContain('secret')
    expect(found).not.toContain('boss')
  })

  test('tools may be called by their own names as well', async () => {
    expect((await call('charts__chart-7', {})).structuredContent?.name).toBe('chart-7')
  })
})

describe('a call through call_tool', () => {
  test('has progress under its own token, and a name given twice is refused', async () => {
    await using client = await RawClient.open(url())
    const args = { name: 'raw__echo', arguments: { secret: 's' } }
    const { before, answer } = await client.callTool(1, 'call_tool', args, 'token')
    expect(before.map(({ params }) => params?.['progressToken'])).toEqual(['token'])
    expect(JSON.stringify(answer.result)).toContain('secret')
    const doubled = '{"name":"raw__echo","name":"raw__pid","arguments":{"secret":"s"}}'
    const text = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"call_tool","arguments":${doubled}}}`
    expect((await client.requestText(2, text)).answer).toMatchObject({ result: { isError: true } })
  })

  test('keeps the digits of its arguments, and everything else of its parameters', async () => {
    await using client = await RawClient.open(url())
    const inner = '{ "n": 12345678901234567890, "x":1.0 }'
    const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"a/b":1.0},"name":"call_tool","arguments":{"arguments":${inner},"name":"raw__mirror"}}}`
    const { answer } = await client.requestText(1, text)
    const seen = JSON.stringify(answer.result)
    expect(seen).toContain('12345678901234567890')
    expect(seen).toContain('a/b')
    expect(seen).not.toContain('call_tool')
  })

  test('a server may ask its client something, and the client may cancel', async () => {
    await using client = await RawClient.open(url(), {
      capabilities: { roots: {} },
      answer: () => ({ roots: [{ uri: 'file:///asked' }] }),
    })
    const asked = await client.callTool(1, 'call_tool', {
      name: 'raw__ask',
      arguments: { method: 'roots/list', params: {} },
    })
    expect(JSON.stringify(asked.answer.result)).toContain('file:///asked')
    const slow = client.callTool(5, 'call_tool', { name: 'raw__slow', arguments: { ms: 60_000 } })
    const received = async (part: string) =>
      JSON.stringify((await client.callTool(6, 'raw__received', { part })).answer.result)
    await poll('the slow call to arrive', async () => (await received('60000')).includes('slow'))
    await client.notify('notifications/cancelled', { requestId: 5 })
    await poll('the cancel to arrive', async () =>
      (await received('notifications/cancelled')).includes('requestId'),
    )
    await slow.catch(() => {})
  })

  test('arguments that travel as headers are mirrored by the gateway: the client could not know them', async () => {
    const wrapped = await callModern(url(), 'call_tool', {
      name: 'weather__forecast',
      arguments: { region: 'north' },
    })
    expect(wrapped.answer).toMatchObject({ result: { structuredContent: { args: { region: 'north' } } } })
    // A call of the tool itself is held to them as ever.
    const direct = await callModern(url(), 'weather__forecast', { region: 'north' })
    expect(direct.answer).toMatchObject({ error: { code: -32020 } })
  })

  test('leaves the name of the tool in the log line, and the group and the server', async () => {
    await callModern(url(), 'call_tool', { name: 'charts__chart-3', arguments: {} })
    const line = () => gateway.lines().find((text) => text.includes('charts__chart-3'))
    await poll('its log line', async () => line() !== undefined)
    expect(JSON.parse(line() ?? '{}')).toMatchObject({
      tool: 'charts__chart-3',
      group: 'team',
      mcp: 'charts',
    })
  })
})

test('the instructions say how tools are found, and whose there are', async () => {
  await using client = await RawClient.open(url())
  const said = [
    'Most tools are not listed. Find them with find_tools, read their arguments with describe_tools, call them with call_tool. There are tools of:',
    '- weather: Weather of all cities.',
    '- charts',
    '- raw',
    '- later',
  ].join('\n')
  expect(client.greeting.result?.['instructions']).toStartWith(said)
  const { answer } = await askModern(url(), 'server/discover')
  expect(answer.result?.['instructions']).toStartWith(said)
})

test('a changed list is found in its new form', async () => {
  await using client = await RawClient.open(url())
  const find = async () => {
    const { answer } = await client.callTool(1, 'find_tools', { query: 'umbrella rental' })
    return JSON.stringify(answer.result)
  }
  expect(await find()).not.toContain('charts__rent')
  const before = charts.tools
  charts.tools = [...before, { ...tool('rent'), description: 'Rents an umbrella.' }]
  charts.announce('notifications/tools/list_changed')
  await poll('the new tool to be found', async () => (await find()).includes('charts__rent'))
  charts.tools = before
  charts.announce('notifications/tools/list_changed')
})
