/** Keys in use: who is found by which text, what rotation, expiry and a reload do, and what is kept of all that. */
import { describe, expect, setSystemTime, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyAdmin } from '../../../src/identity/keys/key-admin.ts'
import { hashOfKey, makeKeyText } from '../../../src/identity/keys/key-text.ts'
import { IdentityOpener } from '../../../src/identity/open-identity.ts'
import { type FileKey, keyOf, type NewKeyWire } from '../../../src/registry/access/key-schema.ts'
import { openSqliteStore } from '../../../src/registry/storage/sqlite.ts'
import { createMemoryStore, type DefinitionStore } from '../../../src/registry/storage/store.ts'
import { defaultConfig } from '../../support/default-config.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }
const open: NewKeyWire = { name: 'ci', access: [{ servers: ['docs'] }] }

async function keysOf(store: DefinitionStore = createMemoryStore(), directory: string | null = null) {
  const config = defaultConfig({ stateDirectory: '/', terminal: false })
  const opener = new IdentityOpener(log, { privateUpstreams: 'allowed' }, () => config, { store, directory })
  const take = (keys: readonly FileKey[]) => opener.open({ ...config, auth: { ...config.auth, keys } })
  let changes = 0
  opener.whenKeysChange(() => changes++)
  await take([])
  const admin: KeyAdmin = await opener.loadKeys()
  const { keys: ring } = opener
  if (ring === null) throw new Error('the keys are loaded')
  return { opener, admin, ring, take, changes: () => changes }
}

function fileKey(id: string, text: string, more: Partial<NewKeyWire> = {}): FileKey {
  return { ...keyOf(id, { ...open, name: `name-${id}`, ...more }, null), hash: hashOfKey(text) }
}

test('nothing is loaded while there is no key', async () => {
  const config = defaultConfig({ stateDirectory: '/', terminal: false })
  const place = { store: createMemoryStore(), directory: null }
  const opener = new IdentityOpener(log, { privateUpstreams: 'allowed' }, () => config, place)
  await opener.open(config)
  expect(opener.keys).toBeNull()
})

describe('who is found', () => {
  test.each([
    { why: 'the key', of: (text: string) => text, found: true },
    { why: 'another secret', of: (text: string) => makeKeyText(text.slice(4, 12)), found: false },
    { why: 'another id', of: () => makeKeyText('aaaaaaaa'), found: false },
    { why: 'the id', of: (text: string) => text.slice(4, 12), found: false },
    { why: 'its hash', of: hashOfKey, found: false },
    { why: 'with a blank', of: (text: string) => `${text} `, found: false },
    { why: 'no text', of: () => '', found: false },
    {
      why: 'a property of every object',
      of: () => 'cpz_toString_00000000000000000000000000000000000000',
      found: false,
    },
  ])('$why: $found', async ({ of, found }) => {
    const { admin, ring } = await keysOf()
    const { text, report } = admin.create(open)
    expect(ring.find(of(text))?.id ?? null).toBe(found ? `key:${report.id}` : null)
  })

  test('one object as long as the key is what it is, and the next one has the same grants', async () => {
    const { admin, ring } = await keysOf()
    const { text, report } = admin.create(open)
    const before = ring.find(text)
    expect(ring.find(text)).toBe(before)
    admin.change(report.id, { name: 'cd' })
    const after = ring.find(text)
    expect([after?.name, after === before, after?.grants === before?.grants]).toEqual(['cd', false, true])
    expect(before && ring.current(before)).toBe(after)
  })
})

describe('a rotation', () => {
  test('leaves both texts for a day, as one principal, and then the new one', async () => {
    const { admin, ring, opener, changes } = await keysOf()
    const made = admin.create(open)
    const rotated = admin.rotate(made.report.id, 24 * 3_600_000)
    const [before, after] = [ring.find(made.text), ring.find(rotated.text)]
    expect(before?.id).toBe(after?.id)
    const told = changes()
    try {
      setSystemTime(new Date(Date.now() + 24 * 3_600_000 - 1_000))
      opener.sweep(0)
      expect([ring.find(made.text)?.id, changes() - told]).toEqual([after?.id, 0])
      setSystemTime(new Date(Date.now() + 2_000))
      opener.sweep(250)
      expect([ring.find(made.text), ring.find(rotated.text)?.id, changes() - told]).toEqual([
        null,
        after?.id,
        1,
      ])
      expect([before?.grants?.counts, after?.grants?.counts]).toEqual([false, true])
    } finally {
      setSystemTime()
    }
  })

  test('in the overlap of another one leaves the last two texts', async () => {
    const { admin, ring } = await keysOf()
    const first = admin.create(open)
    const second = admin.rotate(first.report.id, 60_000)
    const third = admin.rotate(first.report.id, 60_000)
    const found = [first, second, third].map(({ text }) => ring.find(text) !== null)
    expect(found).toEqual([false, true, true])
  })

  test('without overlap ends the old text at once, with what was opened with it', async () => {
    const { admin, ring } = await keysOf()
    const first = admin.create(open)
    const principal = ring.find(first.text)
    const second = admin.rotate(first.report.id, 0)
    expect([ring.find(first.text), principal?.grants?.counts]).toEqual([null, false])
    expect([ring.find(second.text)?.id, second.report.previousEnds]).toEqual([principal?.id, null])
  })
})

test('a key that has ended counts no more, and whoever listens is told once', async () => {
  const { admin, ring, opener, changes } = await keysOf()
  const soon = new Date(Date.now() + 5_000).toISOString()
  const { text, report } = admin.create({ ...open, expires: soon })
  const principal = ring.find(text)
  const told = changes()
  try {
    setSystemTime(new Date(Date.now() + 6_000))
    expect([ring.find(text), principal?.grants?.counts, principal && ring.current(principal)]).toEqual([
      null,
      false,
      null,
    ])
    for (const nowMs of [0, 250, 500]) opener.sweep(nowMs)
    expect(() => admin.rotate(report.id, 0)).toThrow('the key has ended')
    expect(changes() - told).toBe(1)
    expect(admin.list()[0]).toMatchObject({ expired: true })
  } finally {
    setSystemTime()
  }
})

test('an end that a clock was set back before comes once more, and whoever listens is told again', async () => {
  const { admin, ring, opener, changes } = await keysOf()
  const startMs = Date.now()
  const { text } = admin.create({ ...open, expires: new Date(startMs + 5_000).toISOString() })
  const at = (ms: number) => {
    setSystemTime(new Date(startMs + ms))
    opener.sweep(ms)
    return [ring.find(text) !== null, changes()] as const
  }
  try {
    const [, told] = at(6_000)
    expect(at(1_000)).toEqual([true, told + 1])
    expect(at(4_000)).toEqual([true, told + 1])
    expect(at(5_500)).toEqual([false, told + 2])
  } finally {
    setSystemTime()
  }
})

test('a key lasts 90 days unless its maker says otherwise; one of the file for ever', async () => {
  const { admin, take } = await keysOf()
  const days = (text: string | null) =>
    text === null ? null : Math.round((Date.parse(text) - Date.now()) / 86_400_000)
  expect(days(admin.create(open).report.expires)).toBe(90)
  expect(days(admin.create({ ...open, name: 'a', expires: null }).report.expires)).toBeNull()
  await take([fileKey('aaaaaaaa', makeKeyText('aaaaaaaa'))])
  expect(days(admin.get('aaaaaaaa').expires)).toBeNull()
})

describe('a reload', () => {
  const [one, two] = [makeKeyText('aaaaaaaa'), makeKeyText('aaaaaaaa')]
  test('takes a change, and its principal goes on', async () => {
    const { ring, take } = await keysOf()
    await take([fileKey('aaaaaaaa', one)])
    const before = ring.find(one)
    await take([fileKey('aaaaaaaa', one, { access: [] })])
    expect([before?.grants?.counts, ring.find(one)?.grants === before?.grants]).toEqual([true, true])
  })

  test('keeps what has not changed as it is', async () => {
    const { ring, take } = await keysOf()
    await take([fileKey('aaaaaaaa', one)])
    const before = ring.find(one)
    await take([fileKey('aaaaaaaa', one)])
    expect(ring.find(one)).toBe(before)
  })

  test('with another hash ends what the old text had opened', async () => {
    const { ring, take } = await keysOf()
    await take([fileKey('aaaaaaaa', one)])
    const before = ring.find(one)
    await take([fileKey('aaaaaaaa', two)])
    expect([ring.find(one), before?.grants?.counts, ring.find(two)?.id]).toEqual([
      null,
      false,
      'key:aaaaaaaa',
    ])
  })

  test('without a key ends it', async () => {
    const { ring, take } = await keysOf()
    await take([fileKey('aaaaaaaa', one)])
    const before = ring.find(one)
    await take([])
    expect([ring.find(one), before?.grants?.counts]).toEqual([null, false])
  })
})

describe('a disk that is full', () => {
  /** Takes so many more changes. */
  function storeOf(changes: number): DefinitionStore {
    const store = createMemoryStore()
    let left = changes
    return {
      ...store,
      putRecords(...change) {
        if (left-- <= 0) throw new Error('full')
        store.putRecords(...change)
      },
    }
  }

  test('makes no key, and closes no door', async () => {
    const { admin, ring } = await keysOf(storeOf(0))
    expect(() => admin.create(open)).toThrow('full')
    expect([admin.list(), ring.closes('clients')]).toEqual([[], false])
  })

  test('leaves a key as it is, and what it guards closed, at whichever of the changes it is full', async () => {
    for (const changes of [1, 2]) {
      const { admin, ring } = await keysOf(storeOf(changes))
      const { text, report } = admin.create(open)
      expect(() => admin.revoke(report.id, false)).toThrow('full')
      expect([ring.find(text)?.id, ring.closes('clients')]).toEqual([`key:${report.id}`, true])
    }
    const revoked = await keysOf(storeOf(2))
    const made = revoked.admin.create(open)
    expect(() => revoked.admin.revoke(made.report.id, true)).toThrow('full')
    expect(revoked.ring.find(made.text)).toBeNull()
    const { admin, ring } = await keysOf(storeOf(1))
    const { text, report } = admin.create(open)
    expect(() => admin.change(report.id, { name: 'x' })).toThrow('full')
    expect(() => admin.rotate(report.id, 0)).toThrow('full')
    expect(ring.find(text)?.name).toBe('ci')
  })
})

describe('the state directory', () => {
  test('has no text of a key, and gives back what was made, changed and rotated', async () => {
    using directory = temporaryDirectory({})
    const store = openSqliteStore(directory.path)
    const { admin } = await keysOf(store, directory.path)
    const made = admin.create({ ...open, user: 'svc', rate: { perSecond: 5 }, inFlight: 3 })
    admin.change(made.report.id, { name: 'cd', inFlight: null })
    const rotated = admin.rotate(made.report.id, 60_000)
    const before = admin.list()
    store.close()
    const bytes = readFileSync(join(directory.path, 'definitions.sqlite'), 'latin1')
    for (const { text } of [made, rotated]) expect(bytes.includes(text.slice(13, 45))).toBe(false)

    const again = await keysOf(openSqliteStore(directory.path), directory.path)
    expect(again.admin.list()).toEqual(before)
    for (const { text } of [made, rotated]) expect(again.ring.find(text)?.name).toBe('cd')
  })

  test('says when a key was used last, also after a restart, and never what it is', async () => {
    using directory = temporaryDirectory({})
    const store = openSqliteStore(directory.path)
    const { admin, ring, opener } = await keysOf(store, directory.path)
    const { text, report } = admin.create(open)
    ring.find(text)
    const { lastUsedAt } = admin.get(report.id)
    opener.close()
    store.close()
    expect(readFileSync(join(directory.path, 'key-use.json'), 'utf8')).not.toContain(text.slice(13))
    const again = await keysOf(openSqliteStore(directory.path), directory.path)
    expect([typeof lastUsedAt, again.admin.get(report.id).lastUsedAt]).toEqual(['string', lastUsedAt])
  })

  test('with a broken file of last uses starts all the same', async () => {
    using directory = temporaryDirectory({ 'key-use.json': '{"a' })
    const store = openSqliteStore(directory.path)
    const { admin } = await keysOf(store, directory.path)
    expect(admin.create(open).report.lastUsedAt).toBeNull()
    store.close()
  })

  test('with a record that cannot be read does not start, and says which', async () => {
    const store = createMemoryStore()
    store.putRecords('key', new Map([['aaaaaaaa', '{"name":1}']]))
    await expect(keysOf(store)).rejects.toThrow('The stored key "aaaaaaaa" cannot be read')
  })

  test('stays within 10,000 keys', async () => {
    const store = createMemoryStore()
    const { admin } = await keysOf(store)
    const { report } = admin.create(open)
    const record = store.records('key').get(report.id) ?? ''
    const many = Array.from({ length: 9_999 }, (_, n) => {
      const id = `k${String(n).padStart(7, '0')}`
      return [id, record.replace('"ci"', `"name-${n}"`)] as const
    })
    store.putRecords('key', new Map(many))
    const full = await keysOf(store)
    expect(() => full.admin.create({ ...open, name: 'one-more' })).toThrow('There are 10000 keys')
  })
})
