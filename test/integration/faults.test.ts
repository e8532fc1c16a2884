import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Scope } from "effect"
import { type WireBehaviour, wireUpstream } from "../support/fake-upstream.ts"
import { mirror, nameIn } from "../support/mirror.ts"
import { type Load, pacedLoad, quantileOf } from "../support/paced-load.ts"
import { freePort } from "../support/ports.ts"
import { type RunningServer, startServer } from "../support/server.ts"
import { upstreamProcess } from "../support/upstream-process.ts"

const PER_SECOND = 1_000
const FOR_MS = 3_500
/** When the fault begins. */
const FAULT_MS = 1_000
const DEADLINE_MS = 5_000

/** Names in fifty zones. */
const goodName = (n: number): string => `n${n}.z${n % 50}.test`

const servfail = (query: Buffer): Buffer => {
  const reply = Buffer.from(query)
  reply.writeUInt16BE(0x8182, 2)
  return reply
}

/** An upstream whose behaviour can be changed while it runs. */
const changeable = Effect.gen(function* () {
  let behaviour: WireBehaviour = mirror
  const upstream = yield* wireUpstream((query, transport, count) => behaviour(query, transport, count))
  return {
    address: upstream.address,
    become: (next: WireBehaviour) =>
      Effect.sync(() => {
        behaviour = next
      })
  }
})

interface Fault {
  readonly address: string
  /** Makes the upstream bad. */
  readonly strike: Effect.Effect<void>
}

const faults: Readonly<Record<string, Effect.Effect<Fault, never, Scope.Scope>>> = {
  killed: Effect.gen(function* () {
    const port = yield* freePort
    const { signal } = yield* upstreamProcess(port)
    return { address: `127.0.0.1:${port}`, strike: signal("SIGKILL") }
  }),
  "stopped (SIGSTOP)": Effect.gen(function* () {
    const port = yield* freePort
    const { signal } = yield* upstreamProcess(port)
    return { address: `127.0.0.1:${port}`, strike: signal("SIGSTOP") }
  }),
  "losing 30 % of its answers": Effect.gen(function* () {
    const { address, become } = yield* changeable
    const lossy: WireBehaviour = (query, transport, count) => (count % 10 < 3 ? [] : mirror(query, transport, count))
    return { address, strike: become(lossy) }
  }),
  "answering SERVFAIL": Effect.gen(function* () {
    const { address, become } = yield* changeable
    return { address, strike: become((query) => [{ reply: servfail(query) }]) }
  }),
  flapping: Effect.gen(function* () {
    const { address, become } = yield* changeable
    const isDark = (): boolean => Math.floor(performance.now() / 700) % 2 === 0
    return {
      address,
      strike: become((query, transport, count) => (isDark() ? [] : mirror(query, transport, count)))
    }
  })
}

const settled = (policy: string, upstreams: ReadonlyArray<string>) =>
  startServer({
    DNS_SERVER_UPSTREAMS: upstreams.join(","),
    DNS_SERVER_UPSTREAM_POLICY: policy,
    DNS_SERVER_TRACE_SAMPLING: "never"
  })

const say = (what: string, load: Load, server: RunningServer): void => {
  const { asked, lost, failed } = load
  const p = (share: number): number => Math.round(quantileOf(load, share, FAULT_MS) * 10) / 10
  console.log(
    `${what}: ${asked} asked, ${lost} lost, ${failed} failed; ms p50 ${p(0.5)}, p99 ${p(0.99)}, max ${p(1)};`,
    JSON.stringify(server.counters.snapshot())
  )
}

describe("of two upstreams, under load of names that are not cached", () => {
  for (const policy of ["ordered", "fastest", "round-robin"]) {
    for (const [what, begin] of Object.entries(faults)) {
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
          if (process.env["SAY"] !== undefined) say(`${what}, ${policy}`, result, server)
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
        pacedLoad(server.port, (n) => `bogus${n}.bogus.test`, 1_000, 6_000, 0),
        {
          startImmediately: true
        }
      )
      const good = yield* pacedLoad(server.port, goodName, 100, 5_500, DEADLINE_MS)
      yield* Fiber.interrupt(bogus)
      if (process.env["SAY"] !== undefined) say("bogus zone", good, server)
      assert.strictEqual(server.counters.read("upstream.opened"), 0)
      assert.deepStrictEqual({ lost: good.lost, failed: good.failed }, { lost: 0, failed: 0 })
    })
  )
})
