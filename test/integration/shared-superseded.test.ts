import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { redisServer, startRedis } from "../support/external/redis.ts"
import { untilSo } from "../support/machine/until.ts"
import { startListening } from "../support/servers/process.ts"
import { addressesOf, ask, rcodeOf } from "../support/servers/server.ts"
import {
  askAndShare,
  awaitCount,
  entriesOf,
  olderBy,
  rewrite,
  startSharing
} from "../support/servers/shared-servers.ts"
import { address, type Behaviour, failing, fakeUpstream, nameOf } from "../support/upstreams/fake-upstream.ts"

const NAME = "www.example.test"
/** Past the life of an answer that lives so long. */
const TTL = 300
const dead = olderBy(TTL + 1)

/**
 * An upstream whose answers to the one name a test changes; others are answered as ever, so that Redis can be probed.
 */
const changing = (first: Behaviour) =>
  Effect.gen(function* () {
    const state = { now: first }
    const others = address("192.0.2.99", TTL)
    const upstream = yield* fakeUpstream((query, ...rest) =>
      (nameOf(query) === NAME ? state.now : others)(query, ...rest)
    )
    return { state, upstream }
  })

const valueOf = (entries: ReadonlyArray<readonly [Buffer, Buffer]>): Buffer | undefined =>
  entries.find(([key]) => key.includes("www"))?.[1]

describe.skipIf(redisServer === undefined)("what was superseded by an answer that may not be kept", () => {
  for (const [what, unkeepable, says] of [
    ["a TTL of 0", address("192.0.2.7", 0), "NOERROR"],
    ["NXDOMAIN without an SOA", failing(3), "NXDOMAIN"]
  ] as const) {
    it.live(`(${what}) is gone from Redis: a server that knows nothing is not given it either`, () =>
      Effect.gen(function* () {
        const redis = yield* startRedis()
        const { state, upstream } = yield* changing(address("192.0.2.1", TTL))
        yield* Effect.scoped(Effect.flatMap(startSharing(upstream, redis), (server) => askAndShare(server, NAME)))
        yield* rewrite(redis, NAME, dead)
        const first = yield* startSharing(upstream, redis)
        state.now = unkeepable
        const written = first.counters.read("shared.writes")
        assert.strictEqual(rcodeOf(yield* first.ask({ name: NAME })), says)
        yield* awaitCount(first, "shared.writes", written + 1)
        assert.strictEqual(valueOf(yield* entriesOf(redis))?.length, 8)
        state.now = failing(2)
        const second = yield* startSharing(upstream, redis)
        for (const server of [first, second]) assert.strictEqual(rcodeOf(yield* server.ask({ name: NAME })), "SERVFAIL")
        // What may be kept again takes its place.
        state.now = address("192.0.2.8", TTL)
        const third = yield* startSharing(upstream, redis)
        yield* askAndShare(third, NAME)
        const fourth = yield* startSharing(upstream, redis)
        assert.deepStrictEqual(addressesOf(yield* fourth.ask({ name: NAME })), ["192.0.2.8"])
        assert.strictEqual(fourth.counters.read("shared.hits"), 1)
      })
    )
  }

  it.live("is gone from other servers' memory when they look into Redis, before an outage gives it again", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const { state, upstream } = yield* changing(address("192.0.2.1", 1))
      const first = yield* startSharing(upstream, redis)
      const second = yield* startSharing(upstream, redis)
      yield* askAndShare(first, NAME)
      yield* second.ask({ name: NAME })
      state.now = address("192.0.2.7", 0)
      // Both have the old one, and its life is over.
      yield* Effect.sleep(2_500)
      const written = first.counters.read("shared.writes")
      assert.deepStrictEqual(addressesOf(yield* first.ask({ name: NAME })), ["192.0.2.7"])
      yield* awaitCount(first, "shared.writes", written + 1)
      state.now = failing(2)
      assert.strictEqual(rcodeOf(yield* second.ask({ name: NAME })), "SERVFAIL")
      assert.strictEqual(second.counters.read("cache.stale"), 0)
    })
  )

  it.live("is deleted from a Redis that is full", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const { state, upstream } = yield* changing(address("192.0.2.1", TTL))
      const server = yield* startSharing(upstream, redis)
      yield* askAndShare(server, NAME)
      yield* rewrite(redis, NAME, dead)
      const second = yield* startSharing(upstream, redis)
      yield* redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
      yield* redis.command("CONFIG", "SET", "maxmemory", "1mb")
      state.now = address("192.0.2.7", 0)
      yield* second.ask({ name: NAME })
      const isGone = Effect.map(entriesOf(redis), (entries) => valueOf(entries) === undefined)
      yield* untilSo("it is deleted", isGone)
      assert.isAbove(second.counters.read("shared.errors"), 0)
    })
  )

  it.live("leaves no word in Redis where nothing was: names that are asked once do not fill it", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const upstream = yield* fakeUpstream(address("192.0.2.1", 0))
      const server = yield* startSharing(upstream, redis)
      for (let i = 0; i < 50; i++) yield* server.ask({ name: `random${i}.example.test` })
      assert.deepStrictEqual(yield* entriesOf(redis), [])
      assert.strictEqual(server.counters.read("shared.writes"), 0)
    })
  )

  it.live("is not spoken of any more when its name was flushed since, nor by a word from the future", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const { state, upstream } = yield* changing(address("192.0.2.1", TTL))
      const server = yield* startSharing(upstream, redis)
      yield* askAndShare(server, NAME)
      // Words of both kinds would have what is kept here forgotten, did they count.
      for (const word of [
        (value: Buffer) => olderBy(-3_600)(value.subarray(0, 8)),
        (value: Buffer) => value.subarray(0, 8)
      ]) {
        yield* rewrite(redis, NAME, word)
        if (valueOf(yield* entriesOf(redis))!.readUInt32BE(4) * 1000 < Date.now() + 60_000) {
          yield* redis.command("PUBLISH", "strand:flush", `name ${NAME}`)
          yield* awaitCount(server, "shared.flushes", 1)
        }
        const other = yield* startSharing(upstream, redis)
        const refused = other.counters.read("shared.refused")
        state.now = address("192.0.2.2", TTL)
        assert.deepStrictEqual(addressesOf(yield* other.ask({ name: NAME })), ["192.0.2.2"])
        assert.strictEqual(other.counters.read("shared.refused"), refused + 1)
      }
    })
  )
})

describe("what was superseded, in a process of two threads", () => {
  for (const mode of ["at-once", "when-failing"]) {
    it.live(`is gone for both, given ${mode}`, () =>
      Effect.gen(function* () {
        const { state, upstream } = yield* changing(address("192.0.2.1", 1))
        const server = yield* startListening({
          DNS_SERVER_UPSTREAMS: upstream.address,
          DNS_SERVER_WORKERS: "2",
          DNS_SERVER_STALE_ANSWER: mode
        })
        // Each from a port of its own: the kernel gives them to both threads.
        const everybody = Effect.map(Effect.replicateEffect(ask(server.port, { name: NAME }), 20), (answers) =>
          answers.map((answer) => addressesOf(answer)[0] ?? rcodeOf(answer))
        )
        yield* everybody
        state.now = address("192.0.2.7", 0)
        const isSuperseded = Effect.map(everybody, (seen) => seen.every((each) => each === "192.0.2.7"))
        yield* untilSo("both threads have what is new", isSuperseded)
        state.now = failing(2)
        assert.deepStrictEqual([...new Set(yield* everybody)], ["SERVFAIL"])
      })
    )
  }
})
