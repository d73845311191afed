import { FREEING, script } from './scripts.js'

// A log: the number of its last entry outlives its entries, which are a stream of `<sequence>-0`. What an epoch begins with is empty.
const LOG = `
local function head(epoch, keepMs)
  local known = redis.call('HMGET', key('head'), 'epoch', 'sequence', 'at')
  if not known[1] then
    redis.call('DEL', key('entries'), key('keys'), key('confirmed'))
    redis.call('HSET', key('head'), 'epoch', epoch, 'sequence', 0, 'at', 0, 'removed', 0, 'removedAt', 0, 'removedBy', 'trimmed')
    known = { epoch, 0, 0 }
  end
  if redis.call('PTTL', key('head')) < keepMs / 2 then redis.call('PEXPIRE', key('head'), keepMs) end
  return known[1], tonumber(known[2]), tonumber(known[3])
end

local function sequenceOf(id) return tonumber(string.match(id, '^%d+')) end

-- Takes out the oldest entries: those up to a number, and those from before a time.
local function remove(through, before)
  local last, at, by
  while true do
    local first = redis.call('XRANGE', key('entries'), '-', '+', 'COUNT', 1)[1]
    if not first then break end
    local sequence, fields = sequenceOf(first[1]), first[2]
    if sequence > through and tonumber(fields[2]) >= before then break end
    redis.call('XDEL', key('entries'), first[1])
    if fields[6] then redis.call('HDEL', key('keys'), fields[6]) end
    last, at, by = sequence, fields[2], sequence <= through and 'trimmed' or 'expired'
  end
  if last then redis.call('HSET', key('head'), 'removed', last, 'removedAt', at, 'removedBy', by) end
end
`

/**
 * ARGV: an epoch for a log that is new, how long an empty log is remembered and how long an entry, both in ms, how many entries are kept, the channel that
 * is told and the beginning of what it is told, the entry; then a key and its digest, where it has one. Answers CONFLICT, or epoch, sequence and time.
 */
export const APPEND = script(
  '',
  `${LOG}
local epoch, sequence, previousAt = head(ARGV[1], tonumber(ARGV[2]))
local maxAge, count, entry, name = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[7], ARGV[8]
remove(0, now - maxAge)
local known = name and redis.call('HGET', key('keys'), name)
if known then
  local knownSequence, knownAt, digest = string.match(known, '^(%d+) (%d+) (.*)$')
  if digest ~= ARGV[9] then return 'CONFLICT' end
  return { epoch, tonumber(knownSequence), tonumber(knownAt) }
end
sequence = sequence + 1
local at = string.format('%.0f', math.max(now, previousAt))
local fields = { 'at', at, 'entry', entry }
if name then
  table.insert(fields, 'key')
  table.insert(fields, name)
  redis.call('HSET', key('keys'), name, sequence .. ' ' .. at .. ' ' .. ARGV[9])
  redis.call('PEXPIRE', key('keys'), maxAge)
end
redis.call('XADD', key('entries'), sequence .. '-0', unpack(fields))
redis.call('PEXPIRE', key('entries'), maxAge)
redis.call('HSET', key('head'), 'sequence', sequence, 'at', at)
remove(sequence - count, 0)
redis.call('SPUBLISH', ARGV[5], ARGV[6] .. ',"epoch":"' .. epoch .. '","sequence":' .. sequence .. ',"atMs":' .. at .. ',"previousAtMs":' .. string.format('%.0f', previousAt) .. ',"entry":' .. entry .. '}')
return { epoch, sequence, tonumber(at) }
`,
)

/** ARGV: an epoch for a log that is new, how long it is remembered, in ms. Answers epoch, sequence and time of the last entry. */
export const HEAD = script(
  FREEING,
  `${LOG}
local epoch, sequence, at = head(ARGV[1], tonumber(ARGV[2]))
return { epoch, sequence, at }
`,
)

/**
 * ARGV: an epoch for a log that is new, how long an empty log is remembered and how long an entry, both in ms, a number, how many entries and bytes.
 * Answers epoch, sequence and time of the last entry; the last one that was taken out, when it was stored, and why; then sequence, time and entry of each from the number on.
 */
export const READ = script(
  FREEING,
  `${LOG}
local epoch, sequence, at = head(ARGV[1], tonumber(ARGV[2]))
remove(0, now - tonumber(ARGV[3]))
local from, count, bytes = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local removed = redis.call('HMGET', key('head'), 'removed', 'removedAt', 'removedBy')
local entries = {}
while count > 0 and bytes > 0 do
  local found = redis.call('XRANGE', key('entries'), string.format('%.0f-0', from), '+', 'COUNT', math.min(count, 20))
  if #found == 0 then break end
  for _, each in ipairs(found) do
    from = sequenceOf(each[1]) + 1
    table.insert(entries, from - 1)
    table.insert(entries, each[2][2])
    table.insert(entries, each[2][4])
    count, bytes = count - 1, bytes - #each[2][4]
    if bytes <= 0 then break end
  end
end
return { epoch, sequence, at, removed[1], removed[2], removed[3], entries }
`,
)

/** ARGV: an epoch for a log that is new, how long it is remembered, in ms, a number up to which entries are taken out. */
export const TRIM = script(
  FREEING,
  `${LOG}
head(ARGV[1], tonumber(ARGV[2]))
remove(tonumber(ARGV[3]), 0)
return 'OK'
`,
)

/** ARGV: how long a confirmation is remembered, in ms, then what is confirmed. */
export const CONFIRM = script(
  FREEING,
  `
redis.call('ZREMRANGEBYSCORE', key('confirmed'), '-inf', now - ARGV[1])
for index = 2, #ARGV do redis.call('ZADD', key('confirmed'), now, ARGV[index]) end
redis.call('PEXPIRE', key('confirmed'), ARGV[1])
return 'OK'
`,
)
