/** One answer to a list request of a group: how much it holds, and what the cursor for the rest leads to. */
import { describe, expect, test } from 'bun:test'
import { type Pageable, partsOf, type ShownItem } from '../../src/group/lists/composed.ts'
import { listPage, type PageBounds } from '../../src/group/lists/list-page.ts'
import { RpcRefusal } from '../../src/group/refusal.ts'

const wide: PageBounds = { itemsMax: 1_000, bytesMax: 1_000_000 }

/** Items by their servers: `a a b` are two of a's and one of b's. `digests` are of the servers' lists. */
function listOf(servers: string, digests: Readonly<Record<string, string>> = {}): Pageable {
  const items = servers.split(' ').map((server, index): ShownItem => {
    const name = `${server}__${index}`
    return { server, name, text: JSON.stringify({ name }) }
  })
  return { items, partOf: partsOf(items, (server) => digests[server] ?? 'same') }
}

function page(list: Pageable, cursor?: unknown, bounds: PageBounds = wide) {
  const { tools = 'null', nextCursor } = listPage('tools', { composed: list, missing: [] }, cursor, bounds)
  return {
    names: (JSON.parse(tools) as { name: string }[]).map(({ name }) => name),
    next: nextCursor === undefined ? undefined : (JSON.parse(nextCursor) as unknown),
  }
}

/** All pages, one after the other. */
function pages(list: Pageable, bounds: PageBounds): string[][] {
  const all: string[][] = []
  let cursor: unknown
  do {
    const { names, next } = page(list, cursor, bounds)
    all.push(names)
    cursor = next
  } while (cursor !== undefined)
  return all
}

test('what is within both bounds is one answer without a cursor', () => {
  expect(page(listOf('a a b'))).toEqual({ names: ['a__0', 'a__1', 'b__2'], next: undefined })
})

describe('the pages of a list', () => {
  const rows: { why: string; bounds: PageBounds; sizes: number[] }[] = [
    { why: 'end at the bound of items', bounds: { ...wide, itemsMax: 2 }, sizes: [2, 2, 1] },
    { why: 'end exactly with the list', bounds: { ...wide, itemsMax: 5 }, sizes: [5] },
    { why: 'end before the bound of bytes is passed', bounds: { ...wide, bytesMax: 34 }, sizes: [2, 2, 1] },
    {
      why: 'hold one item at least, however large',
      bounds: { ...wide, bytesMax: 1 },
      sizes: [1, 1, 1, 1, 1],
    },
  ]
  test.each(rows)('$why', ({ bounds, sizes }) => {
    const list = listOf('a a b b c')
    const all = pages(list, bounds)
    expect(all.map(({ length }) => length)).toEqual(sizes)
    expect(all.flat()).toEqual(list.items.map(({ name }) => name))
  })
})

test('bytes are counted, not characters', () => {
  const items = ['ö'.repeat(20), 'ö'.repeat(20)].map((name) => ({ server: 'a', name, text: `"${name}"` }))
  const { nextCursor } = listPage(
    'tools',
    { composed: { items, partOf: partsOf(items, () => 'd') }, missing: [] },
    undefined,
    { ...wide, bytesMax: 60 },
  )
  expect(nextCursor).toBeDefined()
})

describe('a cursor', () => {
  const before = listOf('a a b b', { a: 'of a', b: 'of b' })
  const { next: atThird } = page(before, undefined, { ...wide, itemsMax: 2 })
  const { next: atFourth } = page(before, undefined, { ...wide, itemsMax: 3 })

  test('leads on where the lists of other members have become others', () => {
    const after = listOf('a a a x b b', { a: 'longer', b: 'of b' })
    expect(page(after, atThird).names).toEqual(['b__4', 'b__5'])
    expect(page(after, atFourth).names).toEqual(['b__5'])
  })

  const refused: { why: string; cursor: unknown; list?: Pageable }[] = [
    { why: 'of a list that has changed', cursor: atThird, list: listOf('a a b b', { a: 'of a', b: 'new' }) },
    { why: 'of which the caller sees another part', cursor: atThird, list: listOf('a a b', { b: 'of b' }) },
    { why: 'of a member that is gone', cursor: atThird, list: listOf('a a') },
    { why: 'that nobody gave', cursor: 'next' },
    { why: 'of another server', cursor: '2' },
    { why: 'that is no text', cursor: 7 },
    { why: 'that is null', cursor: null },
    { why: 'that is empty', cursor: '' },
    { why: 'that is an object as base64url', cursor: encoded({}) },
    { why: 'without a position', cursor: encoded(['2-of b', null, 'b']) },
    { why: 'before the list', cursor: encoded(['2-of b', -1, 'b']) },
    { why: 'behind the part', cursor: encoded(['2-of b', 2, 'b']) },
    { why: 'between two items', cursor: encoded(['2-of b', 0.5, 'b']) },
    { why: 'for a member that never was', cursor: encoded([null, 0, 'nobody']) },
    { why: 'for a member with the name of a builtin', cursor: encoded(['x', 0, '__proto__']) },
    { why: 'that is very long', cursor: 'A'.repeat(100_000) },
  ]
  test.each(refused)('$why is refused', ({ cursor, list = before }) => {
    const thrown = (() => {
      try {
        return page(list, cursor)
      } catch (reason) {
        return reason
      }
    })()
    expect(thrown).toBeInstanceOf(RpcRefusal)
    expect((thrown as RpcRefusal).failure.code).toBe(-32602)
  })
})

test('an answer names who is missing from it, and only then', () => {
  const missing = [{ server: 'b', reason: 'it takes too long' }]
  expect(listPage('tools', { composed: listOf('a'), missing }, undefined, wide)['_meta']).toBe(
    JSON.stringify({ 'com.compozy/unavailable': missing }),
  )
  expect(listPage('tools', { composed: listOf('a'), missing: [] }, undefined, wide)).not.toHaveProperty(
    '_meta',
  )
})

function encoded(place: unknown): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url')
}
