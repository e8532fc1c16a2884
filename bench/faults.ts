/**
 * `node bench/faults.ts`: what clients see when one of two upstreams goes bad. Takes two minutes.
 *
 * 2,000 questions a second for names that nobody has asked for, in fifty zones; the fault begins after a second.
 * Server, client and what is left of the upstreams share one process.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Fiber, type Scope } from "effect"
import { type Load, pacedLoad, quantileOf } from "../test/support/clients/paced-load.ts"
import { type UpstreamFault, upstreamFaults } from "../test/support/faults/upstream-faults.ts"
import { startServer } from "../test/support/servers/server.ts"
import { wireUpstream } from "../test/support/upstreams/fake-upstream.ts"
import { mirror } from "../test/support/upstreams/mirror.ts"

const PER_SECOND = 2_000
const FOR_MS = 6_000
const FAULT_MS = 1_000
/** From here on the fault ought to be known. */
const KNOWN_MS = FAULT_MS + 1_000
const PATIENCE_MS = 6_000

const measure = (policy: string, begin: Effect.Effect<UpstreamFault, never, Scope.Scope>): Effect.Effect<Load> =>
  Effect.scoped(
    Effect.gen(function* () {
      const fault = yield* begin
      const other = yield* wireUpstream(mirror)
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: `${fault.address},${other.address}`,
        DNS_SERVER_UPSTREAM_POLICY: policy
      })
      const nameOf = (n: number): string => `n${n}.z${n % 50}.test`
      const load = pacedLoad(server.port, nameOf, PER_SECOND, FOR_MS, PATIENCE_MS)
      const asking = yield* Effect.forkChild(load, { startImmediately: true })
      yield* Effect.sleep(FAULT_MS)
      yield* fault.strike
      return yield* Fiber.join(asking)
    })
  )

const row = (what: string, policy: string, load: Load): string => {
  const ms = (value: number): string => value.toFixed(1)
  const healthy = { ...load, answers: load.answers.filter(({ atMs }) => atMs < FAULT_MS) }
  const cells = [
    what,
    policy,
    `${load.asked}`,
    `${load.lost + load.failed}`,
    ms(quantileOf(healthy, 0.99)),
    ms(quantileOf(load, 0.99, KNOWN_MS)),
    ms(quantileOf(load, 1))
  ]
  return `| ${cells.join(" | ")} |`
}

const program = Effect.gen(function* () {
  yield* Console.log(
    "| one of two is | policy | asked | lost or wrong | p99 before, ms | p99 later, ms | longest, ms |"
  )
  yield* Console.log("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
  for (const [what, begin] of Object.entries(upstreamFaults)) {
    for (const policy of ["ordered", "fastest", "round-robin"]) {
      yield* Console.log(row(what, policy, yield* measure(policy, begin)))
    }
  }
})

NodeRuntime.runMain(program)
