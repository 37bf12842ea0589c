/** Redis with a replica and a Sentinel: the master dies, and the directory goes on with what the replica has. */
import { expect, test } from 'bun:test'
import { RedisDirectory } from '../../src/cluster/directory/redis-directory.ts'
import { poll } from '../support/gateway.ts'
import { redisProgram } from '../support/redis-server.ts'
import { startFailover } from '../support/sentinel.ts'

/** Takes seconds: `bun run test:long:cluster`. */
const wanted = process.env['CLUSTER_FAULTS'] === '1' && redisProgram !== null

test.skipIf(!wanted)(
  'the directory follows a failover, and says when it was away',
  async () => {
    await using failover = await startFailover()
    const { master, replica, sentinel, masterName } = failover
    const place = { url: 'redis://ignored', sentinels: [sentinel], masterName, caFile: null }
    const reasons: string[] = []
    const directory = new RedisDirectory(place, 'test', {
      failed: (reason) => reasons.push(reason),
      doubtful: (problem) => reasons.push(problem),
    })
    const told: boolean[] = []
    directory.onUp((isUp) => told.push(isUp))
    await poll('the connection', async () => directory.isUp)
    const self = { instance: 'aaaa', record: '' }
    const before = await directory.beat(self, 4_000)
    const record = { key: 'key a', version: 1, sealed: 'x', removed: false }
    await directory.put([{ record, expected: 0 }])
    await poll('the replica to have it', async () =>
      (await replica.command('HGET', '{cz:test}:d', 'key a')).includes('1:0:x'),
    )
    const killedMs = performance.now()
    await master.kill()
    await poll('an answer of the new master', async () => {
      const answer = await directory.beat(self, 4_000).catch(() => null)
      return answer !== null
    })
    console.log(`  answered again ${Math.round(performance.now() - killedMs)} ms after the master was killed`)
    const after = await directory.beat(self, 4_000)
    expect(after.era).toBe(before.era)
    expect((await directory.changesSince(0)).records).toEqual([record])
    expect(await directory.put([{ record: { ...record, version: 2 }, expected: 1 }])).toMatchObject({
      conflict: null,
    })
    expect(told).toEqual([true, false, true])
    expect(reasons).toEqual(['the connection was closed'])
    await directory.close()
  },
  60_000,
)
