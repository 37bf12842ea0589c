/** What admins are told of groups, and that a group is registered, replaced and removed like any server. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'

interface Shown {
  readonly name: string
  readonly server: string
  readonly tool: string
}
interface Report {
  readonly name: string
  readonly endpoints: string[]
  readonly members: { server: string; prefix: string; status: string; reason: string | null }[]
  readonly tools: Shown[]
  readonly ambiguous: { name: string; owners: Shown[] }[]
}

let gateway: RunningGateway

const raw = (name: string, more: object = {}) => ({
  name,
  transport: 'stdio',
  ...commandOfRawServer(),
  ...more,
})

beforeAll(async () => {
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcps: [
        raw('one', { toolFilter: { mode: 'allow', list: ['tool-0', 'tool-1'] } }),
        raw('other', { tags: { team: 'docs' }, toolFilter: { mode: 'allow', list: ['tool-0', 'tool-2'] } }),
        { name: 'broken', transport: 'stdio', command: '/nowhere/to/be/found' },
        { name: 'team', transport: 'group', members: [{ tag: 'team' }, { server: 'one', prefix: 'o' }] },
        { name: 'plain', transport: 'group', naming: 'plain', members: [{ all: true }, { server: 'later' }] },
      ],
    },
  })
})

afterAll(() => gateway?.stop())

async function report(name: string): Promise<Report> {
  const answer = await gateway.admin(`/groups/${name}`)
  expect(answer.status).toBe(200)
  return (await answer.json()) as Report
}

describe('/admin/groups', () => {
  test('lists every group, that of everything among them', async () => {
    const { groups, count } = (await (await gateway.admin('/groups')).json()) as {
      groups: Report[]
      count: number
    }
    expect(count).toBe(3)
    expect(groups.map(({ name, endpoints }) => [name, ...endpoints])).toEqual([
      ['mcp', '/mcp'],
      ['plain', '/mcp-proxy/plain'],
      ['team', '/mcp-proxy/team'],
    ])
    expect(groups[2]?.members.map(({ server, prefix, status }) => [server, prefix, status])).toEqual([
      ['other', 'other', 'connected'],
      ['one', 'o', 'connected'],
    ])
  })

  test('says under which names a group shows the tools of its servers', async () => {
    expect((await report('team')).tools).toEqual([
      { name: 'other__tool-0', server: 'other', tool: 'tool-0' },
      { name: 'other__tool-2', server: 'other', tool: 'tool-2' },
      { name: 'o__tool-0', server: 'one', tool: 'tool-0' },
      { name: 'o__tool-1', server: 'one', tool: 'tool-1' },
    ])
  })

  test('says what is missing and why, and which names are ambiguous', async () => {
    const { members, tools, ambiguous } = await report('plain')
    const missing = members.filter(({ status }) => status !== 'connected')
    expect(missing.map(({ server, status }) => [server, status])).toEqual([
      ['broken', 'error'],
      ['later', 'unregistered'],
    ])
    expect(missing[0]?.reason).toContain('/nowhere/to/be/found')
    expect(missing[1]?.reason).toBe('no server of this name is registered')
    expect(tools.map(({ name }) => name).toSorted()).toEqual(['tool-1', 'tool-2'])
    expect(ambiguous).toEqual([
      {
        name: 'tool-0',
        owners: [
          { name: 'tool-0', server: 'one', tool: 'tool-0' },
          { name: 'tool-0', server: 'other', tool: 'tool-0' },
        ],
      },
    ])
  })

  test('knows a server from a group', async () => {
    expect((await gateway.admin('/groups/one')).status).toBe(404)
    expect((await gateway.admin('/groups/nobody')).status).toBe(404)
    const tools = (await (await gateway.admin('/tools')).json()) as { tools: { mcpName: string }[] }
    expect(new Set(tools.tools.map(({ mcpName }) => mcpName))).toEqual(new Set(['one', 'other']))
  })
})

describe('a group over the API', () => {
  const definition = { name: 'made', transport: 'group', members: [{ server: 'one' }] }

  test('is created, shown as it was given, replaced and removed', async () => {
    const created = await gateway.admin('/mcps', { method: 'POST', body: definition })
    expect(created.status).toBe(201)
    const shown = (await (await gateway.admin('/mcps/made')).json()) as {
      definition: Record<string, unknown>
      status: Record<string, unknown>
    }
    expect(shown.definition).toMatchObject({
      ...definition,
      naming: 'prefix',
      exposure: 'all',
      listWait: '3s',
    })
    expect(Object.keys(shown.definition)).not.toContain('command')
    expect((await report('made')).tools.map(({ name }) => name)).toEqual(['one__tool-0', 'one__tool-1'])
    const changed = {
      ...shown.definition,
      members: [{ server: 'one', prefix: '', rename: { 'tool-1': 'process' } }],
    }
    expect((await gateway.admin('/mcps/made', { method: 'PUT', body: changed })).status).toBe(200)
    await poll('the group to be replaced', async () => {
      const names = (await report('made')).tools.map(({ name }) => name)
      return names.join() === 'tool-0,process'
    })
    expect((await gateway.admin('/mcps/made', { method: 'DELETE' })).status).toBe(204)
    expect((await gateway.admin('/groups/made')).status).toBe(404)
  })

  test('says so as long as none of its servers is registered', async () => {
    const body = { name: 'early', transport: 'group', members: [{ server: 'nobody' }] }
    await gateway.admin('/mcps', { method: 'POST', body })
    await report('early')
    const { status } = (await (await gateway.admin('/mcps/early')).json()) as { status: object }
    expect(status).toMatchObject({ status: 'connecting', reason: 'None of its servers is registered.' })
    await gateway.admin('/mcps/early', { method: 'DELETE' })
  })

  test.each([
    {
      why: 'a group in a group',
      body: { name: 'outer', transport: 'group', members: [{ server: 'team' }] },
      details: 'members[0].server: is the group team; a group in a group is not possible, name its servers',
    },
    {
      why: 'a group under the name that another one waits for',
      body: { name: 'later', transport: 'group', members: [{ all: true }] },
      details:
        'name: is a member of the group plain, and a group in a group is not possible; choose another name',
    },
    {
      why: 'a command',
      body: { ...definition, command: 'npx' },
      details: 'command: does not go with transport group; its members have their own',
    },
  ])('refuses $why', async ({ body, details }) => {
    const answer = await gateway.admin('/mcps', { method: 'POST', body })
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'DEFINITION_INVALID', details }])
  })
})
