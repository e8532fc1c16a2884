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

/** Counts of an upstream that the configuration in use has. */
const countsOf = (counters: Counters["Service"], slot: number, name: string, key = name) => {
  const counts = counters.countsFor(slot, key)
  counts.rename(name)
  return counts
}

/** What the table says, without what is zero in these tests. */
const outcomesOf = (counters: Counters["Service"]) =>
  counters.upstreams().map(({ upstream, outcomes }) => ({ upstream, outcomes }))

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
      const first = countsOf(one, 0, "udp://192.0.2.1:53")
      const second = countsOf(two, 0, "udp://192.0.2.1:53")
      const other = countsOf(two, 1, "tls://192.0.2.2:853#näme")
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
      assert.deepStrictEqual(outcomesOf(three), [
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

  it.effect("is how long replies took, by rcode, and what else is known of an upstream", () =>
    Effect.gen(function* () {
      const memory = counterMemory(2, 1)
      const one = countsOf(yield* countersOver(memory, 0), 0, "one")
      const two = countsOf(yield* countersOver(memory, 1), 0, "one")
      one.ended({ ...ended("answered", 0), startedMs: 10, endedMs: 14 })
      two.ended({ ...ended("overtaken", 0), startedMs: 10, endedMs: 30_000 })
      two.ended({ ...ended("error-response", 2), startedMs: 10, endedMs: 10.5 })
      two.ended(ended("timeout", -1))
      one.retried()
      two.retried()
      two.hedged()
      one.noteInFlight(3)
      two.noteInFlight(2)
      const [sums] = (yield* countersOver(memory, 0)).upstreams()
      const counted = sums!.durations.map(({ rcode, counts }) => [
        rcode,
        counts.flatMap((n, step) => (n > 0 ? [step] : []))
      ])
      assert.deepStrictEqual(Object.fromEntries(counted), {
        NOERROR: [2, 13],
        NXDOMAIN: [],
        SERVFAIL: [0],
        REFUSED: [],
        other: []
      })
      assert.closeTo(sums!.durations[0]!.seconds, 29.994, 1e-9)
      assert.deepStrictEqual([sums!.retries, sums!.hedges, sums!.inFlight], [2, 1, 5])
      // A thread that takes the place of another has nothing under way.
      two.noteInFlight(0)
      countsOf(yield* countersOver(memory, 0), 0, "one")
      assert.strictEqual((yield* countersOver(memory, 0)).upstreams()[0]!.inFlight, 0)
    })
  )

  it.effect("is in the totals alone where there is no room, and changes no other counter", () =>
    Effect.gen(function* () {
      const counters = yield* countersOver(counterMemory(1, 1), 0)
      countsOf(counters, 0, "udp://192.0.2.1:53").ended(ended("answered", 0))
      countsOf(counters, 1, "udp://192.0.2.2:53").ended(ended("answered", 0))
      assert.deepStrictEqual(outcomesOf(counters), [{ upstream: "udp://192.0.2.1:53", outcomes: { answered: 1 } }])
      assert.strictEqual(counters.read("upstream.answered"), 2)
    })
  )

  it.effect("has a name of whatever length, cut to its room", () =>
    Effect.gen(function* () {
      const counters = yield* countersOver(counterMemory(1, 2), 0)
      countsOf(counters, 0, `https://${"ä".repeat(300)}/dns-query`)
      countsOf(counters, 1, "next").ended(ended("answered", 0))
      const [long, next] = outcomesOf(counters)
      assert.isTrue(long!.upstream.startsWith("https://ää"))
      assert.deepStrictEqual(next, { upstream: "next", outcomes: { answered: 1 } })
    })
  )

  it.effect("begins at nothing where a slot is another upstream's, in every thread", () =>
    Effect.gen(function* () {
      const memory = counterMemory(3, 1)
      const [one, two, gone] = [
        yield* countersOver(memory, 0),
        yield* countersOver(memory, 1),
        yield* countersOver(memory, 2)
      ]
      for (const thread of [one, two, gone]) {
        countsOf(thread, 0, "a long name of the first", "udp://192.0.2.1:53").ended(ended("answered", 0))
      }
      // The third thread is there no more.
      countsOf(one, 0, "short", "udp://192.0.2.2:53").ended(ended("timeout", -1))
      countsOf(two, 0, "short", "udp://192.0.2.2:53")
      assert.deepStrictEqual(outcomesOf(one), [{ upstream: "short", outcomes: { timeout: 1 } }])
      assert.strictEqual(one.upstreamName(0), "short")
      // The totals are those of all that there were.
      assert.strictEqual(one.read("upstream.answered"), 3)
    })
  )

  it.effect("is in one row for each upstream, at whatever slot it is back, and keeps its name where it was", () =>
    Effect.gen(function* () {
      const counters = yield* countersOver(counterMemory(1, 3), 0)
      for (const [slot, name] of ["a", "b"].entries()) countsOf(counters, slot, name).ended(ended("answered", 0))
      countsOf(counters, 2, "b").ended(ended("timeout", -1))
      assert.deepStrictEqual(outcomesOf(counters), [
        { upstream: "a", outcomes: { answered: 1 } },
        { upstream: "b", outcomes: { timeout: 1 } }
      ])
      assert.strictEqual(counters.upstreamName(1), "b")
    })
  )

  it.effect("is the last one's of those that have had a name, once the configuration with it is in use", () =>
    Effect.gen(function* () {
      const counters = yield* countersOver(counterMemory(1, 2), 0)
      const first = countsOf(counters, 0, "home", "udp://192.0.2.1:53")
      first.ended(ended("answered", 0))
      const second = counters.countsFor(1, "udp://192.0.2.2:53")
      second.ended(ended("timeout", -1))
      assert.deepStrictEqual(outcomesOf(counters), [{ upstream: "home", outcomes: { answered: 1 } }])
      second.rename("home")
      assert.deepStrictEqual(outcomesOf(counters), [{ upstream: "home", outcomes: { timeout: 1 } }])
      first.rename("home")
      assert.deepStrictEqual(outcomesOf(counters), [{ upstream: "home", outcomes: { answered: 1 } }])
    })
  )

  it.effect("is not called by who had its slot before", () =>
    Effect.gen(function* () {
      const counters = yield* countersOver(counterMemory(1, 1), 0)
      const before = countsOf(counters, 0, "before")
      countsOf(counters, 0, "after")
      before.rename("late")
      assert.deepStrictEqual(outcomesOf(counters), [{ upstream: "after", outcomes: {} }])
    })
  )

  it.effect("goes on where an upstream is called otherwise", () =>
    Effect.gen(function* () {
      const memory = counterMemory(2, 1)
      const one = yield* countersOver(memory, 0)
      const two = yield* countersOver(memory, 1)
      const counts = countsOf(one, 0, "udp://192.0.2.1:53")
      countsOf(two, 0, "udp://192.0.2.1:53").ended(ended("answered", 0))
      counts.ended(ended("answered", 0))
      counts.rename("home")
      counts.ended(ended("answered", 0))
      assert.deepStrictEqual(outcomesOf(two), [{ upstream: "home", outcomes: { answered: 3 } }])
    })
  )
})
