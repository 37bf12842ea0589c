/** Which lists of servers are used again, until when, and how many are kept. */
import { describe, expect, test } from 'bun:test'
import { KeptLists, keepMsOf, type ListPlace } from '../../src/group/lists/kept-lists.ts'
import { MemberList } from '../../src/group/lists/member-list.ts'
import type { Lane } from '../../src/upstream/lane/lane.ts'
import type { Server } from '../../src/upstream/server/server.ts'

/** What a list is kept by of its server and of its connection. */
function placeOf(more: { name?: string; key?: string; lane?: boolean } = {}) {
  const server = { name: more.name ?? 'one', listVersions: { tools: 0, prompts: 0, resources: 0 } }
  const lane = more.lane === true ? { established: true } : null
  const place: ListPlace = {
    server: server as unknown as Server,
    kind: 'tools',
    key: more.key ?? 'all',
    lane: lane as unknown as Lane | null,
  }
  return { server, lane, place }
}

function listOf(name: string, chars = 0): MemberList {
  return new MemberList([{ name, text: `{"name":"${name}"}`.padEnd(chars), readOnlyHint: false }])
}

function keep(kept: KeptLists, place: ListPlace, list = listOf('a'), keepMs = 60_000): Promise<MemberList> {
  return kept.read(place, async () => ({ list, keepMs })).list
}

describe('a list is used again', () => {
  const rows: {
    why: string
    lane?: boolean
    asked: (known: ReturnType<typeof placeOf>) => ListPlace
    used: boolean
  }[] = [
    { why: 'as long as nothing has changed', asked: ({ place }) => place, used: true },
    {
      why: 'until its server says that it has changed',
      asked: ({ server, place }) => {
        server.listVersions.tools++
        return place
      },
      used: false,
    },
    {
      why: 'also when another list of the server has changed',
      asked: ({ server, place }) => {
        server.listVersions.prompts++
        return place
      },
      used: true,
    },
    { why: 'not for another client', asked: ({ place }) => ({ ...place, key: 'other' }), used: false },
    { why: 'not for another list', asked: ({ place }) => ({ ...place, kind: 'prompts' }), used: false },
    {
      why: 'not for another server of that name',
      asked: ({ place }) => ({ ...place, server: placeOf().place.server }),
      used: false,
    },
    {
      why: 'on its connection',
      lane: true,
      asked: ({ place }) => place,
      used: true,
    },
    {
      why: 'not on another connection',
      lane: true,
      asked: ({ place }) => ({ ...place, lane: placeOf({ lane: true }).place.lane }),
      used: false,
    },
    {
      why: 'not once its connection has ended',
      lane: true,
      asked: ({ lane, place }) => {
        if (lane) lane.established = false
        return place
      },
      used: false,
    },
  ]
  test.each(rows)('$why', async ({ lane = false, asked, used }) => {
    const kept = new KeptLists()
    const known = placeOf({ lane })
    const list = await keep(kept, known.place)
    expect(kept.take(asked(known))).toBe(used ? list : null)
  })
})

test('a list is kept for as long as it says, and no longer than five minutes', async () => {
  const kept = new KeptLists()
  const { place } = placeOf()
  const list = await keep(kept, place, listOf('a'), 1_000)
  expect(kept.take(place, performance.now() + 900)).toBe(list)
  expect(kept.take(place, performance.now() + 1_001)).toBeNull()
  await keep(kept, place, listOf('a'), Number.POSITIVE_INFINITY)
  expect(kept.take(place, performance.now() + 300_001)).toBeNull()
  await keep(kept, place, listOf('a'), 0)
  expect(kept.take(place)).toBeNull()
})

test('who asks for a list that is on its way waits for it, and what changed meanwhile is asked for again', async () => {
  const kept = new KeptLists()
  const { server, place } = placeOf()
  const { promise, resolve } = Promise.withResolvers<{ list: MemberList; keepMs: number }>()
  const first = kept.read(place, () => promise)
  const second = kept.read(place, () => Promise.reject(new Error('asked twice')))
  expect(second).toBe(first)
  server.listVersions.tools++
  resolve({ list: listOf('a'), keepMs: 60_000 })
  await first.list
  expect(kept.take(place)).toBeNull()
})

test('a list that could not be read is asked for again', async () => {
  const kept = new KeptLists()
  const { place } = placeOf()
  await expect(kept.read(place, () => Promise.reject(new Error('no'))).list).rejects.toThrow('no')
  const list = await keep(kept, place)
  expect(kept.take(place)).toBe(list)
})

test('equal lists stand there once, and those that were used last stay when there is no more room', async () => {
  const kept = new KeptLists()
  const chars = 10 * 1024 * 1024
  const [first, second, third, fourth] = ['1', '2', '3', '4'].map((key) => placeOf({ key }).place)
  if (!first || !second || !third || !fourth) throw new Error('no places')
  const big = await keep(kept, first, listOf('big', chars))
  expect(await keep(kept, second, listOf('big', chars))).toBe(big)
  await keep(kept, third, listOf('b', chars))
  await keep(kept, fourth, listOf('c', chars))
  for (const place of [first, second, third, fourth]) expect(kept.take(place)).not.toBeNull()
  kept.take(third)
  await keep(kept, placeOf({ key: '5' }).place, listOf('d', chars))
  expect([first, second, third, fourth].map((place) => kept.take(place) !== null)).toEqual([
    false,
    false,
    true,
    true,
  ])
})

test('what nobody may use any more is let go of', async () => {
  const kept = new KeptLists()
  const { lane, place } = placeOf({ lane: true })
  await keep(kept, place)
  if (lane) lane.established = false
  kept.sweep(performance.now())
  if (lane) lane.established = true
  expect(kept.take(place)).toBeNull()
})

describe('a list is kept', () => {
  const announces = { tools: { listChanged: true } }
  const rows: [string, Parameters<typeof keepMsOf>, number][] = [
    [
      'for minutes where a session-based server announces changes',
      [{ era: 'legacy', capabilities: announces }, 'tools', null, true],
      300_000,
    ],
    [
      'for a second where it does not',
      [{ era: 'legacy', capabilities: { tools: {} } }, 'tools', null, true],
      1_000,
    ],
    [
      'as long as a stateless server says',
      [{ era: 'modern', capabilities: announces }, 'tools', 5_000, false],
      5_000,
    ],
    [
      'not at all where it says nothing',
      [{ era: 'modern', capabilities: announces }, 'tools', null, false],
      0,
    ],
    [
      'for a second where its changes are listened to',
      [{ era: 'modern', capabilities: announces }, 'tools', 0, true],
      1_000,
    ],
  ]
  test.each(rows)('%s', (_why, args, ms) => {
    expect(keepMsOf(...args)).toBe(ms)
  })
})
