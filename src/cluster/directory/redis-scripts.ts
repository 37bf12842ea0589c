/**
 * What a directory in Redis does in one step each. The clock is that of Redis; numbers go back as whole numbers or as
 * texts, because Lua cuts fractions. All keys of a cluster lie in one slot.
 */

/** A script, with the digest by which Redis knows one that it has seen. */
export interface Script {
  readonly text: string
  readonly digest: string
}

function script(text: string): Script {
  return { text, digest: new Bun.CryptoHasher('sha1').update(text).digest('hex') }
}

const clock = `
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
`

/** Whoever writes to Redis can write anything: more members than a cluster has, and longer records, are not told of. */
const membersMax = 1_024
const memberCharsMax = 16 * 1_024

/**
 * KEYS: members, leases, era, sequence. ARGV: instance, record, lease, how long one is told that is gone, a new era, the
 * longest lease that there is: one that goes on for longer was given before the clock was set back.
 */
export const beat = script(`${clock}
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]), ARGV[1])
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[4]))) do
  redis.call('ZREM', KEYS[2], gone)
  redis.call('HDEL', KEYS[1], gone)
end
for _, late in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. (now + tonumber(ARGV[6])), '+inf')) do
  redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]), late)
end
redis.call('SET', KEYS[3], ARGV[5], 'NX')
local members = {}
local leases = redis.call('ZREVRANGE', KEYS[2], 0, ${membersMax - 1}, 'WITHSCORES')
for i = 1, #leases, 2 do
  local record = redis.call('HGET', KEYS[1], leases[i])
  if record and #record <= ${memberCharsMax} then
    members[#members + 1] = leases[i]
    members[#members + 1] = record
    members[#members + 1] = tonumber(leases[i + 1]) - now
  end
end
return { now, redis.call('GET', KEYS[3]), tonumber(redis.call('GET', KEYS[4]) or '0'), members }
`)

/** KEYS: leases. ARGV: instance. */
export const leave = script(`${clock}
return redis.call('ZADD', KEYS[1], 'XX', now, ARGV[1])
`)

/** KEYS: the thing. ARGV: instance, record, life. Owner, epoch, record, and 1 where that is the one who asked. */
export const claim = script(`
local held = redis.call('HMGET', KEYS[1], 'o', 'e', 'r')
if held[1] then
  return { held[1], tonumber(held[2]), held[3], held[1] == ARGV[1] and 1 or 0 }
end
redis.call('HSET', KEYS[1], 'o', ARGV[1], 'e', '1', 'r', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { ARGV[1], 1, ARGV[2], 1 }
`)

/** KEYS: the thing, leases. ARGV: owner and epoch before, 1 when it is proven, the new owner, record, life. */
export const adopt = script(`${clock}
local held = redis.call('HMGET', KEYS[1], 'o', 'e', 'r')
if not held[1] then return false end
local ends = redis.call('ZSCORE', KEYS[2], held[1])
local over = ARGV[3] == '1' or not ends or tonumber(ends) <= now
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] or not over then
  return { held[1], tonumber(held[2]), held[3], held[1] == ARGV[4] and 1 or 0 }
end
local epoch = tonumber(held[2]) + 1
redis.call('HSET', KEYS[1], 'o', ARGV[4], 'e', string.format('%.0f', epoch), 'r', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return { ARGV[4], epoch, ARGV[5], 1 }
`)

/** KEYS: the thing. ARGV: owner, epoch, record, life. */
export const update = script(`
local held = redis.call('HMGET', KEYS[1], 'o', 'e')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'r', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
`)

/** KEYS: the thing. ARGV: owner, epoch. */
export const release = script(`
local held = redis.call('HMGET', KEYS[1], 'o', 'e')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return 0 end
return redis.call('DEL', KEYS[1])
`)

/** KEYS: things. ARGV: instance, life. Of each: 0 it goes on, 1 another has it, 2 nobody. */
export const refresh = script(`
local found = {}
for i, key in ipairs(KEYS) do
  local owner = redis.call('HGET', key, 'o')
  if not owner then found[i] = 2
  elseif owner ~= ARGV[1] then found[i] = 1
  else
    redis.call('PEXPIRE', key, ARGV[2])
    found[i] = 0
  end
end
return found
`)

/** What puts one record in its place; KEYS as in `put`. */
const write = `
local function write(key, version, removed, sealed, keeps)
  local sequence = redis.call('INCR', KEYS[1])
  redis.call('HSET', KEYS[2], key, version .. ':' .. removed .. ':' .. sealed)
  redis.call('ZADD', KEYS[3], sequence, key)
  if removed == '1' then redis.call('ZADD', KEYS[4], now + tonumber(keeps), key)
  else redis.call('ZREM', KEYS[4], key) end
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, 100)) do
    redis.call('HDEL', KEYS[2], old)
    redis.call('ZREM', KEYS[3], old)
    redis.call('ZREM', KEYS[4], old)
  end
  return sequence
end
local function versionOf(key)
  local held = redis.call('HGET', KEYS[2], key)
  return held and tonumber(string.match(held, '^(%d+):')) or 0
end
`

/**
 * KEYS: sequence, records, order, removed ones. ARGV: how long removed ones are known, then of each key, version, 1
 * when it is removed, sealed, and the version before. An empty text, or the key that somebody else has written.
 */
export const put = script(`${clock}${write}
for i = 2, #ARGV, 5 do
  local version = versionOf(ARGV[i])
  if version ~= tonumber(ARGV[i + 4]) or tonumber(ARGV[i + 1]) <= version then return { ARGV[i], 0 } end
end
local sequence = 0
for i = 2, #ARGV, 5 do sequence = write(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[1]) end
return { '', sequence }
`)

/** KEYS as in `put`. ARGV: how long removed ones are known, then of each key, version, 1 when it is removed, sealed. */
export const restore = script(`${clock}${write}
for i = 2, #ARGV, 4 do
  if tonumber(ARGV[i + 1]) > versionOf(ARGV[i]) then
    write(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[1])
  end
end
return 1
`)

/** KEYS: sequence, records, order, era. ARGV: from where, how many, a new era. */
export const changes = script(`
redis.call('SET', KEYS[4], ARGV[3], 'NX')
local found = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local records = {}
local last = ARGV[1]
for i = 1, #found, 2 do
  records[#records + 1] = found[i]
  records[#records + 1] = redis.call('HGET', KEYS[2], found[i]) or ''
  last = found[i + 1]
end
local sequence = tonumber(redis.call('GET', KEYS[1]) or '0')
if #found < 2 * tonumber(ARGV[2]) then last = sequence end
return { redis.call('GET', KEYS[4]), tonumber(last), records }
`)

/** KEYS: slots of this name, leases. ARGV: instance, wanted, max, how long a name without members is known. */
export const slots = script(`${clock}
local others = 0
local held = redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
  local ends = redis.call('ZSCORE', KEYS[2], held[i])
  if not ends or tonumber(ends) <= now then redis.call('HDEL', KEYS[1], held[i])
  elseif held[i] ~= ARGV[1] then others = others + tonumber(held[i + 1]) end
end
local granted = math.max(0, math.min(tonumber(ARGV[2]), tonumber(ARGV[3]) - others))
if granted == 0 then redis.call('HDEL', KEYS[1], ARGV[1])
else redis.call('HSET', KEYS[1], ARGV[1], granted) end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return granted
`)

/**
 * The generic cell rate algorithm, in microseconds. KEYS: the instant of this name. ARGV: requests a second, at once,
 * and how many. -1 when they are taken, else the microseconds to wait. What is due later than anything that was taken
 * can be was written before the clock was set back.
 */
export const take = script(`
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local each = 1000000 / tonumber(ARGV[1])
local due = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0'))
due = math.min(due, now + tonumber(ARGV[2]) * each)
local following = due + tonumber(ARGV[3]) * each
local wait = following - tonumber(ARGV[2]) * each - now
if wait > 1 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.0f', following), 'PX', math.ceil((following - now) / 1000) + 1)
return -1
`)
