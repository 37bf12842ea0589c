/** Definitions, keys and approvals that all replicas share: who has what when, and what becomes of it in faults. */
import { afterEach, describe, expect, test } from 'bun:test'
import { MemoryDirectory } from '../../src/cluster/directory/memory-directory.ts'
import type { ClusterStore } from '../../src/cluster/records/cluster-store.ts'
import { RecordBook } from '../../src/cluster/records/record-book.ts'
import { createSeal } from '../../src/cluster/seal.ts'
import { openSqliteStore } from '../../src/registry/storage/sqlite.ts'
import { createMemoryStore } from '../../src/registry/storage/store.ts'
import { definitionOf } from '../registry/definitions.ts'
import { poll } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { joined, secret, type TestMember, testLog } from './members.ts'

const members: TestMember[] = []
afterEach(async () => {
  for (const { cluster, directory } of members.splice(0)) {
    directory.cut(false)
    await cluster.close()
  }
})

async function join(memory: MemoryDirectory, options: Parameters<typeof joined>[1] = {}) {
  const member = await joined(memory, options)
  members.push(member)
  const store = member.cluster.shared
  if (store === null) throw new Error('nothing is shared')
  return { ...member, store }
}

const server = (name: string, url = 'http://127.0.0.1:1/mcp') =>
  definitionOf({ name, transport: 'streamable-http', url, headers: { 'X-Api-Key': 'canary-secret' } })
const keyChange = (id: string, text: string | null) => new Map([[id, text]])

/** What a store holds that its members must agree on. */
const contents = (store: ClusterStore) => ({
  definitions: store.list().map(({ name, url }) => `${name} ${url}`),
  switches: [...store.switches()].sort(),
  keys: [...store.records('key')].sort(),
  doors: [...store.records('closed door')],
})

async function untilEqual(...stores: readonly ClusterStore[]): Promise<void> {
  const [first, ...others] = stores
  if (first === undefined) return
  await poll('all to know the same', async () =>
    others.every((store) => Bun.deepEquals(contents(store), contents(first))),
  )
}

describe('a change', () => {
  test('is with the others within 200 ms of its answer, whole, and told once as a change from outside', async () => {
    const memory = new MemoryDirectory()
    const [one, other] = [await join(memory), await join(memory)]
    const told: string[] = []
    other.store.listen(
      ({ definitions, switches, records }) =>
        void told.push(JSON.stringify({ definitions, switches, records })),
    )
    await one.store.confirm(async () => one.store.put(server('a')))
    const beganMs = performance.now()
    await poll('the server', async () => other.store.get('a') !== undefined, 200)
    expect(performance.now() - beganMs).toBeLessThan(200)
    expect(other.store.get('a')).toEqual(server('a'))
    await one.store.confirm(async () => {
      one.store.setDisabled('a', '2026-01-01T00:00:00.000Z')
      one.store.putRecords('key', keyChange('k1', 'text'))
      one.store.putRecords('closed door', keyChange('clients', 'now'))
    })
    await untilEqual(one.store, other.store)
    await one.store.confirm(async () => void one.store.delete('a'))
    await untilEqual(one.store, other.store)
    expect(contents(other.store)).toEqual({
      definitions: [],
      switches: [],
      keys: [['k1', 'text']],
      doors: [['clients', 'now']],
    })
    expect(told[0]).toBe('{"definitions":["a"],"switches":[],"records":[]}')
  })

  test('is there within a second when no hint arrives', async () => {
    const memory = new MemoryDirectory()
    const [one, other] = [await join(memory, { leaseMs: 4_000 }), await join(memory, { leaseMs: 4_000 })]
    one.directory.hint = () => {}
    await one.store.confirm(async () => one.store.put(server('a')))
    await poll('the server', async () => other.store.get('a') !== undefined, 1_200)
  })

  test('is refused while the directory is down, and nothing has changed', async () => {
    const member = await join(new MemoryDirectory())
    await member.store.confirm(async () => member.store.put(server('a')))
    member.directory.cut(true)
    expect(() => member.store.put(server('b'))).toThrow('does not answer')
    expect(() => member.store.delete('a')).toThrow('does not answer')
    expect(contents(member.store).definitions).toEqual(['a http://127.0.0.1:1/mcp'])
  })

  test('is taken back when the directory goes in the middle of it, and its maker is told', async () => {
    const memory = new MemoryDirectory()
    const { store, directory } = await join(memory)
    await store.confirm(async () => store.putRecords('key', keyChange('k1', 'before')))
    const told: string[] = []
    store.listen(({ definitions, records }) => void told.push(...definitions, ...records))
    const attempt = store.confirm(async () => {
      store.put(server('b'))
      store.putRecords('key', keyChange('k1', 'after'))
      expect(store.records('key').get('k1')).toBe('after')
      directory.cut(true)
    })
    await expect(attempt).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await poll('both to be taken back', async () => told.length >= 2)
    expect(told.sort()).toEqual(['b', 'key'])
    expect([store.get('b'), store.records('key').get('k1')]).toEqual([undefined, 'before'])
  })

  test('of the same by two at once is made by one, and the other one is told', async () => {
    const memory = new MemoryDirectory()
    const [one, other] = [await join(memory), await join(memory)]
    const attempts = await Promise.allSettled([
      one.store.confirm(async () => one.store.put(server('a', 'http://127.0.0.1:1/one'))),
      other.store.confirm(async () => other.store.put(server('a', 'http://127.0.0.1:1/other'))),
    ])
    expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await untilEqual(one.store, other.store)
    const winner = attempts[0].status === 'fulfilled' ? 'one' : 'other'
    expect(one.store.get('a')?.url).toBe(`http://127.0.0.1:1/${winner}`)
  })

  test('after change, by three at once, leaves all with the same, and none is lost that was answered', async () => {
    const memory = new MemoryDirectory()
    const three = [await join(memory), await join(memory), await join(memory)]
    const answered = new Map<string, string>()
    await Promise.all(
      three.map(async ({ store }, who) => {
        for (let round = 0; round < 20; round++) {
          const [id, text] = [`k${who}-${round % 5}`, `${round}`]
          await store.confirm(async () => store.putRecords('key', keyChange(id, text)))
          answered.set(id, text)
        }
      }),
    )
    const [first, ...others] = three.map(({ store }) => store)
    if (first === undefined) throw new Error('nobody')
    await untilEqual(first, ...others)
    expect(new Map(first.records('key'))).toEqual(answered)
  })
})

describe('a directory that was emptied', () => {
  test('has everything again within two seconds, also what was removed, and the last state of it', async () => {
    const memory = new MemoryDirectory()
    const [one, other] = [await join(memory), await join(memory)]
    await one.store.confirm(async () => {
      for (let at = 0; at < 300; at++) one.store.putRecords('key', keyChange(`k${at}`, `${at}`))
      one.store.put(server('a'))
    })
    await other.store.confirm(async () => void one.store.putRecords('key', keyChange('k7', null)))
    await untilEqual(one.store, other.store)
    memory.clear()
    const beganMs = performance.now()
    const late = await join(memory)
    await untilEqual(one.store, late.store)
    expect(performance.now() - beganMs).toBeLessThan(2_000)
    expect(late.store.records('key').size).toBe(299)
    expect(contents(other.store)).toEqual(contents(late.store))
  })

  test('has again what it dropped without a word, though nobody has lost the connection', async () => {
    const memory = new MemoryDirectory()
    const inner = memory.open()
    const restored: string[] = []
    let isLost = false
    const book = new RecordBook({
      directory: {
        ...inner,
        async changesSince(from) {
          const answer = await inner.changesSince(from)
          return isLost ? { ...answer, records: [] } : answer
        },
        async restore(records) {
          restored.push(...records.map(({ key }) => key))
        },
      },
      seal: createSeal([secret]),
      log: testLog(),
      start: { records: new Map(), syncedMs: null },
      compareMs: 20,
      nowMs: () => Date.now(),
      changed() {},
    })
    await book.reconcile()
    await book.write(new Map([['key/k1', 'text']]))
    const { era, sequence } = await inner.changesSince(0)
    isLost = true
    await poll('the record', async () => {
      book.noticed(era, sequence)
      return restored.includes('key/k1')
    })
  })

  test.each([
    { why: 'goes on by days', clocks: [0, 2] },
    { why: 'was behind by days, and is right again', clocks: [-2, 0] },
  ])(
    'is not forgotten where the clock of the directory $why',
    async ({ clocks: [before = 0, after = 0] }) => {
      const memory = new MemoryDirectory()
      const dayMs = 24 * 60 * 60_000
      let aheadMs = before * dayMs
      const book = new RecordBook({
        ...{ directory: memory.open(), seal: createSeal([secret]), log: testLog(), changed() {} },
        start: { records: new Map(), syncedMs: null },
        nowMs: () => Date.now() + aheadMs,
      })
      await book.untilBegun(0)
      const begun = await memory.open().changesSince(0)
      await book.write(new Map([['key/k1', 'text']]))
      await book.reconcile()
      memory.clear()
      await memory.open().restore(begun.records)
      aheadMs = after * dayMs
      await book.reconcile()
      expect(book.get('key/k1')).toBe('text')
    },
  )

  test('brings back what only one member knew, and of each record the newest', async () => {
    const memory = new MemoryDirectory()
    const [one, other] = [await join(memory), await join(memory)]
    await one.store.confirm(async () => one.store.putRecords('key', keyChange('k1', 'older')))
    await untilEqual(one.store, other.store)
    other.directory.cut(true)
    await one.store.confirm(async () => one.store.putRecords('key', keyChange('k1', 'newer')))
    one.directory.cut(true)
    // What a failover loses: the last writes.
    memory.clear()
    other.directory.cut(false)
    await poll('the older state', async () => (await memory.open().changesSince(0)).records.length === 2)
    one.directory.cut(false)
    await poll('the newer one', async () => other.store.records('key').get('k1') === 'newer')
  })
})

describe('a replica that begins anew', () => {
  test('knows from its state directory what was shared, while the directory is away', async () => {
    using files = temporaryDirectory()
    const memory = new MemoryDirectory()
    const first = await join(memory, { local: openSqliteStore(files.path) })
    await first.store.confirm(async () => {
      first.store.put(server('a'))
      first.store.setDisabled('a', '2026-01-01T00:00:00.000Z')
      first.store.putRecords('key', keyChange('k1', 'text'))
    })
    const before = contents(first.store)
    await first.cluster.close()
    first.store.close()
    const again = await joined(new MemoryDirectory(), { local: openSqliteStore(files.path) })
    members.push(again)
    expect(again.cluster.shared?.wasSynced).toBe(true)
    expect(again.cluster.shared && contents(again.cluster.shared)).toEqual(before)
    again.cluster.shared?.close()
  })

  test('brings along what it had alone, where nobody else has the name', async () => {
    const memory = new MemoryDirectory()
    const { store } = await join(memory)
    await store.confirm(async () => store.put(server('both', 'http://127.0.0.1:1/shared')))
    const local = createMemoryStore()
    local.put(server('both', 'http://127.0.0.1:1/alone'))
    local.put(server('own'))
    const late = await join(memory, { local })
    await untilEqual(late.store, store)
    expect(contents(store).definitions).toEqual([
      'both http://127.0.0.1:1/shared',
      'own http://127.0.0.1:1/mcp',
    ])
  })

  test('with nothing waits for the others where the directory was just emptied, and not where it was not', async () => {
    const memory = new MemoryDirectory()
    const { store, directory } = await join(memory)
    await store.confirm(async () => store.putRecords('closed door', keyChange('clients', 'now')))
    const quick = performance.now()
    await join(memory, { untilBegunMs: 5_000 })
    expect(performance.now() - quick).toBeLessThan(1_000)
    directory.cut(true)
    memory.clear()
    const late = join(memory, { untilBegunMs: 5_000 })
    setTimeout(() => directory.cut(false), 300)
    expect((await late).store.records('closed door').has('clients')).toBe(true)
  })

  test('does not bring back what was removed while it was away', async () => {
    using files = temporaryDirectory()
    const memory = new MemoryDirectory()
    const away = await join(memory, { local: openSqliteStore(files.path) })
    const other = await join(memory)
    await away.store.confirm(async () => away.store.putRecords('key', keyChange('k1', 'text')))
    await untilEqual(away.store, other.store)
    away.store.close()
    await away.cluster.close()
    await other.store.confirm(async () => other.store.putRecords('key', keyChange('k1', null)))
    const again = await join(memory, { local: openSqliteStore(files.path) })
    expect(again.store.records('key').size).toBe(0)
    await untilEqual(again.store, other.store)
    again.store.close()
  })
})

test('a secret is replaced while replicas serve, and the old one opens nothing that is needed afterwards', async () => {
  const memory = new MemoryDirectory()
  const [old, next] = ['o'.repeat(32), 'n'.repeat(32)]
  const first = await join(memory, { secret: old })
  await first.store.confirm(async () => {
    first.store.put(server('a'))
    first.store.putRecords('key', keyChange('k1', 'text'))
  })
  await first.store.confirm(async () => first.store.putRecords('key', keyChange('k2', 'gone')))
  await first.store.confirm(async () => first.store.putRecords('key', keyChange('k2', null)))
  await join(memory, { secret: [old, next] })
  await join(memory, { secret: [next, old] })
  const last = await join(memory, { secret: next })
  expect(last.store.book.isForeign).toBe(false)
  expect(contents(last.store)).toMatchObject({
    definitions: ['a http://127.0.0.1:1/mcp'],
    keys: [['k1', 'text']],
  })
  const seal = createSeal([next])
  for (const { key, version, sealed } of (await memory.open().changesSince(0)).records)
    expect(seal.isCurrent('record', `${version} ${key}`, sealed)).toBe(true)
})

describe('somebody who can write to the directory, and has no secret', () => {
  test('makes no key, moves none, removes none and brings no older one back', async () => {
    const memory = new MemoryDirectory()
    const member = await join(memory, { leaseMs: 4_000 })
    const { store } = member
    await store.confirm(async () => store.putRecords('key', keyChange('k1', 'first')))
    const open = memory.open()
    const recordOf = async (key: string) =>
      (await open.changesSince(0)).records.find((record) => record.key === key)
    const old = await recordOf('key/k1')
    await store.confirm(async () => store.putRecords('key', keyChange('k1', 'second')))
    const current = await recordOf('key/k1')
    if (old === undefined || current === undefined) throw new Error('not written')
    const forged = createSeal(['x'.repeat(32)]).seal(
      'record',
      `${current.version + 1} key/k1`,
      '{"text":"mine"}',
    )
    const version = current.version + 10
    await open.restore([
      { ...current, version, sealed: forged },
      { ...current, key: 'key/k2', version },
      { ...old, version },
      {
        key: 'key/k3',
        version,
        sealed: createSeal([secret]).seal('owned', `${version} key/k3`, '{"text":"x"}'),
        removed: false,
      },
    ])
    await open.restore([{ ...current, version: version + 1, removed: true }])
    open.hint('records')
    await poll('the records to be looked at', async () =>
      member.log.lines.some((line) => line.includes('a shared record is passed over')),
    )
    expect([...store.records('key')]).toEqual([['k1', 'second']])
  })

  test('is told apart from replicas by its secret, which is never the same by mistake', async () => {
    const memory = new MemoryDirectory()
    await join(memory)
    const other = await join(memory, { secret: 'another secret, of another cluster.', untilBegunMs: 1_000 })
    expect(other.store.book.isForeign).toBe(true)
  })

  test('reads no credential there', async () => {
    const memory = new MemoryDirectory()
    const { store } = await join(memory)
    await store.confirm(async () => {
      store.put(server('a'))
      store.putRecords('key', keyChange('k1', 'canary-secret'))
    })
    const { records } = await memory.open().changesSince(0)
    expect(records).toHaveLength(3)
    const dump = JSON.stringify(records)
    expect(dump).not.toContain('canary')
    expect(Buffer.from(dump, 'base64').toString('latin1')).not.toContain('canary')
  })
})
