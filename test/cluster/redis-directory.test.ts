/** The directory in a real Redis, and what becomes of its members' questions when Redis fails. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { Cluster } from '../../src/cluster/cluster.ts'
import { type Directory, DirectoryDown } from '../../src/cluster/directory/directory.ts'
import { RedisDirectory } from '../../src/cluster/directory/redis-directory.ts'
import { createSeal } from '../../src/cluster/seal.ts'
import { createMemoryStore } from '../../src/registry/storage/store.ts'
import { poll } from '../support/gateway.ts'
import { type RedisServer, redisProgram, startRedis } from '../support/redis-server.ts'
import { directoryContract } from './directory-contract.ts'
import { secret, testLog } from './members.ts'

if (redisProgram === null) console.log('redis-server is not installed: the directory in Redis is left out')

const opened: Directory[] = []

async function open(redis: RedisServer, reasons: string[] = []): Promise<Directory> {
  const place = { url: redis.url, sentinels: [], masterName: 'mymaster', caFile: null }
  const directory = new RedisDirectory(place, 'test', {
    failed: (reason) => reasons.push(reason),
    doubtful: (problem) => reasons.push(problem),
  })
  opened.push(directory)
  await poll('the connection', async () => directory.isUp)
  return directory
}

afterAll(async () => {
  await Promise.all(opened.map((directory) => directory.close()))
})

if (redisProgram !== null) {
  directoryContract('the directory in Redis', async () => {
    const redis = await startRedis()
    return {
      open: () => open(redis),
      empty: async () => void (await redis.command('FLUSHALL')),
      stop: async () => redis[Symbol.asyncDispose](),
    }
  })
}

describe.skipIf(redisProgram === null)('while Redis fails', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis[Symbol.asyncDispose]())

  const self = { instance: 'aaaa', record: '' }

  test('every question ends within two seconds while Redis stands still, and it is found again', async () => {
    const reasons: string[] = []
    const directory = await open(redis, reasons)
    redis.process.signal('SIGSTOP')
    const beganMs = performance.now()
    const questions = Array.from({ length: 20 }, () => directory.beat(self, 4_000))
    const outcomes = await Promise.allSettled(questions)
    expect(performance.now() - beganMs).toBeLessThan(2_000)
    for (const outcome of outcomes)
      expect(outcome.status === 'rejected' && outcome.reason).toBeInstanceOf(DirectoryDown)
    // The kernel still takes connections for it.
    const lateMs = performance.now()
    await expect(directory.beat(self, 4_000)).rejects.toBeInstanceOf(DirectoryDown)
    expect(performance.now() - lateMs).toBeLessThan(2_000)
    expect(directory.isUp).toBe(false)
    expect(reasons).toEqual(['no answer within 1000 ms'])
    const resumedMs = performance.now()
    redis.process.signal('SIGCONT')
    await poll('an answer', async () => directory.isUp)
    expect(performance.now() - resumedMs).toBeLessThan(2_500)
    expect((await directory.beat(self, 4_000)).members).toHaveLength(1)
  })

  test('questions fail at once while nobody is there; afterwards questions and hints work without its scripts', async () => {
    const reasons: string[] = []
    const [directory, other] = [await open(redis, reasons), await open(redis)]
    const heard: string[] = []
    other.onHint((text) => heard.push(text))
    const told: boolean[] = []
    directory.onUp((isUp) => told.push(isUp))
    await redis.kill()
    await poll('the loss of the connection', async () => !directory.isUp)
    const beganMs = performance.now()
    await expect(directory.beat(self, 4_000)).rejects.toBeInstanceOf(DirectoryDown)
    expect(performance.now() - beganMs).toBeLessThan(100)
    await redis.restart()
    await poll('the connection', async () => directory.isUp && other.isUp)
    expect((await directory.beat(self, 4_000)).members).toHaveLength(1)
    await poll('a hint', async () => {
      directory.hint('look')
      return heard.includes('look')
    })
    expect(told).toEqual([false, true])
    expect(reasons[0]).toBe('the connection was closed')
  })

  test('one that refuses what it is asked says why, and what to do', async () => {
    const reasons: string[] = []
    await using full = await startRedis(['--maxmemory', '1', '--maxmemory-policy', 'volatile-lru'])
    await using copy = await startRedis(['--replicaof', '127.0.0.1', String(full.port)])
    const directory = await open(full, reasons)
    await expect(directory.beat(self, 4_000)).rejects.toThrow('OOM: its memory is full')
    expect(directory.problems).toEqual([
      expect.stringContaining('raise its maxmemory'),
      expect.stringContaining('maxmemory-policy volatile-lru'),
    ])
    await full.command('CONFIG', 'SET', 'maxmemory', '0')
    await directory.beat(self, 4_000)
    expect(directory.problems).toHaveLength(1)
    const place = { url: copy.url, sentinels: [], masterName: 'mymaster', caFile: null }
    const told: string[] = []
    const ofCopy = new RedisDirectory(place, 'test', {
      failed: (reason) => told.push(reason),
      doubtful: () => {},
    })
    opened.push(ofCopy)
    await poll('the refusal', async () => told.length > 0)
    await expect(ofCopy.beat(self, 4_000)).rejects.toThrow('cluster.redis.url must lead to the master')
    await copy.command('REPLICAOF', 'NO', 'ONE')
    await poll('the copy to be one of its own', async () => ofCopy.isUp)
    // It was looked for again, and that was said once.
    expect(told).toHaveLength(1)
  })

  test('a change is with the others within a second where nobody carries hints', async () => {
    await using silent = await startRedis(['--rename-command', 'PUBLISH', ''])
    const member = async (instance: string) => {
      const cluster = new Cluster({
        ...{ name: 'test', directory: await open(silent), seal: createSeal([secret]), log: testLog() },
        self: { instance, address: '127.0.0.1:1', version: '1' },
        ...{ leaseMs: 4_000, local: createMemoryStore(), secretDirs: [] },
      })
      await cluster.membership.start()
      return cluster
    }
    const [one, other] = [await member('aaaa'), await member('bbbb')]
    const change = new Map([['k1', 'text']])
    await one.shared?.confirm(async () => one.shared?.putRecords('key', change))
    await poll('the change', async () => other.shared?.records('key').has('k1') === true, 1_000)
    await Promise.all([one.close(), other.close()])
  })

  test('members without end, and records without end, cost a beat little', async () => {
    const directory = await open(redis)
    for (let at = 0; at < 3_000; at += 500) {
      const names = Array.from({ length: 500 }, (_, index) => `x${at + index}`)
      await redis.command('ZADD', '{cz:test}:ml', ...names.flatMap((name) => [String(Date.now()), name]))
      await redis.command('HSET', '{cz:test}:m', ...names.flatMap((name) => [name, 'x']))
    }
    await redis.command('ZADD', '{cz:test}:ml', String(Date.now() + 30_000), 'large')
    await redis.command('HSET', '{cz:test}:m', 'large', 'x'.repeat(1_000_000))
    const { members } = await directory.beat(self, 4_000)
    expect(members.length).toBeLessThan(1_024)
    expect(members.map(({ instance }) => instance)).toContain(self.instance)
    expect(members.map(({ instance }) => instance)).not.toContain('large')
    await redis.command('FLUSHALL')
  })

  test('what was written before its clock was set back holds nobody up for longer than a lease, or a burst', async () => {
    const directory = await open(redis)
    const hourMs = 60 * 60_000
    await directory.beat({ instance: 'dead', record: '' }, 2_000)
    await redis.command('ZADD', '{cz:test}:ml', String(Date.now() + hourMs), 'dead')
    const { members } = await directory.beat(self, 4_000)
    expect(members.find(({ instance }) => instance === 'dead')?.leaseMs).toBe(4_000)
    await redis.command('SET', '{cz:test}:rl:one', String((Date.now() + hourMs) * 1_000))
    const waitMs = await directory.take('one', { perSecond: 10, burst: 5 }, 1)
    expect(waitMs).toBeWithin(50, 101)
    await redis.command('FLUSHALL')
  })

  test('what somebody else has written there is no answer, and nothing breaks', async () => {
    const directory = await open(redis)
    await redis.command('HSET', '{cz:test}:d', 'key a', 'no version')
    await redis.command('ZADD', '{cz:test}:do', '1', 'key a')
    await redis.command('SET', '{cz:test}:s:1', 'no hash')
    await redis.command('SET', '{cz:test}:rev', '7')
    expect((await directory.changesSince(0)).records).toEqual([])
    await expect(directory.find('s:1')).rejects.toBeInstanceOf(DirectoryDown)
    await redis.command('SET', '{cz:test}:m', 'no hash')
    await expect(directory.beat(self, 4_000)).rejects.toThrow('WRONGTYPE')
    await redis.command('FLUSHALL')
  })
})
