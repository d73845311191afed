import { createHash } from 'node:crypto'

/** A script of Redis and the name by which it asks for it again. */
export interface Script {
  readonly text: string
  readonly sha: string
}

// All keys start with KEYS[1], which holds a hash tag: in a Cluster they are in one slot. Time is Redis's own.
const COMMON = `
local base = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function key(name) return base .. name end

local function tell(change, user)
  redis.call('XADD', key('events'), 'MAXLEN', '~', 100000, '*', 'c', change, 'u', user)
  redis.call('SPUBLISH', key('bell'), '')
end

local function alive(node)
  local untilMs = redis.call('ZSCORE', key('nodes'), node)
  return untilMs and tonumber(untilMs) > now
end

-- A user is online until the grace period after the last connection has gone.
local function arrive(user, changed)
  if redis.call('SADD', key('online'), user) == 1 then tell('online', user)
  else
    redis.call('ZREM', key('leaving'), user)
    if changed then tell('changed', user) end
  end
end

local function depart(user, graceMs)
  if redis.call('EXISTS', key('user:' .. user)) == 0 and redis.call('SISMEMBER', key('online'), user) == 1 then
    redis.call('ZADD', key('leaving'), 'NX', now + graceMs, user)
  end
end

-- Both are counted once for a connection, however often they are asked for, and say whether they changed who is in the room.
local function enter(node, connection, user, room)
  if redis.call('SADD', key('rooms:' .. node), connection .. ' ' .. room) == 0 then return false end
  return redis.call('HINCRBY', key('room:' .. room), user, 1) == 1
end

local function uncount(user, room)
  if redis.call('HINCRBY', key('room:' .. room), user, -1) > 0 then return false end
  redis.call('HDEL', key('room:' .. room), user)
  return true
end

local function exit(node, connection, user, room)
  if redis.call('SREM', key('rooms:' .. node), connection .. ' ' .. room) == 0 then return false end
  return uncount(user, room)
end
`

/** @param body what runs after `COMMON`. */
export function script(flags: string, body: string): Script {
  const text = `#!lua${flags}\n${COMMON}\n${body}`
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

// What frees memory, or keeps a node from being taken for dead, must not fail for want of memory.
export const FREEING = ' flags=allow-oom'
const READING = ' flags=no-writes'

/** ARGV: node, lease in ms. A new incarnation of a node; what it holds is registered after it. */
export const ENROL = script(
  '',
  `
redis.call('ZADD', key('nodes'), now + ARGV[2], ARGV[1])
return 'OK'
`,
)

/**
 * ARGV: node, connection, user, device as JSON, then the number of rooms entered and those, and those left.
 * Answers FENCED, or, for a connection that is new: the rooms in which the user stands, those where this is the user's first, those where it was the last,
 * and whether another node has a connection of the same device.
 */
export const PUT = script(
  '',
  `
local node, connection, user = ARGV[1], ARGV[2], ARGV[3]
if not alive(node) then return 'FENCED' end
local isNew = redis.call('HSET', key('connections:' .. node), connection, user) == 1
local changed = redis.call('HGET', key('user:' .. user), node .. ' ' .. connection) ~= ARGV[4]
redis.call('HSET', key('user:' .. user), node .. ' ' .. connection, ARGV[4])
arrive(user, changed)
local first, last = {}, {}
local standing, replaces = {}, 0
if isNew then
  standing = redis.call('SMEMBERS', key('standing:' .. user))
  local own = cjson.decode(ARGV[4]).id
  local devices = redis.call('HGETALL', key('user:' .. user))
  for index = 1, #devices, 2 do
    local readable, device = pcall(cjson.decode, devices[index + 1])
    if string.sub(devices[index], 1, #node) ~= node and readable and device.id == own then replaces = 1 end
  end
end
local entered = tonumber(ARGV[5])
for index = 6, #ARGV do
  local room = ARGV[index]
  if index < 6 + entered then
    if enter(node, connection, user, room) then table.insert(first, room) end
  elseif exit(node, connection, user, room) then table.insert(last, room) end
end
return { standing, first, last, replaces }
`,
)

/** ARGV: node, connection, user, grace in ms, then the rooms it was in. Answers FENCED, or the rooms that the user has left by it. */
export const DROP = script(
  FREEING,
  `
local node, connection, user = ARGV[1], ARGV[2], ARGV[3]
if not alive(node) then return 'FENCED' end
local last = {}
for index = 5, #ARGV do
  if exit(node, connection, user, ARGV[index]) then table.insert(last, ARGV[index]) end
end
redis.call('HDEL', key('connections:' .. node), connection)
if redis.call('HDEL', key('user:' .. user), node .. ' ' .. connection) == 1 then tell('changed', user) end
depart(user, ARGV[4])
return { last }
`,
)

const SWEEP = `
local function forget(node, graceMs, left)
  for _, member in ipairs(redis.call('SPOP', key('rooms:' .. node), 500)) do
    local connection, room = string.match(member, '^(%S+) (.*)$')
    local user = redis.call('HGET', key('connections:' .. node), connection)
    if user and uncount(user, room) then table.insert(left, room); table.insert(left, user) end
  end
  if redis.call('EXISTS', key('rooms:' .. node)) == 1 then return false end
  local held = redis.call('HRANDFIELD', key('connections:' .. node), 500, 'WITHVALUES')
  for index = 1, #held, 2 do
    redis.call('HDEL', key('connections:' .. node), held[index])
    if redis.call('HDEL', key('user:' .. held[index + 1]), node .. ' ' .. held[index]) == 1 then tell('changed', held[index + 1]) end
    depart(held[index + 1], graceMs)
  end
  return redis.call('EXISTS', key('connections:' .. node)) == 0
end

local function sweep(graceMs, left)
  local more = 0
  for _, node in ipairs(redis.call('ZRANGEBYSCORE', key('nodes'), '-inf', now, 'LIMIT', 0, 1)) do
    more = 1
    if forget(node, graceMs, left) then redis.call('ZREM', key('nodes'), node) end
  end
  local gone = redis.call('ZRANGEBYSCORE', key('leaving'), '-inf', now, 'LIMIT', 0, 500)
  for _, user in ipairs(gone) do
    redis.call('ZREM', key('leaving'), user)
    if redis.call('EXISTS', key('user:' .. user)) == 0 then
      redis.call('SREM', key('online'), user)
      tell('offline', user)
    end
  end
  if #gone == 500 then more = 1 end
  return more
end
`

/**
 * ARGV: node, lease and grace in ms, a name for the state if it has none. The sign of life of a node, which also takes out
 * what dead nodes held and users whose grace is over, a few at a time. Answers OK or FENCED, the name of the state,
 * whether there is more to take out, and pairs of a room and a user who has left it.
 */
export const BEAT = script(
  FREEING,
  `${SWEEP}
local left = {}
local state = 'FENCED'
if alive(ARGV[1]) then
  redis.call('ZADD', key('nodes'), 'XX', now + ARGV[2], ARGV[1])
  state = 'OK'
end
redis.call('SET', key('epoch'), ARGV[4], 'NX')
local more = sweep(ARGV[3], left)
return { state, redis.call('GET', key('epoch')), more, left }
`,
)

/** ARGV: node, grace in ms. A node ends: what it holds is given up, a few at a time; the last one leaves nothing. Answers as BEAT. */
export const LEAVE = script(
  FREEING,
  `${SWEEP}
local left = {}
if not forget(ARGV[1], ARGV[2], left) then return { 'OK', '', 1, left } end
redis.call('ZREM', key('nodes'), ARGV[1])
if redis.call('ZCARD', key('nodes')) == 0 and redis.call('ZCARD', key('leaving')) == redis.call('SCARD', key('online')) then
  redis.call('DEL', key('online'), key('leaving'), key('events'), key('epoch'))
end
return { 'OK', '', 0, left }
`,
)

/** ARGV: an id of an event. Answers the name of the state, whether events after it are no longer there, and the next events. */
export const EVENTS = script(
  READING,
  `
local gap = 0
if ARGV[1] ~= '0-0' and redis.call('EXISTS', key('events')) == 1 then
  local info, facts = redis.call('XINFO', 'STREAM', key('events')), {}
  for index = 1, #info, 2 do facts[info[index]] = info[index + 1] end
  local trimmed = facts['entries-added'] > facts['length']
  if trimmed and #redis.call('XRANGE', key('events'), '-', ARGV[1], 'COUNT', 1) == 0 then gap = 1 end
end
local events = {}
for _, event in ipairs(redis.call('XRANGE', key('events'), '(' .. ARGV[1], '+', 'COUNT', 1000)) do
  table.insert(events, event[1]); table.insert(events, event[2][2]); table.insert(events, event[2][4])
end
return { redis.call('GET', key('epoch')) or '', gap, events }
`,
)

/** Answers the name of the state and the id of its last event. */
export const POSITION = script(
  READING,
  `
local last = redis.call('XREVRANGE', key('events'), '+', '-', 'COUNT', 1)
return { redis.call('GET', key('epoch')) or '', #last > 0 and last[1][1] or '0-0' }
`,
)

/** ARGV: time before which the subject is revoked, and until when that is remembered, both in ms since 1970. The later ones count. */
export const REVOKE = script(
  '',
  `
local known = redis.call('GET', base)
local before = math.max(tonumber(ARGV[1]), tonumber(known or ARGV[1]))
local expires = math.max(tonumber(ARGV[2]), known and redis.call('PEXPIRETIME', base) or 0)
redis.call('SET', base, string.format('%.0f', before), 'PXAT', string.format('%.0f', expires))
return 'OK'
`,
)
