/**
 * Queries for all records of a name: seldom asked by who needs them, and often by who wants a long answer sent to a
 * victim. One record of no consequence answers them (RFC 8482 §4.2).
 */
import type { Settings } from "../config/schema/settings.ts"
import { Type } from "../dns/codes.ts"
import { OwnAnswer, ownRecords } from "../dns/own-answer.ts"
import type { FindOwn } from "./local-answers.ts"

/** As long as it stands for what may change, not long. */
const TTL_SECONDS = 3_600
const CPU = Buffer.from("RFC8482")
const hardware = ownRecords([
  { type: Type.HINFO, ttlSeconds: TTL_SECONDS, data: Buffer.concat([Buffer.of(CPU.length), CPU, Buffer.of(0)]) }
])

/** What answers them; undefined where they are asked for like others. */
export const makeAnyAnswer = ({ anyQueries }: Pick<Settings, "anyQueries">): FindOwn | undefined => {
  if (anyQueries !== "minimal") return undefined
  const own = new OwnAnswer()
  return (query) => (query.type === Type.ANY ? own.give(query, hardware) : undefined)
}
