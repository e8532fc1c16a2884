import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { redisServer } from "../support/external/redis.ts"
import { startRedisCluster } from "../support/external/redis-cluster.ts"
import { addressesOf } from "../support/servers/server.ts"
import {
  askAndShare,
  awaitCount,
  entriesOf,
  olderBy,
  rewrite,
  startSharing
} from "../support/servers/shared-servers.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"

const names = Array.from({ length: 24 }, (_, i) => `name${i}.example.test`)

describe.skipIf(redisServer === undefined)("a Redis Cluster that servers share", () => {
  it.live("has answers in all of its nodes, whichever of them a server was told of", () =>
    Effect.gen(function* () {
      const nodes = yield* startRedisCluster(3)
      const upstream = yield* fakeUpstream(address("192.0.2.1", 300))
      const first = yield* startSharing(upstream, nodes[0]!)
      const second = yield* startSharing(upstream, nodes[2]!)
      const asked = upstream.queries()
      for (const name of names) yield* askAndShare(first, name)
      for (const node of nodes) assert.isAbove((yield* entriesOf(node)).length, 0)
      for (const name of names) assert.deepStrictEqual(addressesOf(yield* second.ask({ name })), ["192.0.2.1"])
      assert.strictEqual(second.counters.read("shared.hits"), names.length)
      assert.strictEqual(upstream.queries(), asked + names.length)
      yield* nodes[1]!.command("PUBLISH", "strand:flush", "tree example.test")
      for (const server of [first, second]) yield* awaitCount(server, "shared.flushes", 1)
      yield* second.ask({ name: names[0]! })
      assert.strictEqual(upstream.queries(), asked + names.length + 1)
    })
  )

  it.live("loses what was superseded in whichever node it is, and reads values no further than an answer is long", () =>
    Effect.gen(function* () {
      const nodes = yield* startRedisCluster(3)
      let ttl = 300
      const upstream = yield* fakeUpstream((...args) => address("192.0.2.1", ttl)(...args))
      const first = yield* startSharing(upstream, nodes[0]!)
      const old = Array.from({ length: 12 }, (_, i) => `old${i}-.example.test`)
      for (const name of [...old, "large.example.test"]) yield* askAndShare(first, name)
      for (const node of nodes) {
        yield* rewrite(node, "old.example.test", olderBy(301))
        for (const [key] of yield* entriesOf(node)) {
          if (key.includes("large")) yield* node.command("SETRANGE", key, String(100 << 20), "x")
        }
      }
      const second = yield* startSharing(upstream, nodes[1]!)
      yield* second.ask({ name: "large.example.test" })
      yield* awaitCount(second, "shared.refused", 1)
      yield* awaitCount(second, "shared.writes", 1)
      ttl = 0
      for (const name of old) assert.deepStrictEqual(addressesOf(yield* second.ask({ name })), ["192.0.2.1"])
      yield* awaitCount(second, "shared.writes", 13)
      const lengths = (yield* Effect.forEach(nodes, entriesOf)).flat().map(([, value]) => value.length)
      assert.strictEqual(lengths.filter((length) => length === 8).length, 12)
    })
  )

  it.live("one of whose nodes is killed costs hits, and no answer", () =>
    Effect.gen(function* () {
      const nodes = yield* startRedisCluster(3)
      const upstream = yield* fakeUpstream(address("192.0.2.1", 300))
      const server = yield* startSharing(upstream, nodes[0]!)
      yield* nodes[1]!.kill
      for (const name of names) assert.deepStrictEqual(addressesOf(yield* server.ask({ name })), ["192.0.2.1"], name)
    })
  )
})
