/** What the members of a cluster may rely on, wherever their directory is: one suite, run on every one of them. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Claim, Directory, SharedRecord } from '../../src/cluster/directory/directory.ts'
import { poll } from '../support/gateway.ts'

export interface DirectoryUnderTest {
  /** The directory as one more member uses it. */
  open(): Promise<Directory>
  /** Forgets everything. */
  empty(): Promise<void>
  stop(): Promise<void>
}

const longMs = 60_000
/** Long enough for a busy machine to ask within it, short enough to wait for. */
const shortMs = 150

export function directoryContract(name: string, start: () => Promise<DirectoryUnderTest>): void {
  describe(`${name} keeps the contract of a directory`, () => {
    let underTest: DirectoryUnderTest
    let one: Directory
    let other: Directory
    let made = 0

    beforeAll(async () => {
      underTest = await start()
      one = await underTest.open()
      other = await underTest.open()
    }, 20_000)
    afterAll(() => underTest.stop())

    const thing = (): `s:${string}` => `s:${++made}-${name}`
    const claimOf = (instance: string, livesMs = longMs): Claim => ({
      instance,
      record: `of ${instance}`,
      livesMs,
    })
    const record = (key: string, version: number, sealed = `${key} ${version}`): SharedRecord => ({
      ...{ key, version, sealed },
      removed: false,
    })
    const removal = (key: string, version: number) => ({ ...record(key, version), removed: true })
    const put = (directory: Directory, written: SharedRecord, expected: number) =>
      directory.put([{ record: written, expected }])

    describe('who lives', () => {
      test('tells every member of every other one, with what it says of itself', async () => {
        await one.beat({ instance: 'aaaa', record: 'first' }, longMs)
        const { members } = await other.beat({ instance: 'bbbb', record: 'second' }, longMs)
        const known = members.filter(({ instance }) => ['aaaa', 'bbbb'].includes(instance))
        expect(known.map(({ instance, record }) => [instance, record]).sort()).toEqual([
          ['aaaa', 'first'],
          ['bbbb', 'second'],
        ])
        expect(known.every(({ leaseMs }) => leaseMs > longMs / 2 && leaseMs <= longMs)).toBe(true)
      })

      test('says what a member says now, and not what it said before', async () => {
        await one.beat({ instance: 'cccc', record: 'serving' }, longMs)
        const { members } = await one.beat({ instance: 'cccc', record: 'draining' }, longMs)
        expect(members.filter(({ instance }) => instance === 'cccc').map(({ record }) => record)).toEqual([
          'draining',
        ])
      })

      test('still tells of a member whose lease is over, and that it is over', async () => {
        await one.beat({ instance: 'dddd', record: 'gone' }, longMs)
        await other.leave('dddd')
        const { members } = await one.beat({ instance: 'aaaa', record: 'first' }, longMs)
        const left = members.find(({ instance }) => instance === 'dddd')
        expect(left?.leaseMs).toBeLessThanOrEqual(0)
      })

      test('has one clock, which goes on', async () => {
        const before = await one.beat({ instance: 'aaaa', record: 'first' }, longMs)
        const after = await other.beat({ instance: 'bbbb', record: 'second' }, longMs)
        expect(after.nowMs).toBeGreaterThanOrEqual(before.nowMs)
        expect(Math.abs(after.nowMs - Date.now())).toBeLessThan(10_000)
      })
    })

    describe('who owns what', () => {
      test('gives a thing to the first one of fifty who claim it at once, and tells the others whose it is', async () => {
        const key = thing()
        const outcomes = await Promise.all(
          Array.from({ length: 50 }, (_, at) => (at % 2 === 0 ? one : other).claim(key, claimOf(`i${at}`))),
        )
        expect(outcomes.filter(({ mine }) => mine)).toHaveLength(1)
        const owners = new Set(outcomes.map(({ owner, epoch, record }) => `${owner} ${epoch} ${record}`))
        expect(owners.size).toBe(1)
      })

      test('knows nothing of a thing that nobody has claimed', async () => {
        expect(await one.find(thing())).toBeNull()
        expect(await one.adopt(thing(), { owner: 'aaaa', epoch: 1 }, claimOf('bbbb'), true)).toBeNull()
        expect(await one.release(thing(), { owner: 'aaaa', epoch: 1 })).toBe(false)
        expect(await one.update(thing(), { owner: 'aaaa', epoch: 1 }, 'x', longMs)).toBe(false)
      })

      test('leaves a thing with an owner that lives', async () => {
        const key = thing()
        await one.beat({ instance: 'eeee', record: '' }, longMs)
        const { epoch } = await one.claim(key, claimOf('eeee'))
        const outcome = await other.adopt(key, { owner: 'eeee', epoch }, claimOf('bbbb'), false)
        expect(outcome).toEqual({ owner: 'eeee', epoch, record: 'of eeee', mine: false })
      })

      test.each([
        { why: 'its lease is over', leaves: true, proven: false },
        { why: 'it is proven to be dead while its lease goes on', leaves: false, proven: true },
      ])('gives the things of an owner to one of those who want them: $why', async ({ leaves, proven }) => {
        const key = thing()
        const owner = `f${made}`
        await one.beat({ instance: owner, record: '' }, longMs)
        const { epoch } = await one.claim(key, claimOf(owner))
        if (leaves) await one.leave(owner)
        const outcomes = await Promise.all(
          ['g1', 'g2', 'g3'].map((instance) => other.adopt(key, { owner, epoch }, claimOf(instance), proven)),
        )
        const winners = outcomes.filter((outcome) => outcome?.mine === true)
        expect(winners).toHaveLength(1)
        expect(winners[0]?.epoch).toBe(epoch + 1)
        expect(await one.find(key)).toMatchObject({ owner: winners[0]?.owner, epoch: epoch + 1 })
      })

      test('takes no word of an owner that was', async () => {
        const key = thing()
        const { epoch } = await one.claim(key, claimOf('hhhh'))
        await other.adopt(key, { owner: 'hhhh', epoch }, claimOf('iiii'), true)
        const before = { owner: 'hhhh', epoch }
        expect(await one.update(key, before, 'late', longMs)).toBe(false)
        expect(await one.release(key, before)).toBe(false)
        expect(await one.adopt(key, before, claimOf('jjjj'), true)).toMatchObject({
          owner: 'iiii',
          mine: false,
        })
        expect(await one.find(key)).toEqual({ owner: 'iiii', epoch: epoch + 1, record: 'of iiii' })
      })

      test('keeps what the owner says last, and forgets what it lets go', async () => {
        const key = thing()
        const { owner, epoch } = await one.claim(key, claimOf('kkkk'))
        expect(await one.update(key, { owner, epoch }, 'newer', longMs)).toBe(true)
        expect((await other.find(key))?.record).toBe('newer')
        expect(await one.release(key, { owner, epoch })).toBe(true)
        expect(await other.find(key)).toBeNull()
      })

      test('tells an owner what it has lost, and what nobody has', async () => {
        const [kept, lost, missing] = [thing(), thing(), thing()]
        await one.claim(kept, claimOf('llll'))
        const { epoch } = await one.claim(lost, claimOf('llll'))
        await other.adopt(lost, { owner: 'llll', epoch }, claimOf('mmmm'), true)
        expect(await one.refresh('llll', [kept, lost, missing], longMs)).toEqual({
          lost: [lost],
          missing: [missing],
        })
      })

      test('refreshes thousands in order', async () => {
        const keys = Array.from({ length: 1_201 }, thing)
        await Promise.all(
          keys.filter((_, at) => at % 400 !== 0).map((key) => one.claim(key, claimOf('nnnn'))),
        )
        const { lost, missing } = await one.refresh('nnnn', keys, longMs)
        expect(lost).toEqual([])
        expect(missing).toEqual(keys.filter((_, at) => at % 400 === 0))
      })

      test('forgets what nobody refreshes, and not what somebody does', async () => {
        const [kept, left] = [thing(), thing()]
        await one.claim(kept, claimOf('oooo', shortMs))
        await one.claim(left, claimOf('oooo', shortMs))
        await one.refresh('oooo', [kept], longMs)
        await poll('the thing to be forgotten', async () => (await other.find(left)) === null)
        expect(await other.find(kept)).not.toBeNull()
      })
    })

    describe('records', () => {
      test('writes a record where it is as the writer knew it, and says so where it is not', async () => {
        const key = `definition a${++made}`
        expect((await put(one, record(key, 7), 0)).conflict).toBeNull()
        expect(await put(other, record(key, 8), 0)).toEqual({ conflict: key })
        expect(await put(other, record(key, 7), 7)).toEqual({ conflict: key })
        expect((await put(other, record(key, 9), 7)).conflict).toBeNull()
      })

      test('writes several together, or none of them', async () => {
        const [a, b] = [`approval a${++made}`, `approval b${made}`]
        await put(one, record(b, 1), 0)
        const both = (expected: number) =>
          one.put([
            { record: record(a, 2), expected: 0 },
            { record: record(b, 2), expected },
          ])
        expect(await both(0)).toEqual({ conflict: b })
        expect((await one.changesSince(0)).records.find(({ key }) => key === a)).toBeUndefined()
        expect((await both(1)).conflict).toBeNull()
      })

      test('lets one of many writers at once win', async () => {
        const key = `definition b${++made}`
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, (_, at) => put(at % 2 === 0 ? one : other, record(key, 1 + at), 0)),
        )
        expect(outcomes.filter(({ conflict }) => conflict === null)).toHaveLength(1)
      })

      test('tells what has changed since, the last state of each, and what was removed', async () => {
        const { sequence } = await one.changesSince(0)
        const [a, b] = [`key a${++made}`, `key b${made}`]
        await put(one, record(a, 1), 0)
        await put(one, record(b, 1), 0)
        await put(one, record(a, 2), 1)
        await put(one, removal(b, 2), 1)
        const changes = await other.changesSince(sequence)
        expect(changes.records).toEqual([record(a, 2), removal(b, 2)])
        expect(await other.changesSince(changes.sequence)).toMatchObject({ records: [] })
        expect((await one.beat({ instance: 'aaaa', record: '' }, longMs)).sequence).toBe(changes.sequence)
      })

      test('brings every one of a thousand records, also long ones with any character', async () => {
        const { sequence } = await one.changesSince(0)
        const text = `:\n\0é😀${'x'.repeat(20_000)}`
        const run = ++made
        const records = Array.from({ length: 1_001 }, (_, at) =>
          record(`approval ${run} ${at}`, 1, at % 100 === 0 ? text : 'y'),
        )
        await one.restore(records)
        const { records: found } = await other.changesSince(sequence)
        expect(found).toEqual(records)
      })

      test('holds versions as large as a clock in microseconds exactly', async () => {
        const key = `definition c${++made}`
        const version = 1_796_000_000_123_457
        await put(one, record(key, version), 0)
        expect(await put(other, record(key, version + 1), version)).toMatchObject({ conflict: null })
        const { records } = await one.changesSince(0)
        expect(records.find((each) => each.key === key)?.version).toBe(version + 1)
      })

      test('restores of each record the higher version, a removal too', async () => {
        const [older, newer, removed] = [`key c${++made}`, `key d${made}`, `key e${made}`]
        await put(one, record(older, 5), 0)
        await put(one, record(newer, 5), 0)
        await put(one, removal(removed, 5), 0)
        await other.restore([record(older, 4), record(newer, 6), record(removed, 4)])
        const { records } = await one.changesSince(0)
        const of = (key: string) => records.find((each) => each.key === key)
        expect([of(older), of(newer), of(removed)]).toEqual([
          record(older, 5),
          record(newer, 6),
          removal(removed, 5),
        ])
      })
    })

    describe('limits', () => {
      test('leases all members together no more slots than there are', async () => {
        const slots = `server ${++made}`
        const members = ['p1', 'p2', 'p3', 'p4']
        await Promise.all(members.map((instance) => one.beat({ instance, record: '' }, longMs)))
        for (let round = 0; round < 5; round++) {
          const granted = await Promise.all(
            members.map((instance, at) =>
              (at % 2 === 0 ? one : other).slots(slots, {
                instance,
                wanted: 3 + ((at + round) % 4),
                max: 10,
              }),
            ),
          )
          expect(granted.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(10)
        }
      })

      test('gives what one gives back to another, and what a dead one had', async () => {
        const slots = `server ${++made}`
        for (const instance of ['q1', 'q2']) await one.beat({ instance, record: '' }, longMs)
        const lease = (instance: string, wanted: number) => one.slots(slots, { instance, wanted, max: 4 })
        expect([await lease('q1', 4), await lease('q2', 2)]).toEqual([4, 0])
        expect([await lease('q1', 3), await lease('q2', 2)]).toEqual([3, 1])
        await other.leave('q1')
        expect(await lease('q2', 4)).toBe(4)
      })

      test('lets through as many at once as the burst says, and says when the next one may come', async () => {
        const rate = { perSecond: 10, burst: 5 }
        const client = `client ${++made}`
        const waits = await Promise.all(
          Array.from({ length: 9 }, (_, at) => (at % 2 === 0 ? one : other).take(client, rate, 1)),
        )
        expect(waits.filter((waitMs) => waitMs === null)).toHaveLength(5)
        for (const waitMs of waits) if (waitMs !== null) expect(waitMs).toBeWithin(1, 101)
      })

      test('keeps a rate over seconds, whoever asks', async () => {
        const rate = { perSecond: 200, burst: 1 }
        const client = `client ${++made}`
        const beganMs = performance.now()
        let taken = 0
        for (let at = 0; performance.now() - beganMs < 500; at++) {
          const waitMs = await (at % 2 === 0 ? one : other).take(client, rate, 1)
          if (waitMs === null) taken++
          else await Bun.sleep(waitMs)
        }
        const most = ((performance.now() - beganMs) / 1_000) * rate.perSecond + rate.burst
        expect(taken).toBeLessThanOrEqual(Math.ceil(most))
      })
    })

    test('carries a hint to the others, and not to who gives it', async () => {
      const heard: string[] = []
      one.onHint((text) => heard.push(`one: ${text}`))
      other.onHint((text) => heard.push(`other: ${text}`))
      await poll('a hint', async () => {
        one.hint('look')
        return heard.includes('other: look')
      })
      expect(heard).not.toContain('one: look')
    })

    test('is another one once it was emptied, and takes everything again', async () => {
      const key = thing()
      const before = await one.beat({ instance: 'rrrr', record: '' }, longMs)
      await one.claim(key, claimOf('rrrr'))
      await underTest.empty()
      const after = await one.beat({ instance: 'rrrr', record: '' }, longMs)
      expect(after.era).not.toBe(before.era)
      expect(after.members.map(({ instance }) => instance)).toEqual(['rrrr'])
      expect(await one.refresh('rrrr', [key], longMs)).toEqual({ lost: [], missing: [key] })
      expect((await one.changesSince(0)).records).toEqual([])
      // Who asks from where the one before had come follows this one from then on.
      const { sequence } = await one.changesSince(5_000)
      await put(one, record('key late', 1), 0)
      expect((await one.changesSince(sequence)).records).toEqual([record('key late', 1)])
    })
  })
}
