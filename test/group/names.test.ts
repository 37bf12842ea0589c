/** What names a group shows, by hand; names.property.test.ts holds the rules for all of them. */
import { describe, expect, test } from 'bun:test'
import { GroupNames, type NamedMember, nameTable } from '../../src/group/names.ts'

const own = { own: true } as const

function member(server: string, prefix: NamedMember['prefix'] = own, rename: Record<string, string> = {}) {
  return { server, prefix, rename }
}

describe('a shown name', () => {
  test.each<{ why: string; members: NamedMember[]; server: string; name: string; shown: string }>([
    {
      why: 'stands behind the name of its server',
      members: [member('github')],
      server: 'github',
      name: 'search_issues',
      shown: 'github__search_issues',
    },
    {
      why: 'or behind the prefix of its member',
      members: [member('github', 'gh')],
      server: 'github',
      name: 'search_issues',
      shown: 'gh__search_issues',
    },
    {
      why: 'or as it is',
      members: [member('github', '')],
      server: 'github',
      name: 'search',
      shown: 'search',
    },
    {
      why: 'a rename comes before the prefix',
      members: [member('github', own, { search_issues: 'find_bugs' })],
      server: 'github',
      name: 'search_issues',
      shown: 'github__find_bugs',
    },
    {
      why: 'a name that was given away carries a mark',
      members: [member('github', own, { a: 'b' })],
      server: 'github',
      name: 'b',
      shown: 'github__b_c20c5aae',
    },
    {
      why: 'two names may change places',
      members: [member('github', own, { a: 'b', b: 'a' })],
      server: 'github',
      name: 'b',
      shown: 'github__a',
    },
    {
      why: 'a + b__c, where it would be read as a__b + c',
      members: [member('a'), member('a__b')],
      server: 'a',
      name: 'b__c',
      shown: 'a__b__c_d28d61bb',
    },
    {
      why: 'a__b + c, which is read so',
      members: [member('a'), member('a__b')],
      server: 'a__b',
      name: 'c',
      shown: 'a__b__c',
    },
    {
      why: 'a + b__c, where there is no a__b',
      members: [member('a'), member('b')],
      server: 'a',
      name: 'b__c',
      shown: 'a__b__c',
    },
    {
      why: 'three underscores: a + _c, where there is an a_',
      members: [member('a'), member('a_')],
      server: 'a',
      name: '_c',
      shown: 'a___c_664884c5',
    },
    {
      why: 'without a prefix, where another member has that one',
      members: [member('a'), member('b', '')],
      server: 'b',
      name: 'a__c',
      shown: 'a__c_58b6c99e',
    },
    {
      why: 'a dot, which clients refuse',
      members: [member('fs')],
      server: 'fs',
      name: 'file.read',
      shown: 'fs__file_read_ca878d1e',
    },
    {
      why: 'exactly 64 signs',
      members: [member('fs')],
      server: 'fs',
      name: 'x'.repeat(60),
      shown: `fs__${'x'.repeat(60)}`,
    },
    {
      why: '65 signs',
      members: [member('fs')],
      server: 'fs',
      name: 'x'.repeat(61),
      shown: `fs__${'x'.repeat(51)}_75064fdf`,
    },
    {
      why: 'what ends like a mark gets one, so that no name can pass for a shortened one',
      members: [member('fs')],
      server: 'fs',
      name: 'report_20260101',
      shown: 'fs__report_20260101_6c61f02c',
    },
    {
      why: 'but not without a prefix, where only the lists tell',
      members: [member('fs', '')],
      server: 'fs',
      name: 'report_20260101',
      shown: 'report_20260101',
    },
    {
      why: 'a dot in the name of the server',
      members: [member('io.example.files')],
      server: 'io.example.files',
      name: 'read',
      shown: 'io_example_files__read',
    },
    {
      why: 'a dot in the name of the server, where another has that name with an underscore',
      members: [member('my.files'), member('my_files')],
      server: 'my.files',
      name: 'read',
      shown: 'my_files__read_cbd58a88',
    },
    {
      why: 'and that other one',
      members: [member('my.files'), member('my_files')],
      server: 'my_files',
      name: 'read',
      shown: 'my_files__read',
    },
    { why: 'no name at all', members: [member('fs', '')], server: 'fs', name: '', shown: '_5ae5235e' },
  ])('$why', ({ members, server, name, shown }) => {
    const names = new GroupNames(members)
    expect(names.shown(server, name)).toBe(shown)
    const owner = names.owner(shown)
    const read = owner.kind === 'known' ? [owner.server] : owner.servers
    expect(read).toContain(server)
    if (owner.kind === 'known') expect(owner.name).toBe(name)
  })

  test('cannot be made to look like the shortened name of another server', () => {
    const names = new GroupNames([member('a'), member('a__b')])
    const victim = names.shown('a', 'b__c')
    const thief = victim.slice('a__b__'.length)
    expect(names.shown('a__b', thief)).not.toBe(victim)
  })

  test('of the group itself is given to nobody', () => {
    const names = new GroupNames([member('fs', '')], new Set(['find_tools']))
    expect(names.shown('fs', 'find_tools')).toMatch(/^find_tools_[0-9a-f]{8}$/)
    expect(names.owner('find_tools')).toEqual({ kind: 'listed', servers: [] })
  })
})

describe('the owner of a name', () => {
  const members = [member('a'), member('a__b'), member('free', ''), member('x', 'same'), member('y', 'same')]
  const names = new GroupNames(members)

  test.each<{ why: string; shown: string; owner: object }>([
    { why: 'the name tells', shown: 'a__c', owner: { kind: 'known', server: 'a', name: 'c' } },
    { why: 'the longest prefix', shown: 'a__b__c', owner: { kind: 'known', server: 'a__b', name: 'c' } },
    { why: 'no prefix', shown: 'c', owner: { kind: 'known', server: 'free', name: 'c' } },
    { why: 'no known prefix', shown: 'z__c', owner: { kind: 'known', server: 'free', name: 'z__c' } },
    { why: 'two have it', shown: 'same__c', owner: { kind: 'listed', servers: ['x', 'y'] } },
    { why: 'a mark', shown: 'a__b__c_0123abcd', owner: { kind: 'listed', servers: ['a', 'a__b', 'free'] } },
    { why: 'signs that no name has', shown: 'a__c d', owner: { kind: 'listed', servers: [] } },
    { why: 'too long', shown: `a__${'c'.repeat(62)}`, owner: { kind: 'listed', servers: [] } },
  ])('$why: $shown', ({ shown, owner }) => {
    expect(names.owner(shown) as object).toEqual(owner)
  })

  test('a name that a rename has taken away is looked for in the lists, and is not there', () => {
    const renamed = new GroupNames([member('a', own, { old: 'new' })])
    expect(renamed.owner('a__old')).toEqual({ kind: 'listed', servers: ['a'] })
    expect(renamed.owner('a__new')).toEqual({ kind: 'known', server: 'a', name: 'old' })
  })

  test('is nobody in a group without members', () => {
    expect(new GroupNames([]).owner('a')).toEqual({ kind: 'listed', servers: [] })
  })
})

describe('the names of several lists', () => {
  const names = new GroupNames([member('a', ''), member('b', ''), member('c')])

  test('stand there once each, in the order of the lists', () => {
    const table = nameTable(names, [
      { server: 'b', names: ['two', 'one'] },
      { server: 'c', names: ['one'] },
    ])
    expect([...table.owners]).toEqual([
      ['two', { server: 'b', name: 'two' }],
      ['one', { server: 'b', name: 'one' }],
      ['c__one', { server: 'c', name: 'one' }],
    ])
    expect(table.ambiguous).toEqual([])
  })

  test('are left out for all who would have the same, and told', () => {
    const table = nameTable(names, [
      { server: 'a', names: ['one', 'two'] },
      { server: 'b', names: ['one'] },
    ])
    expect([...table.owners.keys()]).toEqual(['two'])
    expect(table.ambiguous).toEqual([
      {
        name: 'one',
        owners: [
          { server: 'a', name: 'one' },
          { server: 'b', name: 'one' },
        ],
      },
    ])
  })

  test('a tool that a server lists twice is one', () => {
    expect([...nameTable(names, [{ server: 'a', names: ['one', 'one'] }]).owners.keys()]).toEqual(['one'])
  })
})
