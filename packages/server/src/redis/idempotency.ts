import { RealtimeError } from '@org/realtime-contracts/wire'
import type { Claim, Claimant, IdempotencyStore, RedisCommand } from '../idempotency.js'
import type { RedisBus } from './bus.js'
import { unavailable } from './reply.js'
import { type Script, script } from './scripts.js'

// A command is one hash, at base: digest, token and until while it is claimed, attempt, reply once it is done, and what its steps came to.

/** ARGV: digest, token, lease and retention in ms. Answers what of it stands, then the attempt or the reply. */
const CLAIM = script(
  '',
  `
local held = redis.call('HMGET', base, 'digest', 'reply', 'token', 'until', 'attempt')
if held[1] and held[1] ~= ARGV[1] then return { 'conflict' } end
if held[2] then return { 'done', held[2] } end
local again = held[3] == ARGV[2]
if held[3] and not again and tonumber(held[4]) > now then return { 'running' } end
local attempt = tonumber(held[5] or '0') + (again and 0 or 1)
redis.call('HSET', base, 'digest', ARGV[1], 'token', ARGV[2], 'until', now + ARGV[3], 'attempt', attempt)
redis.call('PEXPIRE', base, ARGV[4])
return { 'claimed', attempt }
`,
)

/** ARGV: token, lease in ms. */
const RENEW = script(
  '',
  `
if redis.call('HGET', base, 'token') == ARGV[1] then
  redis.call('HSET', base, 'until', now + ARGV[2])
  if redis.call('PTTL', base) < tonumber(ARGV[2]) then redis.call('PEXPIRE', base, ARGV[2]) end
end
return 'OK'
`,
)

/** ARGV: token. */
const RELEASE = script(
  '',
  `
if redis.call('HGET', base, 'token') == ARGV[1] then redis.call('HDEL', base, 'token', 'until') end
return 'OK'
`,
)

/** ARGV: digest, reply, retention in ms. Answers the reply that is kept. */
const FINISH = script(
  '',
  `
local held = redis.call('HMGET', base, 'digest', 'reply')
if held[1] and held[1] ~= ARGV[1] then return ARGV[2] end
local reply = held[2] or ARGV[2]
redis.call('HSET', base, 'digest', ARGV[1], 'reply', reply)
redis.call('HDEL', base, 'token', 'until')
redis.call('PEXPIRE', base, ARGV[3])
return reply
`,
)

/** ARGV: step, result, retention in ms. Answers what is kept. */
const REMEMBER = script(
  '',
  `
redis.call('HSETNX', base, ARGV[1], ARGV[2])
redis.call('PEXPIRE', base, ARGV[3])
return redis.call('HGET', base, ARGV[1])
`,
)

/**
 * KEYS: the mark, which holds what came of it, and the key of the command. ARGV: retention in ms, the command's name, and its arguments after the key.
 * A command that fails has done nothing; then there is no mark. cjson would write large numbers with 14 digits.
 */
const APPLY = script(
  '',
  `
local known = redis.call('GET', base)
if known then return known end
local function json(value)
  if type(value) == 'number' then return string.format('%.0f', value) end
  if type(value) == 'string' then return cjson.encode(value) end
  if type(value) ~= 'table' then return 'null' end
  if value.ok then return cjson.encode(value.ok) end
  local parts = {}
  for index, part in ipairs(value) do parts[index] = json(part) end
  return '[' .. table.concat(parts, ',') .. ']'
end
local result = json(redis.call(ARGV[2], KEYS[2], unpack(ARGV, 3)))
redis.call('SET', base, result, 'PX', ARGV[1])
return result
`,
)

/** Commands of all nodes. Each has a key of its own, so that a Cluster spreads them over its shards. */
export class RedisIdempotencyStore implements IdempotencyStore {
  /** @param base what all its keys start with; without a hash tag. */
  constructor(
    private readonly bus: RedisBus,
    private readonly base: string,
  ) {}

  async claim(id: string, { token, digest }: Claimant, leaseMs: number, retentionMs: number): Promise<Claim> {
    const answer = await this.#run(CLAIM, id, [digest, token, leaseMs, retentionMs])
    const [state, value] = Array.isArray(answer) ? answer : []
    switch (state) {
      case 'claimed':
        return { state, attempt: Number(value) }
      case 'done':
        return { state, reply: String(value) }
      case 'running':
      case 'conflict':
        return { state }
      default:
        throw new RealtimeError('UNAVAILABLE', 'Redis answered a claim with what is none')
    }
  }

  async renew(id: string, { token }: Claimant, leaseMs: number): Promise<void> {
    await this.#run(RENEW, id, [token, leaseMs])
  }

  async release(id: string, { token }: Claimant): Promise<void> {
    await this.#run(RELEASE, id, [token])
  }

  async finish(id: string, { digest }: Claimant, reply: string, retentionMs: number): Promise<string> {
    return String(await this.#run(FINISH, id, [digest, reply, retentionMs]))
  }

  async recall(id: string, step: string): Promise<string | undefined> {
    const known = await this.bus.command(['HGET', this.#key(id), toField(step)]).catch(unavailable)
    return known === null ? undefined : String(known)
  }

  async remember(id: string, step: string, result: string, retentionMs: number): Promise<string> {
    return String(await this.#run(REMEMBER, id, [toField(step), result, retentionMs]))
  }

  async apply(id: string, step: string, [name, key, ...args]: RedisCommand, retentionMs: number): Promise<string> {
    const mark = `${this.#key(id)} ${step} {${tagOf(key)}}`
    return String(await this.bus.run(APPLY, [mark, key], [retentionMs, name, ...args]).catch(refused))
  }

  #run(command: Script, id: string, args: ReadonlyArray<string | number>): Promise<unknown> {
    return this.bus.run(command, this.#key(id), args).catch(unavailable)
  }

  #key(id: string): string {
    return `${this.base}command:${id}`
  }
}

// What a command of the application's is told whenever it is tried.
const WRONG = /^(ERR|WRONGTYPE|CROSSSLOT|NOPERM) /

function refused(error: unknown): never {
  if (error instanceof Error && WRONG.test(error.message)) throw error
  return unavailable(error)
}

function toField(step: string): string {
  return `step:${step}`
}

/** What of a key a Cluster looks at, so that the mark is on the same shard. */
function tagOf(key: string): string {
  const start = key.indexOf('{')
  const end = key.indexOf('}', start + 1)
  return start >= 0 && end > start + 1 ? key.slice(start + 1, end) : key
}
