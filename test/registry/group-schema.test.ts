/** Definitions of groups: what is taken, what is refused, and in which words. */
import { describe, expect, test } from 'bun:test'
import { everythingGroup, parseDefinition } from '../../src/registry/definition-schema.ts'
import { definitionToStored, definitionToWire } from '../../src/registry/definition-wire.ts'
import { nestedGroup } from '../../src/registry/group/group-rules.ts'
import { mergeMasked } from '../../src/registry/merge-masked.ts'
import { sentenceOf } from '../../src/registry/problems.ts'
import { definitionOf } from './definitions.ts'

const now = '2026-01-02T03:04:05.000Z'
const group = { name: 'team', transport: 'group', members: [{ server: 'docs' }] }

function refusal(input: unknown): string {
  const parsed = parseDefinition(input, { now })
  return parsed.ok ? '' : sentenceOf(parsed.problems)
}

test('fills in every default', () => {
  expect(definitionOf(group).group).toEqual({
    members: [
      {
        server: 'docs',
        tag: null,
        all: false,
        prefix: null,
        allow: null,
        block: null,
        rename: {},
        describe: {},
      },
    ],
    naming: 'prefix',
    exposure: 'all',
    always: [],
    listWaitMs: 3_000,
  })
})

test('a server has no group', () => {
  expect(definitionOf({ name: 'a', transport: 'stdio', command: 'x' }).group).toBeNull()
})

test('the group of everything has the defaults of any other', () => {
  expect(everythingGroup.group).toEqual(definitionOf({ ...group, members: [{ all: true }] }).group)
})

test('null is "not given", within a member as well', () => {
  const member = { server: 'docs', tag: null, all: null, prefix: null, allow: null, rename: null }
  expect(definitionOf({ ...group, members: [member], naming: null, always: null, listWait: null })).toEqual(
    definitionOf(group),
  )
})

test('shows what was given, and nothing that a group has no use for', () => {
  const given = {
    ...group,
    description: 'Tools of the team.',
    members: [
      { server: 'docs', prefix: '', allow: ['search_*'], rename: { search_pages: 'search' } },
      { tag: 'team=docs', block: ['delete_*'], describe: { list: 'Lists pages.' } },
      { all: true },
    ],
    naming: 'plain',
    exposure: 'search',
    always: ['search'],
    listWait: '5s',
    toolFilter: { mode: 'block', list: ['danger'] },
    tags: { for: 'people' },
    authTokens: ['t-1'],
  }
  const wire = { ...given, authTokens: ['***'], createdAt: now, updatedAt: now }
  expect(definitionToWire(definitionOf(given)) as unknown).toEqual(wire)
  expect(definitionToStored(definitionOf(given)) as unknown).toEqual({ ...wire, authTokens: ['t-1'] })
})

test('what GET shows can be sent back, tokens and all', () => {
  const stored = definitionOf({ ...group, authTokens: ['t-1'] })
  const parsed = parseDefinition(mergeMasked(definitionToWire(stored), stored), { now, previous: stored })
  expect(parsed).toEqual({ ok: true, definition: stored })
})

describe('what does not fit is refused by the name of its field', () => {
  test.each<{ why: string; input: object; says: string }>([
    {
      why: 'no members',
      input: { name: 'team', transport: 'group' },
      says: 'members: is required for transport group: a list such as [{ server: docs }, { tag: team=docs }] or [{ all: true }]',
    },
    {
      why: 'an empty list',
      input: { ...group, members: [] },
      says: 'members: must be a list of 1 to 256 members, such as { server: docs }',
    },
    {
      why: 'names without server:',
      input: { ...group, members: ['docs'] },
      says: 'members[0]: must be an object with server, tag or all',
    },
    {
      why: 'a mistyped field of a member',
      input: { ...group, members: [{ servers: 'docs' }] },
      says: 'members[0].servers: is not a known field; did you mean server?',
    },
    {
      why: 'a member that says nothing',
      input: { ...group, members: [{ prefix: 'x' }] },
      says: 'members[0]: must have exactly one of server, tag and all: true',
    },
    {
      why: 'all: false is nothing',
      input: { ...group, members: [{ all: false }] },
      says: 'members[0]: must have exactly one of server, tag and all: true',
    },
    {
      why: 'a member that says two things',
      input: { ...group, members: [{ server: 'docs', all: true }] },
      says: 'members[0]: must have exactly one of server, tag and all: true',
    },
    {
      why: 'a server twice',
      input: { ...group, members: [{ server: 'docs' }, { server: 'docs', prefix: 'd' }] },
      says: 'members[1]: stands twice; put everything about it into one entry',
    },
    {
      why: 'the group itself',
      input: { ...group, members: [{ server: 'team' }] },
      says: 'members[0].server: is this group itself',
    },
    {
      why: 'a prefix with a dot',
      input: { ...group, members: [{ server: 'docs', prefix: 'my.docs' }] },
      says: 'members[0].prefix: must be at most 32 letters, digits, underscores or hyphens',
    },
    {
      why: 'a new name that clients refuse',
      input: { ...group, members: [{ server: 'docs', rename: { a: 'a b' } }] },
      says: 'members[0].rename.a: must be 1 to 64 letters, digits, underscores or hyphens',
    },
    {
      why: 'one new name for two tools',
      input: { ...group, members: [{ server: 'docs', rename: { a: 'c', b: 'c' } }] },
      says: 'members[0].rename.b: gives the name that a is given; two tools cannot have one',
    },
    {
      why: 'an unknown naming',
      input: { ...group, naming: 'none' },
      says: 'naming: must be one of prefix, plain',
    },
    {
      why: 'an unknown exposure',
      input: { ...group, exposure: 'some' },
      says: 'exposure: must be one of all, search',
    },
    {
      why: 'a wait in milliseconds',
      input: { ...group, listWait: 3000 },
      says: 'listWait: 3000 means nanoseconds here; write "3s"',
    },
    {
      why: 'what a process or a connection has',
      input: { ...group, command: 'npx', url: 'http://h/', forwardHeaders: ['X-A'], logEnabled: false },
      says: ['command', 'url', 'logEnabled', 'forwardHeaders']
        .map((field) => `${field}: does not go with transport group; its members have their own`)
        .join('; '),
    },
    {
      why: 'a group of another transport',
      input: { name: 'a', transport: 'stdio', command: 'x', members: [{ all: true }], exposure: 'all' },
      says: 'members: goes with transport group only, not with stdio; exposure: goes with transport group only, not with stdio',
    },
  ])('$why', ({ input, says }) => {
    expect(refusal(input)).toBe(says)
  })

  test('but not the empty values of a Go client', () => {
    expect(refusal({ ...group, command: '', args: [], env: {}, url: '', timeout: 0, maxReconnects: 0 })).toBe(
      '',
    )
  })
})

describe('a group in a group', () => {
  const others = [
    definitionOf({ name: 'docs', transport: 'stdio', command: 'x' }),
    definitionOf({ name: 'inner', transport: 'group', members: [{ server: 'docs' }, { server: 'later' }] }),
  ]

  test.each<{ why: string; input: object; says: string | null }>([
    { why: 'a server is a fine member', input: group, says: null },
    {
      why: 'a group is none',
      input: { ...group, members: [{ server: 'docs' }, { server: 'inner' }] },
      says: 'members[1].server: is the group inner; a group in a group is not possible, name its servers',
    },
    {
      why: 'a name that a group waits for cannot become a group',
      input: { ...group, name: 'later' },
      says: 'name: is a member of the group inner, and a group in a group is not possible; choose another name',
    },
    { why: 'but a server', input: { name: 'later', transport: 'stdio', command: 'x' }, says: null },
    { why: 'all means all servers', input: { ...group, members: [{ all: true }] }, says: null },
    {
      why: 'a group may be replaced by itself',
      input: { ...group, name: 'inner' },
      says: null,
    },
  ])('$why', ({ input, says }) => {
    const nested = nestedGroup(definitionOf(input as never), others)
    expect(nested === null ? null : sentenceOf([nested])).toBe(says)
  })
})
