/** Whose a URI is, and how it is shown, by what the members list. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type ListedUris, UriTable } from '../../src/group/uri-table.ts'

const lists: ListedUris[] = [
  {
    server: 'a',
    uris: ['file:///both', 'file:///a', 'odd'],
    templates: ['file:///same/{x}', 'note://a/{x}'],
  },
  {
    server: 'b',
    uris: ['file:///both', 'ui://chart', 'ui://both'],
    templates: ['file:///same/{x}', 'note://{+all}'],
  },
  { server: 'c', uris: ['mem://1', 'ui://both', 'mcp+a:file:///trap'], templates: [] },
]
const table = new UriTable(lists)

describe('a URI that a client sends', () => {
  test.each<{ why: string; uri: string; owner: object }>([
    { why: 'one member lists it', uri: 'file:///a', owner: { kind: 'known', server: 'a', uri: 'file:///a' } },
    { why: 'two list it', uri: 'file:///both', owner: { kind: 'ambiguous', servers: ['a', 'b'] } },
    {
      why: 'and its qualified form tells which is meant',
      uri: 'mcp+b:file:///both',
      owner: { kind: 'known', server: 'b', uri: 'file:///both' },
    },
    { why: 'an app', uri: 'ui://mcp+c/both', owner: { kind: 'known', server: 'c', uri: 'ui://both' } },
    { why: 'a template of one', uri: 'note://b/1', owner: { kind: 'known', server: 'b', uri: 'note://b/1' } },
    { why: 'templates of two', uri: 'note://a/1', owner: { kind: 'ambiguous', servers: ['a', 'b'] } },
    {
      why: 'the scheme of one',
      uri: 'mem://other',
      owner: { kind: 'known', server: 'c', uri: 'mem://other' },
    },
    { why: 'a scheme of two', uri: 'file:///other', owner: { kind: 'ambiguous', servers: ['a', 'b'] } },
    { why: 'a scheme of nobody', uri: 'none://x', owner: { kind: 'unknown' } },
    { why: 'no scheme, but listed', uri: 'odd', owner: { kind: 'known', server: 'a', uri: 'odd' } },
    { why: 'no scheme, and not listed', uri: 'even', owner: { kind: 'unknown' } },
    {
      why: 'a qualified form names its member, whoever lists such a text',
      uri: 'mcp+a:file:///trap',
      owner: { kind: 'known', server: 'a', uri: 'file:///trap' },
    },
    { why: 'a member that is not there, or hidden', uri: 'mcp+z:file:///a', owner: { kind: 'unknown' } },
  ])('$why: $uri', ({ uri, owner }) => {
    expect(table.owner(uri) as object).toEqual(owner)
  })
})

describe('a URI that a member shows', () => {
  test.each<{ why: string; server: string; uri: string; shown: string }>([
    { why: 'is its own', server: 'a', uri: 'file:///a', shown: 'file:///a' },
    { why: 'is of another member', server: 'b', uri: 'file:///a', shown: 'mcp+b:file:///a' },
    { why: 'is of two members', server: 'a', uri: 'file:///both', shown: 'mcp+a:file:///both' },
    { why: 'is of a template of its own', server: 'b', uri: 'note://b/1', shown: 'note://b/1' },
    { why: 'has a scheme of its own', server: 'c', uri: 'mem://2', shown: 'mem://2' },
    { why: 'has the scheme of another member', server: 'a', uri: 'mem://2', shown: 'mcp+a:mem://2' },
    { why: 'has a scheme of nobody, and must come back', server: 'a', uri: 'x://y', shown: 'mcp+a:x://y' },
    { why: 'is a page that anybody can open', server: 'a', uri: 'https://h/', shown: 'https://h/' },
    {
      why: 'would be read as qualified',
      server: 'c',
      uri: 'mcp+a:file:///trap',
      shown: 'mcp+c:mcp+a:file:///trap',
    },
    { why: 'is an app of two', server: 'b', uri: 'ui://both', shown: 'ui://mcp+b/both' },
  ])('$why', ({ server, uri, shown }) => {
    expect(table.shown(server, uri)).toBe(shown)
  })

  test('as a template', () => {
    expect(table.shownTemplate('a', 'file:///same/{x}')).toBe('mcp+a:file:///same/{x}')
    expect(table.shownTemplate('a', 'note://a/{x}')).toBe('note://a/{x}')
    expect(table.shownTemplate('b', 'note://a/{x}')).toBe('mcp+b:note://a/{x}')
  })
})

describe('a template that a client names', () => {
  test.each<{ template: string; owner: object }>([
    { template: 'note://a/{x}', owner: { kind: 'known', server: 'a', uri: 'note://a/{x}' } },
    { template: 'file:///same/{x}', owner: { kind: 'ambiguous', servers: ['a', 'b'] } },
    { template: 'mcp+b:file:///same/{x}', owner: { kind: 'known', server: 'b', uri: 'file:///same/{x}' } },
    { template: 'file:///a', owner: { kind: 'known', server: 'a', uri: 'file:///a' } },
    { template: 'x:{y}', owner: { kind: 'unknown' } },
  ])('$template', ({ template, owner }) => {
    expect(table.templateOwner(template) as object).toEqual(owner)
  })
})

describe('with one member that has resources', () => {
  const alone = new UriTable([{ server: 'a', uris: ['file:///a', 'mcp+a:x'], templates: [] }])

  test('nothing is qualified, whatever it looks like', () => {
    expect(alone.qualifies).toBe(false)
    for (const uri of ['file:///a', 'mcp+a:x', 'mcp+b:x', 'none://x']) expect(alone.shown('a', uri)).toBe(uri)
    expect(alone.shownTemplate('a', 'mcp+b:{x}')).toBe('mcp+b:{x}')
  })

  test('everything is asked of it; a qualified form, kept from other days, finds it too', () => {
    expect(alone.owner('none://x')).toEqual({ kind: 'known', server: 'a', uri: 'none://x' })
    expect(alone.owner('mcp+a:x')).toEqual({ kind: 'known', server: 'a', uri: 'mcp+a:x' })
    expect(alone.owner('mcp+a:file:///a')).toEqual({ kind: 'known', server: 'a', uri: 'file:///a' })
  })
})

test('nobody has anything in a group without resources', () => {
  expect(new UriTable([]).owner('file:///a')).toEqual({ kind: 'unknown' })
})

test('what is shown comes back to the member that showed it, whatever is listed', () => {
  const uri = fc.oneof(
    fc.constantFrom('s:1', 's:2', 't:1', 'mcp+a:s:1', 'mcp+b:t:1', 'ui://x', 'ui://mcp+a/x', 'plain', 'u:9'),
    fc.string({ unit: 'binary', maxLength: 6 }),
  )
  const template = fc.constantFrom('s:{x}', 't:{+x}', 'ui://{x}', 'mcp+a:{x}', '{+x}')
  const list = (server: string) =>
    fc.record({
      server: fc.constant(server),
      uris: fc.array(uri, { maxLength: 4 }),
      templates: fc.array(template, { maxLength: 3 }),
    })
  fc.assert(
    fc.property(
      list('a'),
      list('b'),
      list('c'),
      uri,
      fc.constantFrom('a', 'b', 'c'),
      (a, b, c, any, server) => {
        const { shown, owner } = {
          shown: new UriTable([a, b, c]).shown(server, any),
          owner: new UriTable([c, b, a]),
        }
        if (!/^https?:/i.test(any)) expect(owner.owner(shown)).toEqual({ kind: 'known', server, uri: any })
      },
    ),
    { numRuns: 3_000 },
  )
})

describe('members that list and answer without end', () => {
  test('cost no long time: neither templates nor links in one result', () => {
    const templates = Array.from({ length: 5_000 }, (_, index) => `s:${'{+x}a'.repeat(15)}${index}`)
    const table = new UriTable([
      { server: 'a', uris: [], templates },
      { server: 'b', uris: ['s:listed'], templates: ['s:{x}'] },
    ])
    const link = (index: number) => `s:${'a'.repeat(1_000)}/${index}`
    const begun = performance.now()
    for (let index = 0; index < 20; index++) table.owner(link(index))
    expect((performance.now() - begun) / 20).toBeLessThan(250)
  })

  test('past a thousand URIs that are in no list the others are shown qualified, the same ones always alike', () => {
    const table = new UriTable([
      { server: 'a', uris: [], templates: ['s:{x}'] },
      { server: 'b', uris: ['t:1'], templates: [] },
    ])
    const shown = (index: number) => table.shown('a', `s:${index}`)
    const first = Array.from({ length: 1_500 }, (_, index) => shown(index))
    expect(first[999]).toBe('s:999')
    expect(first[1_000]).toBe('mcp+a:s:1000')
    expect(Array.from({ length: 1_500 }, (_, index) => shown(index))).toEqual(first)
    for (const uri of first) expect(table.owner(uri)).toMatchObject({ kind: 'known', server: 'a' })
  })

  test('a template without a scheme of its own fits URIs of any', () => {
    const table = new UriTable([
      { server: 'a', uris: [], templates: ['{+all}'] },
      { server: 'b', uris: ['t:1'], templates: [] },
    ])
    expect(table.owner('x:y')).toEqual({ kind: 'known', server: 'a', uri: 'x:y' })
    expect(table.owner('t:1')).toEqual({ kind: 'known', server: 'b', uri: 't:1' })
  })
})
