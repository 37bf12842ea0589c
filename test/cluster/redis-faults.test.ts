/** What a Redis that cannot be used, or will fail one day, is told of with: a sentence that says what to do. */
import { describe, expect, test } from 'bun:test'
import { faultOf, type RedisAsked, standingOf } from '../../src/cluster/directory/redis-faults.ts'

const asked: RedisAsked = { where: 'valkey:6379', isLocal: false, isTls: false, hasPassword: true }

describe('what is refused', () => {
  test.each([
    { said: "READONLY You can't write against a read only replica.", does: 'must lead to the master' },
    { said: 'MOVED 1234 10.0.0.2:6379', does: 'need one Redis without cluster mode' },
    { said: 'CLUSTERDOWN Hash slot not served', does: 'need one Redis without cluster mode' },
    { said: 'NOAUTH Authentication required.', does: 'put it into cluster.redis.url' },
    { said: 'WRONGPASS invalid username-password pair', does: 'correct user and password' },
    { said: "NOPERM this user has no permissions to run the 'eval' command", does: '+@all -@admin' },
    { said: "OOM command not allowed when used memory > 'maxmemory'.", does: 'raise its maxmemory' },
    { said: 'MISCONF Redis is configured to save RDB snapshots', does: 'turn its saving off' },
    { said: 'ERR max number of clients reached', does: 'raise its maxclients' },
    { said: 'connect ECONNREFUSED 10.0.0.2:6379', does: 'nobody listens at valkey:6379' },
    { said: 'getaddrinfo ENOTFOUND valkey', does: 'correct cluster.redis.url' },
    { said: 'read ECONNRESET', does: 'begin the URL with rediss://' },
    { said: 'self signed certificate in certificate chain', does: 'set cluster.redis.tls.ca' },
    { said: 'All sentinels are unreachable. Last error: none', does: 'cluster.redis.name' },
    { said: 'ERR something that nobody has heard of', does: 'ERR something that nobody has heard of' },
  ])('$said', ({ said, does }) => {
    expect(faultOf(said, asked)).toContain(does)
  })

  test('a Redis without TLS is told apart from one that is cut off', () => {
    expect(faultOf('connect ETIMEDOUT', { ...asked, isTls: true })).toContain('redis://')
  })
})

describe('how one stands', () => {
  const fine = ['redis_version:7.0.15', 'redis_mode:standalone', 'role:master', 'maxmemory_policy:noeviction']
  const standing = (line: string, other: Partial<RedisAsked> = {}) =>
    standingOf([...fine, line].join('\r\n'), { ...asked, ...other })

  test.each([
    { why: 'as it should be', line: '', problem: null },
    {
      why: 'drops what sessions need',
      line: 'maxmemory_policy:allkeys-lru',
      problem: 'set it to noeviction',
    },
    { why: 'is one of a Redis Cluster', line: 'redis_mode:cluster', problem: 'without cluster mode' },
    { why: 'is too old', line: 'redis_version:5.0.14', problem: 'its version is 5.0.14' },
    { why: 'is as old as may be', line: 'redis_version:6.2.0', problem: null },
  ])('$why', ({ line, problem }) => {
    const { unusable, problems } = standing(line)
    expect(unusable).toBeNull()
    expect(problems).toEqual(problem === null ? [] : [expect.stringContaining(problem)])
  })

  test.each([
    { why: 'a copy takes no writes', line: 'role:slave', unusable: 'READONLY' },
    { why: 'one that loads answers nothing', line: 'loading:1', unusable: 'it still reads' },
  ])('$why', ({ line, unusable }) => {
    expect(standing(line).unusable).toContain(unusable)
  })

  test('without a password only this machine may reach it', () => {
    const { problems } = standing('', { hasPassword: false })
    expect(problems).toEqual([expect.stringContaining('requirepass')])
    expect(standing('', { hasPassword: false, isLocal: true }).problems).toEqual([])
  })

  test('nothing is known of one that says nothing of itself', () => {
    expect(standingOf('', asked)).toEqual({ unusable: null, problems: [] })
  })
})
