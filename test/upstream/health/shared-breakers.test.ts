import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect, Exit, Scope } from "effect"
import { upstreamMemory } from "../../../src/upstream/health/shared-state.ts"
import { rcodeOf } from "../../support/servers/server.ts"
import { type MemoryServer, type MemoryUpstream, memoryServer } from "../../support/servers/timed-server.ts"
import { address, type WireBehaviour } from "../../support/upstreams/fake-upstream.ts"

const well: WireBehaviour = (query, transport, count) => address("192.0.2.1")(packet.decode(query), transport, count)
const silent: WireBehaviour = () => []
const upstream = (behaviour: WireBehaviour): MemoryUpstream => ({ behaviour, queries: 0 })

const settings = { DNS_SERVER_UPSTREAM_POLICY: "ordered", DNS_SERVER_ENABLE_CACHING: "false" }
let last = 0
const fresh = (): { readonly name: string } => ({ name: `n${last++}.example.test` })

/** Servers that know their upstreams together, as the threads of one process do. */
const threads = (upstreams: ReadonlyArray<MemoryUpstream>) => {
  const memory = upstreamMemory(upstreams.length)
  return (worker: number) => memoryServer(settings, upstreams, { memory, worker })
}

const sum = (servers: ReadonlyArray<MemoryServer>, counter: "upstream.opened" | "upstream.closed"): number =>
  servers.reduce((total, { counters }) => total + counters.read(counter), 0)

/** Lets both find out that all are silent. */
const breakAll = (one: MemoryServer) =>
  Effect.gen(function* () {
    for (let i = 0; i < 10; i++) yield* one.send(fresh())
    yield* one.pass(6_000)
  })

/** Two threads and an upstream that is silent; the one that has found it out, and holds its probe lease, has died. */
const widowed = Effect.gen(function* () {
  const only = upstream(silent)
  const thread = threads([only])
  const life = yield* Scope.make()
  const one = yield* Scope.provide(thread(1), life)
  const other = yield* thread(2)
  yield* breakAll(one)
  yield* Scope.close(life, Exit.void)
  return { only, other, thread }
})

describe("threads of one process", () => {
  it.effect("know at once what one of them has found out: an upstream is down, or back", () =>
    Effect.gen(function* () {
      const only = upstream(silent)
      const thread = threads([only])
      const [one, other] = [yield* thread(1), yield* thread(2)]
      yield* breakAll(one)
      yield* one.ask(fresh())
      yield* one.pass(700)
      // Each thread tries the first question of a zone all the same.
      assert.isAtMost((yield* other.ask(fresh())).tookMs, 850)
      const { answer, tookMs } = yield* other.ask(fresh())
      assert.strictEqual(rcodeOf(answer), "SERVFAIL")
      assert.isAtMost(tookMs, 50)
      only.behaviour = well
      yield* one.pass(1_000)
      for (const server of [one, other]) assert.strictEqual(rcodeOf((yield* server.ask(fresh())).answer), "NOERROR")
      assert.strictEqual(sum([one, other], "upstream.opened"), 1)
      assert.strictEqual(sum([one, other], "upstream.closed"), 1)
    }).pipe(Effect.scoped)
  )

  it.effect("send no more probes than one would", () =>
    Effect.gen(function* () {
      const upstreams = [upstream(silent), upstream(silent)]
      const thread = threads(upstreams)
      const servers = [yield* thread(1), yield* thread(2), yield* thread(3)]
      yield* breakAll(servers[0]!)
      for (const server of servers) yield* server.ask(fresh())
      yield* servers[0]!.pass(1_000)
      for (const one of upstreams) one.queries = 0
      for (let i = 0; i < 50; i++) {
        for (const server of servers) yield* server.send(fresh())
        yield* servers[0]!.pass(100)
      }
      const probes = upstreams.reduce((total, { queries }) => total + queries, 0)
      const trials = 3 * 2 * 2
      assert.isAtMost(probes, 5 * 5 + trials)
      assert.isAtLeast(probes, 10)
    }).pipe(Effect.scoped)
  )

  it.effect("go on probing when the one dies that did: those who have nobody to ask take over", () =>
    Effect.gen(function* () {
      const { only, other } = yield* widowed
      only.behaviour = well
      let waitedMs = 0
      for (;;) {
        const { answer, tookMs } = yield* other.ask(fresh())
        if (rcodeOf(answer) === "NOERROR") break
        yield* other.pass(20)
        waitedMs += 20 + tookMs
      }
      assert.isAtMost(waitedMs, 2_000)
    }).pipe(Effect.scoped)
  )

  it.effect("have their probing done by the successor of the one that dies, while nobody asks", () =>
    Effect.gen(function* () {
      const { only, other, thread } = yield* widowed
      only.queries = 0
      only.behaviour = well
      yield* other.pass(3_000)
      assert.strictEqual(only.queries, 0)
      const successor = yield* thread(1)
      yield* other.pass(1_000)
      assert.strictEqual(only.queries, 1)
      for (const server of [successor, other]) {
        assert.strictEqual(rcodeOf((yield* server.ask(fresh())).answer), "NOERROR")
      }
    }).pipe(Effect.scoped)
  )

  it.effect("check a broken one whose prober is gone while another is well, as soon as anybody asks", () =>
    Effect.gen(function* () {
      const [broken, good] = [upstream(silent), upstream(well)]
      const thread = threads([broken, good])
      const life = yield* Scope.make()
      const one = yield* Scope.provide(thread(1), life)
      const other = yield* thread(2)
      yield* breakAll(one)
      yield* Scope.close(life, Exit.void)
      broken.behaviour = well
      broken.queries = 0
      for (let i = 0; i < 20; i++) {
        yield* other.ask(fresh())
        yield* other.pass(1_000)
      }
      // By the policy it is the first.
      assert.isAbove(broken.queries, 10)
    }).pipe(Effect.scoped)
  )

  it.effect("check one that was broken when it left the configuration, and is back in it", () =>
    Effect.gen(function* () {
      const [broken, good] = [upstream(silent), upstream(well)]
      const server = yield* threads([broken, good])(1)
      yield* breakAll(server)
      yield* server.change({ DNS_SERVER_UPSTREAMS: "127.0.0.1:5302" })
      yield* server.pass(30_000)
      broken.behaviour = well
      broken.queries = 0
      yield* server.change({ DNS_SERVER_UPSTREAMS: "127.0.0.1:5301,127.0.0.1:5302" })
      for (let i = 0; i < 20; i++) {
        yield* server.ask(fresh())
        yield* server.pass(1_000)
      }
      assert.isAbove(broken.queries, 10)
    }).pipe(Effect.scoped)
  )
})
