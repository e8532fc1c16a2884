import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Pull, Schedule } from "effect"
import { retrySchedule } from "../../src/upstream/attempt/retry-schedule.ts"
import { rcodeOf } from "../support/servers/server.ts"
import { memoryServer } from "../support/servers/timed-server.ts"
import type { WireBehaviour } from "../support/upstreams/fake-upstream.ts"
import { mirrorReply } from "../support/upstreams/mirror.ts"
import { seeded } from "../support/wire/messages.ts"

/** Answers after `meanMs`, up to `spreadMs` sooner or later. */
const steady = (meanMs: number, spreadMs: number): WireBehaviour => {
  const random = seeded(meanMs)
  return (query) => [{ reply: mirrorReply(query), delayMs: meanMs - spreadMs + random(2 * spreadMs + 1) }]
}

describe("upstreams that take their time, and always the same", () => {
  for (const [meanMs, spreadMs, upstreams] of [
    [200, 0, 1],
    [85, 0, 1],
    [85, 6, 2],
    [200, 10, 2],
    [40, 2, 2],
    [450, 15, 3]
  ] as const) {
    it.effect(`are asked once for each question: ${meanMs} ms, ${spreadMs} more or less, ${upstreams} of them`, () =>
      Effect.gen(function* () {
        const servers = Array.from({ length: upstreams }, () => ({ behaviour: steady(meanMs, spreadMs), queries: 0 }))
        const server = yield* memoryServer({ DNS_SERVER_UPSTREAM_POLICY: "round-robin" }, servers)
        for (let i = 0; i < 20; i++) {
          assert.strictEqual(rcodeOf((yield* server.ask({ name: `w${i}.example.test` })).answer), "NOERROR")
        }
        for (const one of servers) one.queries = 0
        for (let i = 0; i < 400; i++) {
          yield* server.send({ name: `n${i}.example.test` })
          yield* server.pass(10)
        }
        yield* server.pass(meanMs + 100)
        const asked = servers.reduce((sum, { queries }) => sum + queries, 0)
        assert.isTrue(asked >= 400 && asked <= 400 * 1.03, String(asked))
      }).pipe(Effect.scoped)
    )
  }
})

describe("the delays between attempts", () => {
  it.effect("are never shorter than they are meant to be, and not all the same", () =>
    Effect.gen(function* () {
      const firsts = new Set<number>()
      for (let n = 0; n < 200; n++) {
        const step = yield* Schedule.toStep(retrySchedule(300, 3))
        for (const least of [300, 450, 675]) {
          const [, delay] = yield* Pull.catchDone(step(0, undefined), () => Effect.die("no more delays"))
          const ms = Duration.toMillis(delay)
          assert.isTrue(ms >= least && ms <= least * 1.2, `${ms} of ${least}`)
          if (least === 300) firsts.add(ms)
        }
      }
      assert.isAbove(firsts.size, 100)
    })
  )
})
