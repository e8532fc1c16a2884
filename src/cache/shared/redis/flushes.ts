/**
 * Flushes by way of Redis: how they are numbered and kept there, and how they reach every server.
 *
 * | in Redis | what |
 * | --- | --- |
 * | channel `strand:flush` | a request for a flush, as text: `tree example.com` (`flush-log.ts`) |
 * | channel `strand:flushed` | a flush with its number: `17 tree example.com` |
 * | key `strand:{flush}:count` | the number of the last one |
 * | list `strand:{flush}:log` | the last ones, newest first |
 *
 * Nothing of it is read further than it can be what it should be, for others can write there.
 *
 * A request reaches all servers, and each has it numbered: the first one does, the others find it done. What is
 * numbered is published with its number. A server that was away reads the log when it comes back.
 */
import { Effect } from "effect"
import { type Flush, formatFlush, MAX_FLUSHES, type NumberedFlush, readNumberedFlush } from "../flush-log.ts"
import { type RedisArgument, type RedisConnection, RedisUnreachable } from "./connection.ts"

export const FLUSH_REQUESTS = "strand:flush"
export const FLUSHES = "strand:flushed"
const COUNT = "strand:{flush}:count"
const LOG = "strand:{flush}:log"
const ONCE = "strand:{flush}:once:"

/** The same request within this time is one. A server that gets it later has it numbered again, which does no harm. */
const ONCE_MS = 200

/** Digits of the count that are looked at, and the highest one that counts: it has to fit an entry's stamp. */
const COUNT_DIGITS = 16
const MAX_COUNT = 2 ** 31
/** Octets of a flush as text: the longest name has four for each of its own. What is longer is none. */
export const MAX_FLUSH_TEXT = 1_100

/** Reads the count. What stands there and is no count is lost. */
export const askForCount: ReadonlyArray<RedisArgument> = ["GETRANGE", COUNT, "0", String(COUNT_DIGITS - 1)]

/** The same in a script. */
const READ_COUNT = `
local text = redis.call('GETRANGE', KEYS[1], 0, ${COUNT_DIGITS - 1})
local number = string.match(text, '^%d+$') and tonumber(text) or 0
if number > ${MAX_COUNT} then number = 0 end`

/**
 * The count may be lost, with all that is in Redis: it never falls behind what a server knows of. A Redis that is full
 * takes it nevertheless (`allow-oom`).
 */
const ENTER = `#!lua flags=allow-oom
if ARGV[3] ~= '0' and not redis.call('SET', KEYS[3], '', 'NX', 'PX', ARGV[3]) then return 0 end
${READ_COUNT}
number = math.max(number, tonumber(ARGV[1])) + 1
local entry = string.format('%d %s', number, ARGV[2])
redis.call('SET', KEYS[1], string.format('%d', number))
redis.call('LPUSH', KEYS[2], entry)
redis.call('LTRIM', KEYS[2], 0, ${MAX_FLUSHES - 1})
redis.call('PUBLISH', '${FLUSHES}', entry)
return number`

const READ = `#!lua flags=allow-oom
${READ_COUNT}
number = math.max(number, tonumber(ARGV[1]))
local is = string.format('%d', number)
if text ~= is and (text ~= '' or number > 0) then redis.call('SET', KEYS[1], is) end
local log = {}
for _, entry in ipairs(redis.call('LRANGE', KEYS[2], 0, ${MAX_FLUSHES - 1})) do
  if #entry <= ${MAX_FLUSH_TEXT} then log[#log + 1] = entry end
end
return { number, log }`

/**
 * Numbers the flush and publishes it.
 *
 * @param known the number of the last flush that this server knows of
 * @param isRequest whether other servers have it numbered too
 */
export const enterFlush = (
  connection: RedisConnection,
  flush: Flush,
  known: number,
  isRequest: boolean
): Effect.Effect<void, RedisUnreachable> => {
  const text = formatFlush(flush)
  const once = isRequest ? ONCE_MS : 0
  return Effect.asVoid(connection.ask(["EVAL", ENTER, "3", COUNT, LOG, ONCE + text, String(known), text, String(once)]))
}

export interface ReadLog {
  readonly generation: number
  /** Newest first. */
  readonly log: ReadonlyArray<NumberedFlush>
}

/** The log as it is now. */
export const readFlushes = (connection: RedisConnection, known: number): Effect.Effect<ReadLog, RedisUnreachable> =>
  Effect.flatMap(connection.ask(["EVAL", READ, "2", COUNT, LOG, String(known)]), (reply) => {
    const [number, log] = Array.isArray(reply) ? (reply as ReadonlyArray<unknown>) : []
    if (!Number.isSafeInteger(number) || !Array.isArray(log)) {
      return Effect.fail(new RedisUnreachable({ message: "what it says of flushes is no log of them" }))
    }
    const flushes = log.map((text) => readNumberedFlush(String(text)))
    return Effect.succeed({ generation: number as number, log: flushes.filter((flush) => flush !== undefined) })
  })
