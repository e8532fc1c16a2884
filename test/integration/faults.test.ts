import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { pacedLoad, quantileOf } from "../support/clients/paced-load.ts"
import { upstreamFaults } from "../support/faults/upstream-faults.ts"
import { startServer } from "../support/servers/server.ts"
import { type WireBehaviour, wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { mirror, nameIn } from "../support/upstreams/mirror.ts"

/** Of five tests at once. */
const PER_SECOND = 200
const FOR_MS = 3_000
/** When the fault begins. */
const FAULT_MS = 1_000
const DEADLINE_MS = 5_000

/** Names in fifty zones. */
const goodName = (n: number): string => `n${n}.z${n % 50}.test`

const settled = (policy: string, upstreams: ReadonlyArray<string>) =>
  startServer({
    DNS_SERVER_UPSTREAMS: upstreams.join(","),
    DNS_SERVER_UPSTREAM_POLICY: policy,
    DNS_SERVER_TRACE_SAMPLING: "never"
  })

// They wait for clocks: each has servers of its own.
describe.concurrent("of two upstreams, under load of names that are not cached", () => {
  for (const policy of ["ordered", "fastest", "round-robin"]) {
    for (const [what, begin] of Object.entries(upstreamFaults)) {
      it.live(`one ${what} costs no client its answer (${policy})`, () =>
        Effect.gen(function* () {
          const fault = yield* begin
          const other = yield* wireUpstream(mirror)
          const server = yield* settled(policy, [fault.address, other.address])
          const load = yield* Effect.forkChild(
            pacedLoad(server.port, goodName, PER_SECOND, FOR_MS, DEADLINE_MS + 1_000),
            {
              startImmediately: true
            }
          )
          yield* Effect.sleep(FAULT_MS)
          yield* fault.strike
          const result = yield* Fiber.join(load)
          assert.deepStrictEqual({ lost: result.lost, failed: result.failed }, { lost: 0, failed: 0 })
          assert.isBelow(quantileOf(result, 1), DEADLINE_MS)
        })
      )
    }
  }
})

describe("one zone that nobody can resolve, asked for all the time", () => {
  it.live("leaves the others' answers alone, and opens no breaker", () =>
    Effect.gen(function* () {
      const behaviour: WireBehaviour = (query, transport, count) =>
        nameIn(query).startsWith("bogus") ? [] : mirror(query, transport, count)
      const upstreams = [yield* wireUpstream(behaviour), yield* wireUpstream(behaviour)]
      const server = yield* settled(
        "fastest",
        upstreams.map(({ address }) => address)
      )
      const bogus = yield* Effect.forkChild(
        pacedLoad(server.port, (n) => `bogus${n}.bogus.test`, 1_000, 4_500, 0),
        {
          startImmediately: true
        }
      )
      const good = yield* pacedLoad(server.port, goodName, 100, 4_000, DEADLINE_MS)
      yield* Fiber.interrupt(bogus)
      assert.strictEqual(server.counters.read("upstream.opened"), 0)
      assert.deepStrictEqual({ lost: good.lost, failed: good.failed }, { lost: 0, failed: 0 })
    })
  )
})
