import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { askMany } from "../support/clients/bulk-client.ts"
import { nsd, startNsd } from "../support/external/nsd.ts"
import { startUnbound, unbound } from "../support/external/unbound.ts"
import { startServer } from "../support/servers/server.ts"
import { type Asked, drawQuestions } from "../support/wire/questions.ts"
import type { Zone } from "../support/wire/zones.ts"
import { compareReplies } from "./compare-replies.ts"
import { conformanceZones, strayZone } from "./unbound-zones.ts"

const QUESTIONS = 11_000
const SEED = 8_906

/** Asks all three, Strand twice: once it has to ask upstream, once it knows. */
const compare = (zones: ReadonlyArray<Zone>, questions: ReadonlyArray<Asked>) =>
  Effect.gen(function* () {
    const upstream = yield* startNsd(Object.fromEntries(zones.map(({ origin, text }) => [origin, text])))
    const peer = yield* startUnbound(upstream)
    // One of the zones is of a network for documentation: here it is served. So are questions for all types.
    const server = yield* startServer({
      DNS_SERVER_UPSTREAMS: `127.0.0.1:${upstream}`,
      DNS_SERVER_SPECIAL_NAMES: "none",
      DNS_SERVER_ANY_QUERIES: "forward"
    })
    const first = yield* askMany(server.port, questions)
    const again = yield* askMany(server.port, questions)
    const theirs = yield* askMany(peer, questions)
    const authority = yield* askMany(upstream, questions)
    return {
      first: compareReplies(questions, { ours: first, theirs, authority }),
      again: compareReplies(questions, { ours: again, theirs, authority })
    }
  })

describe.skipIf(nsd === undefined || unbound === undefined)("beside Unbound, in front of the same NSD", () => {
  it.live("gives the rcode, the flags and the answers that Unbound gives, but where a rule says otherwise", () =>
    Effect.gen(function* () {
      const questions = drawQuestions(conformanceZones, QUESTIONS, SEED)
      const { first, again } = yield* compare(conformanceZones, questions)
      assert.deepStrictEqual(first.differences, [])
      assert.deepStrictEqual(again.differences, [])
      const excepted = Object.values(first.exceptions).reduce((sum, count) => sum + count, 0)
      assert.isBelow(excepted, QUESTIONS / 20, "the exceptions are exceptions")
    })
  )

  it.live("follows aliases out of what the upstream answered, as Unbound does", () =>
    Effect.gen(function* () {
      const { first, again } = yield* compare([strayZone, ...conformanceZones], drawQuestions([strayZone], 500, SEED))
      assert.deepStrictEqual(first.differences, [])
      assert.deepStrictEqual(again.differences, [])
    })
  )
})
