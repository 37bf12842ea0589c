/** What of the console's page needs no browser to be tried. */
import { describe, expect, test } from 'bun:test'
import { Frames } from '../../src/console/page/api/frames.ts'
import { pathOf, routes } from '../../src/console/page/api/routes.ts'
import { ruleWords } from '../../src/console/page/views/keys/rule-words.ts'
import {
  definitionOf,
  draftOf,
  emptyDraft,
  faultsIn,
} from '../../src/console/page/views/server-form/draft.ts'
import { document } from '../support/api-document.ts'

describe('the paths that the page asks', () => {
  test.each(Object.entries(routes))('%s is where the gateway has it', (id, [method, path]) => {
    const operations = document.paths[path] as Record<string, { operationId?: string }> | undefined
    expect(operations?.[method.toLowerCase()]?.operationId).toBe(id)
  })

  test('hold names as they are, whatever is in them', () => {
    expect(pathOf('getServer', { name: 'a/../b?c' })).toBe('/admin/mcps/a%2F..%2Fb%3Fc')
    expect(
      pathOf('explainAccess', { query: { principal: 'key:a b', claim: ['x=1', 'y=2'], tool: undefined } }),
    ).toBe('/admin/access?principal=key%3Aa+b&claim=x%3D1&claim=y%3D2')
  })
})

describe('an event stream', () => {
  const read = (...pieces: string[]) => {
    const events: string[][] = []
    const frames = new Frames((name, data) => events.push([name, data]))
    for (const piece of pieces) frames.take(piece)
    return events
  }

  test.each([
    { why: 'in one piece', pieces: ['event: call\ndata: {"a":1}\n\n'], events: [['call', '{"a":1}']] },
    { why: 'cut anywhere', pieces: ['eve', 'nt: call\nda', 'ta: 1\n', '\n'], events: [['call', '1']] },
    {
      why: 'two in one piece',
      pieces: ['data: 1\n\ndata: 2\n\n'],
      events: [
        ['message', '1'],
        ['message', '2'],
      ],
    },
    { why: 'a sign of life is none', pieces: [': ok\n\n'], events: [] },
    { why: 'data of several lines', pieces: ['data: 1\ndata: 2\n\n'], events: [['message', '1\n2']] },
    { why: 'one that is not whole is none yet', pieces: ['data: 1\n'], events: [] },
  ])('is read: $why', ({ pieces, events }) => {
    expect<unknown>(read(...pieces)).toEqual(events)
  })
})

describe('a definition in fields', () => {
  test('comes back as it was, with what no field is for', () => {
    const definition = {
      name: 'files',
      transport: 'stdio',
      command: 'npx',
      args: ['-y', 'a server', '--root', '/srv/my files'],
      env: { API_KEY: '***' },
      allowedIPs: ['192.0.2.0/24'],
      toolFilter: { mode: 'allow', list: ['read'] },
      timeout: 90_000_000_000,
      pin: false,
      affinity: 'none',
      onOwnerLoss: 'end',
    } as const
    const back = definitionOf(draftOf(definition as never), definition)
    expect(back).toMatchObject({ ...definition, timeout: '90000ms' })
  })

  test('sends nothing of the other way to reach a server', () => {
    const draft = {
      ...emptyDraft,
      name: ' a ',
      url: 'http://x',
      headers: [{ name: 'A', value: '1' }],
      command: 'left',
    }
    const sent = definitionOf({ ...draft, transport: 'streamable-http' })
    expect(sent).toMatchObject({ name: 'a', url: 'http://x', headers: { A: '1' } })
    expect(sent).not.toHaveProperty('command')
    expect(definitionOf({ ...draft, transport: 'stdio' })).not.toHaveProperty('url')
  })

  test('shows what the gateway said at the field that it said it of', () => {
    expect([
      ...faultsIn('url: must be an http or https URL; env.A-B: is no name; name: is taken; later'),
    ]).toEqual([
      ['url', 'must be an http or https URL'],
      ['env', 'is no name'],
      ['name', 'is taken; later'],
    ])
    expect(faultsIn('The gateway does not answer.').size).toBe(0)
  })
})

test.each([
  { rule: { servers: ['*'] }, words: 'everything of all servers' },
  {
    rule: { servers: ['docs'], tools: ['search_*'], prompts: [], resources: [] },
    words: 'only the tool search_* of docs',
  },
  // A kind that a rule does not name is open.
  {
    rule: { servers: ['docs'], tools: ['search_*'] },
    words: 'only the tool search_*, all prompts, all resources of docs',
  },
  {
    rule: { servers: ['a', 'b', 'c', 'd', 'e'], prompts: [], resources: [], readOnly: true },
    words: 'only tools that say they only read of a, b, c, d and 1 more',
  },
  { rule: { servers: ['docs'], tools: [], prompts: [], resources: [] }, words: 'nothing of docs' },
])('a rule in words: $words', ({ rule, words }) => {
  expect(ruleWords(rule as never)).toBe(words)
})
