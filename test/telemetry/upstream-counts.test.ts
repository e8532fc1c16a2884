import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Counters, counterMemory } from "../../src/telemetry/counters.ts"
import type { AttemptOutcome } from "../../src/telemetry/record.ts"
import type { EndedAttempt } from "../../src/telemetry/upstream-counts.ts"
import { questionFor } from "../../src/upstream/health/known-question.ts"

const ended = (outcome: AttemptOutcome, rcode: number): EndedAttempt => ({
  question: questionFor(Uint8Array.of(0), 1),
  transport: "udp",
  startedMs: 0,
  endedMs: 1,
  outcome,
  rcode
})

const countersOver = (memory: SharedArrayBuffer, row: number): Effect.Effect<Counters["Service"]> =>
  Effect.provide(Counters, Counters.layerOver(memory, row))

describe("what is counted by upstream", () => {
  it.effect("is of all threads together, by the names that any of them registered, and in the totals", () =>
    Effect.gen(function* () {
      const memory = counterMemory(3, 2)
      const one = yield* countersOver(memory, 0)
      const two = yield* countersOver(memory, 1)
      // It counts nothing, and registers nobody: a supervisor.
      const three = yield* countersOver(memory, 2)
      const first = one.countsFor(0, "udp://192.0.2.1:53")
      const second = two.countsFor(0, "udp://192.0.2.1:53")
      const other = two.countsFor(1, "tls://192.0.2.2:853#näme")
      first.ended(ended("answered", 0))
      second.ended(ended("answered", 3))
      second.ended(ended("error-response", 2))
      second.ended(ended("error-response", 5))
      second.ended(ended("error-response", 0))
      second.ended(ended("error-response", 23))
      other.ended(ended("network-error", -1))
      other.ended(ended("timeout", -1))
      other.ended(ended("overtaken", -1))
      other.ended(ended("garbage", -1))
      other.withheld()
      assert.deepStrictEqual(three.upstreams(), [
        {
          upstream: "udp://192.0.2.1:53",
          outcomes: { answered: 2, SERVFAIL: 1, REFUSED: 1, "other-error": 1, unusable: 1 }
        },
        {
          upstream: "tls://192.0.2.2:853#näme",
          outcomes: { overtaken: 1, timeout: 1, "network-error": 1, garbage: 1, withheld: 1 }
        }
      ])
      assert.deepStrictEqual(three.snapshot(), {
        "upstream.answered": 2,
        "upstream.overtaken": 1,
        "upstream.timeouts": 1,
        "upstream.errors": 1,
        "upstream.rejected": 5,
        "upstream.withheld": 1
      })
    })
  )

  it.effect("is in the totals alone where there is no room, and changes no other counter", () =>
    Effect.gen(function* () {
      const counters = yield* countersOver(counterMemory(1, 1), 0)
      counters.countsFor(0, "udp://192.0.2.1:53").ended(ended("answered", 0))
      counters.countsFor(1, "udp://192.0.2.2:53").ended(ended("answered", 0))
      assert.deepStrictEqual(counters.upstreams(), [{ upstream: "udp://192.0.2.1:53", outcomes: { answered: 1 } }])
      assert.strictEqual(counters.read("upstream.answered"), 2)
    })
  )

  it.effect("has a name of whatever length, cut to its room", () =>
    Effect.gen(function* () {
      const counters = yield* countersOver(counterMemory(1, 2), 0)
      counters.countsFor(0, `https://${"ä".repeat(300)}/dns-query`)
      counters.countsFor(1, "next").ended(ended("answered", 0))
      const [long, next] = counters.upstreams()
      assert.isTrue(long!.upstream.startsWith("https://ää"))
      assert.deepStrictEqual(next, { upstream: "next", outcomes: { answered: 1 } })
    })
  )
})
