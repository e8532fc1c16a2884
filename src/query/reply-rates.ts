/**
 * How many equal replies a second a network of clients gets by UDP (response rate limiting): a flood of queries with a
 * victim's address brings the victim no flood of replies. A client that has shown a good cookie is no victim.
 *
 * Replies without an error are equal where name and type are, all others where the rcode is: names that do not exist
 * have no end.
 */
import { Context, Effect, Layer } from "effect"
import { Configuration } from "../config/configuration.ts"
import type { SettingName, Settings } from "../config/schema/settings.ts"
import { Flag, Rcode } from "../dns/codes.ts"
import { LOWER } from "../dns/name.ts"
import type { Query } from "../dns/query.ts"
import { HEADER_SIZE, u16 } from "../dns/wire.ts"
import type { Peer } from "../io/peer.ts"
import { LoopClock } from "../runtime/loop-clock.ts"
import { Counters } from "../telemetry/counters.ts"
import { mixed } from "./admission/network-key.ts"
import { NETWORK_SETTINGS, NetworkRates } from "./admission/network-rates.ts"
import { RateTable } from "./admission/rate-table.ts"
import { ClientMemory, hashKeyIn, REPLY_RATES_AT } from "./client-memory.ts"

/** What becomes of a reply. */
export type ReplyVerdict = "send" | "truncate" | "drop"

/**
 * Counts a reply.
 *
 * @param reply header and question are there
 */
export type JudgeReply = (client: Peer, asked: Query, reply: Uint8Array) => ReplyVerdict

const SETTINGS = [
  "responseRateLimit",
  "responseRateLimitSlip",
  ...NETWORK_SETTINGS
] as const satisfies ReadonlyArray<SettingName>

/** Undefined where any number is right. */
export const ReplyRates = Context.Reference<{ readonly judge: () => JudgeReply | undefined }>(
  "strand/query/ReplyRates",
  { defaultValue: () => ({ judge: () => undefined }) }
)

export const layerReplyRates: Layer.Layer<never, never, Configuration | LoopClock | Counters> = Layer.effect(
  ReplyRates,
  Effect.gen(function* () {
    const configuration = yield* Configuration
    const clock = yield* LoopClock
    const counters = yield* Counters
    const memory = yield* ClientMemory
    const table = new RateTable(memory, REPLY_RATES_AT)
    const hashKey = hashKeyIn(memory)
    const live = yield* configuration.derive(SETTINGS, (settings) =>
      Effect.sync(() => makeJudge(settings, table, hashKey, clock, counters))
    )
    return { judge: () => live.current }
  })
)

const makeJudge = (
  settings: Pick<Settings, (typeof SETTINGS)[number]>,
  table: RateTable,
  hashKey: number,
  clock: LoopClock["Service"],
  counters: Counters["Service"]
): JudgeReply | undefined => {
  const { responseRateLimit, responseRateLimitSlip: slip } = settings
  const rates = NetworkRates.of(settings, responseRateLimit, table, hashKey)
  if (rates === undefined) return undefined
  let beyond = 0
  return (client, asked, reply) => {
    if (asked.isCookieValid || rates.admits(client, kindOf(asked, reply), clock.nowMs())) return "send"
    const isSlipped = slip > 0 && ++beyond % slip === 0
    counters.add(isSlipped ? "answers.slipped" : "answers.limited")
    return isSlipped ? "truncate" : "drop"
  }
}

/** A hash of what makes replies equal. */
const kindOf = ({ wire, nameLength, type }: Query, reply: Uint8Array): number => {
  const rcode = u16(reply, 2) & Flag.RcodeMask
  if (rcode !== Rcode.NoError) return mixed(rcode, -1)
  let hash = type
  for (let at = HEADER_SIZE; at < HEADER_SIZE + nameLength; at++) {
    hash = Math.imul(hash ^ LOWER[wire[at]!]!, 0x01000193)
  }
  return hash
}
