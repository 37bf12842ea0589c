/** Which servers a group shows, and which of their tools. */
import { describe, expect, test } from 'bun:test'
import { promptNames, resolveMembers, toolNames } from '../../src/group/members.ts'
import type { GroupSettings } from '../../src/registry/definition.ts'
import { definitionOf } from '../registry/definitions.ts'

function groupOf(members: object[], more: object = {}): GroupSettings {
  const { group } = definitionOf({ name: 'group', transport: 'group', members, ...more })
  if (group === null) throw new Error('a group has settings')
  return group
}

const servers = [
  definitionOf({ name: 'docs', transport: 'stdio', command: 'x', tags: { team: 'docs', stage: 'prod' } }),
  definitionOf({ name: 'chat', transport: 'stdio', command: 'x', tags: { team: 'people' } }),
  definitionOf({ name: 'files', transport: 'stdio', command: 'x', tags: { 'team=docs': '' } }),
  definitionOf({ name: 'bare', transport: 'stdio', command: 'x' }),
  definitionOf({ name: 'other', transport: 'group', members: [{ all: true }], tags: { team: 'docs' } }),
]

describe('the members of a group', () => {
  test.each<{ why: string; members: object[]; found: string[] }>([
    {
      why: 'are named, in the order of the definition',
      members: [{ server: 'files' }, { server: 'chat' }],
      found: ['files', 'chat'],
    },
    { why: 'may be registered later', members: [{ server: 'later' }], found: ['later'] },
    {
      why: 'all: by name, groups left out',
      members: [{ all: true }],
      found: ['bare', 'chat', 'docs', 'files'],
    },
    { why: 'have a tag', members: [{ tag: 'team' }], found: ['chat', 'docs'] },
    { why: 'have a tag with this value', members: [{ tag: 'team=docs' }], found: ['docs', 'files'] },
    { why: 'nobody has the tag', members: [{ tag: 'team=none' }, { tag: 'tea' }], found: [] },
    {
      why: 'stand where the most particular entry puts them',
      members: [{ all: true }, { tag: 'team' }, { server: 'chat' }],
      found: ['bare', 'files', 'docs', 'chat'],
    },
    {
      why: 'of two tags the first one counts',
      members: [{ tag: 'stage' }, { tag: 'team' }],
      found: ['docs', 'chat'],
    },
    { why: 'are never groups', members: [{ server: 'other' }, { server: 'docs' }], found: ['docs'] },
  ])('$why', ({ members, found }) => {
    expect(resolveMembers(groupOf(members), servers).map(({ server }) => server)).toEqual(found)
  })

  test('are shown as the entry says that brings them', () => {
    const group = groupOf([{ server: 'chat', prefix: 'c' }, { tag: 'team', prefix: '' }, { all: true }])
    const names = toolNames(resolveMembers(group, servers))
    expect(['chat', 'docs', 'files'].map((server) => names.shown(server, 'list'))).toEqual([
      'c__list',
      'list',
      'files__list',
    ])
  })

  test('have no prefix with naming plain, but the one that is given', () => {
    const group = groupOf([{ server: 'chat' }, { server: 'docs', prefix: 'd' }], { naming: 'plain' })
    const names = promptNames(resolveMembers(group, servers))
    expect(['chat', 'docs'].map((server) => names.shown(server, 'list'))).toEqual(['list', 'd__list'])
  })

  test('a rename is about tools, not about prompts', () => {
    const members = resolveMembers(groupOf([{ server: 'docs', rename: { list: 'all' } }]), servers)
    expect(toolNames(members).shown('docs', 'list')).toBe('docs__all')
    expect(promptNames(members).shown('docs', 'list')).toBe('docs__list')
  })
})

describe('the tools of a member', () => {
  function memberOf(entry: object) {
    const [member] = resolveMembers(groupOf([{ server: 'docs', ...entry }]), servers)
    if (member === undefined) throw new Error('docs is a member')
    return member
  }

  test.each<{ why: string; entry: object; shows: string[]; hides: string[] }>([
    { why: 'are all shown', entry: {}, shows: ['list', ''], hides: [] },
    {
      why: 'or those allowed',
      entry: { allow: ['list', 'get_*'] },
      shows: ['list', 'get_a'],
      hides: ['put'],
    },
    { why: 'or none', entry: { allow: [] }, shows: [], hides: ['list'] },
    { why: 'or those not blocked', entry: { block: ['put*'] }, shows: ['list'], hides: ['put'] },
    { why: 'blocked wins', entry: { allow: ['*'], block: ['put'] }, shows: ['list'], hides: ['put'] },
    {
      why: 'own names count, not new ones',
      entry: { block: ['b'], rename: { a: 'b' } },
      shows: ['a'],
      hides: ['b'],
    },
  ])('$why', ({ entry, shows, hides }) => {
    const { allows } = memberOf(entry)
    expect(shows.filter((tool) => !allows(tool))).toEqual([])
    expect(hides.filter((tool) => allows(tool))).toEqual([])
  })

  test('are described anew where the entry says so, and a name such as constructor is a name', () => {
    const member = memberOf({ describe: { list: 'Lists pages.' } })
    expect(['list', 'constructor'].map((tool) => member.described(tool))).toEqual(['Lists pages.', null])
  })
})
