/** What holds for the names of every group, whatever its members and their tools are called. */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { clientName, GroupNames, type NamedMember, nameTable } from '../../src/group/names.ts'

/** Few letters and many separators, so that names meet. */
const tight = (lengthMax: number) =>
  fc.string({ unit: fc.constantFrom('a', 'b', '_', '_'), maxLength: lengthMax })
const serverName = fc.oneof(
  tight(5).map((text) => `a${text}`),
  fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
)
const toolName = fc.oneof(
  { weight: 6, arbitrary: tight(6) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 80 }) },
  { weight: 1, arbitrary: fc.stringMatching(/^[a-b_]{0,6}_[0-9a-f]{8}$/) },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'find_tools', 'x'.repeat(64)) },
)
const renames = fc.dictionary(tight(3), fc.stringMatching(/^[ab_]{1,3}$/), { maxKeys: 3 }).map((map) => {
  const taken = new Set<string>()
  return Object.fromEntries(
    Object.entries(map).filter(([, shown]) => !taken.has(shown) && taken.add(shown) !== undefined),
  )
})
const prefix = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ own: true } as const) },
  { weight: 1, arbitrary: fc.oneof(fc.constant(''), tight(4)) },
)

interface Listing extends NamedMember {
  readonly names: readonly string[]
}

const listings = (prefixes: fc.Arbitrary<NamedMember['prefix']>) =>
  fc.uniqueArray(
    fc.record({
      server: serverName,
      prefix: prefixes,
      rename: renames,
      names: fc.uniqueArray(toolName, { maxLength: 6 }),
    }),
    { minLength: 1, maxLength: 5, selector: ({ server }) => server },
  )
const reserved = new Set(['find_tools', 'a__b'])

function each(
  prefixes: fc.Arbitrary<NamedMember['prefix']>,
  holds: (lists: Listing[]) => void,
  runs = 2_000,
) {
  fc.assert(fc.property(listings(prefixes), holds), { numRuns: runs })
}

test('every name is one that all clients take', () => {
  each(prefix, (lists) => {
    const names = new GroupNames(lists, reserved)
    for (const { server, names: own } of lists)
      for (const name of own) expect(names.shown(server, name)).toMatch(clientName)
  })
})

test('no name is shown for two tools, and none is lost without being told', () => {
  each(prefix, (lists) => {
    const { owners, ambiguous } = nameTable(new GroupNames(lists, reserved), lists)
    const told = [...owners.values(), ...ambiguous.flatMap(({ owners: two }) => two)]
    expect(told.length).toBe(lists.flatMap(({ names }) => names).length)
    expect(new Set(told.map(({ server, name }) => JSON.stringify([server, name]))).size).toBe(told.length)
    for (const name of reserved) expect(owners.has(name)).toBe(false)
  })
})

test('with a prefix of its own each tool has a name of its own', () => {
  const ownPrefix = fc.constant({ own: true } as const)
  each(ownPrefix, (lists) => {
    expect(nameTable(new GroupNames(lists), lists).ambiguous).toEqual([])
  })
})

test('a name leads back to its tool: by itself, or by what its candidates list', () => {
  each(prefix, (lists) => {
    const names = new GroupNames(lists, reserved)
    const { owners } = nameTable(names, lists)
    for (const [shown, { server, name }] of owners) {
      const owner = names.owner(shown)
      if (owner.kind === 'known') expect(owner).toEqual({ kind: 'known', server, name })
      else expect(owner.servers).toContain(server)
    }
  })
})

test('a name that is read by itself is the name of what was read', () => {
  const shownName = fc.oneof(tight(12), fc.stringMatching(/^[ab_]{1,9}_[0-9a-f]{8}$/), toolName)
  fc.assert(
    fc.property(listings(prefix), shownName, (lists, shown) => {
      const names = new GroupNames(lists, reserved)
      const owner = names.owner(shown)
      if (owner.kind === 'known') expect(names.shown(owner.server, owner.name)).toBe(shown)
    }),
    { numRuns: 5_000 },
  )
})

test('the order of the members changes no name, and neither does what else they list', () => {
  each(prefix, (lists) => {
    const [there, back] = [new GroupNames(lists), new GroupNames([...lists].reverse())]
    for (const { server, names } of lists)
      for (const name of names) expect(back.shown(server, name)).toBe(there.shown(server, name))
  })
})
