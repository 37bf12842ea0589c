/** Where a request goes whose owner is elsewhere, gone or in doubt: it runs once at most, and waits rather than fails. */
import { describe, expect, test } from 'bun:test'
import { DirectoryDown, type InstanceId } from '../../../src/cluster/directory/directory.ts'
import { MemoryDirectory } from '../../../src/cluster/directory/memory-directory.ts'
import { type OwnedThing, OwnerSearch } from '../../../src/cluster/forward/owner-search.ts'
import type { Forwarded, Peer } from '../../../src/cluster/forward/wire/forwarder.ts'

const key = 's:one'
const claim = (instance: InstanceId) => ({ instance, record: '', livesMs: 60_000 })
const answered = (): Forwarded => ({ kind: 'answered', response: new Response('yes') })

interface World {
  /** Whom a request was sent to, in order. */
  readonly sent: InstanceId[]
  readonly takenOver: (InstanceId | null)[]
  register(owner: InstanceId): Promise<unknown>
  find(): Promise<Response | 'here' | 'gone'>
}

interface Surroundings {
  /** Who owns it by the directory; null for nobody. */
  readonly owner: InstanceId | null
  readonly first: InstanceId
  readonly dead?: readonly InstanceId[]
  /** What each member does with it, one after the other; the last one again and again. */
  readonly does: Readonly<Record<InstanceId, readonly Forwarded['kind'][]>>
  readonly isDown?: boolean
  /** The directory was emptied a moment ago. */
  readonly isNew?: boolean
}

async function world({ owner, first, dead = [], does, isDown, isNew }: Surroundings): Promise<World> {
  const directory = new MemoryDirectory().open()
  if (owner !== null) await directory.claim(key, claim(owner))
  let isHere = false
  const sent: InstanceId[] = []
  const takenOver: (InstanceId | null)[] = []
  const members = {
    self: { instance: 'me' },
    addressOf: (instance: InstanceId) => `${instance}:1`,
    refresh: async () => true,
    isUnderstood: (instance: InstanceId) => instance !== 'older',
    eraAgeMs: isNew ? 0 : 60_000,
    isKnownDead: () => false,
    isDead: (instance: InstanceId) => Promise.resolve(dead.includes(instance)),
  }
  const find = isDown ? () => Promise.reject(new DirectoryDown('down')) : directory.find.bind(directory)
  const search = new OwnerSearch(members, { find })
  const thing: OwnedThing = {
    key,
    first,
    here: () => Promise.resolve(isHere),
    takeOver(found) {
      takenOver.push(found?.owner ?? null)
      isHere = found !== null
      return Promise.resolve(found === null ? null : 'me')
    },
  }
  const send = ({ instance }: Peer): Promise<Forwarded> => {
    const kinds = does[instance] ?? ['unsent']
    const kind = kinds[Math.min(sent.filter((one) => one === instance).length, kinds.length - 1)]
    sent.push(instance)
    if (kind === 'misdirected') return Promise.resolve({ kind, owner })
    return Promise.resolve(kind === 'answered' || kind === undefined ? answered() : { kind })
  }
  const register = (instance: InstanceId) => directory.claim(key, claim(instance))
  return { sent, takenOver, register, find: () => search.find(thing, send) }
}

describe('a request whose owner is elsewhere', () => {
  test('goes where its id says, and asks nobody', async () => {
    const at = await world({ owner: null, first: 'a', does: { a: ['answered'] }, isDown: true })
    expect(await at.find()).toBeInstanceOf(Response)
    expect(at.sent).toEqual(['a'])
  })

  test('follows whoever says that it belongs to somebody else', async () => {
    const at = await world({ owner: 'b', first: 'a', does: { a: ['misdirected'], b: ['answered'] } })
    expect(await at.find()).toBeInstanceOf(Response)
    expect(at.sent).toEqual(['a', 'b'])
  })

  test('goes to the new owner from then on', async () => {
    const at = await world({ owner: 'b', first: 'a', does: { a: ['misdirected'], b: ['answered'] } })
    await at.find()
    await at.find()
    expect(at.sent).toEqual(['a', 'b', 'b'])
  })

  test('asks the directory where nobody is reached', async () => {
    const at = await world({ owner: 'b', first: 'a', does: { a: ['unsent'], b: ['answered'] } })
    expect(await at.find()).toBeInstanceOf(Response)
    expect(at.sent).toEqual(['a', 'b'])
  })

  test('waits for an owner that is silent and not known to be dead', async () => {
    const at = await world({ owner: 'a', first: 'a', does: { a: ['unsent', 'unsent', 'answered'] } })
    expect(await at.find()).toBeInstanceOf(Response)
    expect(at.takenOver).toEqual([])
  })

  test('is served here once its owner is known to be dead', async () => {
    const at = await world({ owner: 'a', first: 'a', dead: ['a'], does: { a: ['unsent'] } })
    expect(await at.find()).toBe('here')
    expect(at.sent).toEqual(['a'])
    expect(at.takenOver).toEqual(['a'])
  })

  test('is brought once more to an owner that did not believe this member, as when a clock was set', async () => {
    const at = await world({ owner: 'a', first: 'a', does: { a: ['refused', 'answered'] } })
    expect(await at.find()).toBeInstanceOf(Response)
    expect(at.sent).toEqual(['a', 'a'])
  })

  test('waits for its owner to register again where the directory was emptied', async () => {
    const does = { a: ['unsent'], b: ['answered'] } as const
    const at = await world({ owner: null, first: 'a', dead: ['a'], isNew: true, does })
    const found = at.find()
    await Bun.sleep(50)
    await at.register('b')
    expect(await found).toBeInstanceOf(Response)
  })

  test('is gone where the directory knows of nobody', async () => {
    const at = await world({ owner: null, first: 'a', dead: ['a'], does: { a: ['unsent'] } })
    expect(await at.find()).toBe('gone')
  })
})

describe('a request that may have run', () => {
  test.each([
    { why: 'its owner is dead', dead: ['a'] },
    { why: 'its owner lives', dead: [] },
  ])('is not sent again: $why', async ({ dead }) => {
    const at = await world({ owner: 'a', first: 'a', dead, does: { a: ['lost', 'answered'] } })
    await expect(at.find()).rejects.toThrow('may have run')
    expect(at.sent).toEqual(['a'])
    expect(at.takenOver).toEqual([])
  })
})

describe('a request that cannot be placed', () => {
  test.each([
    { why: 'the directory does not answer', surroundings: { isDown: true, does: { a: ['unsent'] } } },
    { why: 'its owner does not believe this member', surroundings: { does: { a: ['refused'] } } },
    {
      why: 'its owner is of another version, and is asked nothing',
      surroundings: { owner: 'older', first: 'older', does: {} },
    },
  ] as const)('is told to come back: $why', async ({ surroundings }) => {
    const at = await world({ owner: 'a', first: 'a', dead: ['a'], ...surroundings })
    await expect(at.find()).rejects.toMatchObject({ code: 'SERVER_UNAVAILABLE' })
    expect(at.takenOver).toEqual([])
  })
})
