import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { pacedLoad } from "../support/clients/paced-load.ts"
import { redisServer, startRedis } from "../support/external/redis.ts"
import { freePort } from "../support/machine/ports.ts"
import { until } from "../support/machine/until.ts"
import { startListening } from "../support/servers/process.ts"
import { addressesOf, startServer } from "../support/servers/server.ts"
import { askAndShare, awaitCount, awaitTier, startSharing } from "../support/servers/shared-servers.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"
import { upstreamProcess } from "../support/upstreams/upstream-process.ts"
import { authority } from "../support/wire/certificates.ts"

const NAME = "www.example.test"
let loads = 0

describe.skipIf(redisServer === undefined)("a Redis that fails", () => {
  for (const [what, harm] of [
    ["killed and begun anew", "kill"],
    ["stopped and gone on", "stop"]
  ] as const) {
    it.live(`under load, ${what}, loses no query; it is used again after`, () =>
      Effect.gen(function* () {
        const redis = yield* startRedis()
        const port = yield* freePort
        yield* upstreamProcess(port)
        const server = yield* startListening({
          DNS_SERVER_UPSTREAMS: `127.0.0.1:${port}`,
          DNS_SERVER_REDIS_URL: redis.url,
          DNS_SERVER_WORKERS: "2"
        })
        const run = ++loads
        const events = Effect.gen(function* () {
          yield* Effect.sleep(800)
          yield* harm === "kill" ? redis.kill : redis.signal("SIGSTOP")
          yield* Effect.sleep(1_200)
          yield* harm === "kill" ? redis.restart : redis.signal("SIGCONT")
        })
        const [load] = yield* Effect.all(
          [pacedLoad(server.port, (number) => `n${number}.r${run}.load.test`, 1_000, 4_000, 8_000), events],
          { concurrency: "unbounded" }
        )
        assert.isAbove(load.asked, 100)
        assert.strictEqual(load.lost, 0)
        assert.strictEqual(load.failed, 0)
        const count = Effect.map(redis.command("DBSIZE"), Number)
        const before = yield* count
        let after = before
        for (let i = 0; i < 50 && after <= before; i++) {
          yield* pacedLoad(server.port, (number) => `m${number}.i${i}.r${run}.load.test`, 200, 200, 8_000)
          after = yield* count
        }
        assert.isAbove(after, before, "answers are shared again")
      })
    )
  }

  it.live("that is full takes nothing more and still gives", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const upstream = yield* fakeUpstream(address("192.0.2.1", 300))
      const first = yield* startSharing(upstream, redis)
      yield* askAndShare(first, NAME)
      yield* redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
      yield* redis.command("CONFIG", "SET", "maxmemory", "1mb")
      const written = first.counters.read("shared.writes")
      yield* askAndShare(first, "more.example.test")
      assert.strictEqual(first.counters.read("shared.writes"), written)
      assert.isAbove(first.counters.read("shared.dropped"), 0)
      const second = yield* startSharing(upstream, redis)
      assert.deepStrictEqual(addressesOf(yield* second.ask({ name: NAME })), ["192.0.2.1"])
      assert.strictEqual(second.counters.read("shared.hits"), 1)
      yield* redis.command("PUBLISH", "strand:flush", "all")
      for (const server of [first, second]) yield* awaitCount(server, "shared.flushes", 1)
      yield* second.ask({ name: NAME })
      assert.strictEqual(second.counters.read("shared.hits"), 1, "a flush is entered all the same")
    })
  )

  it.live("that is down at the start is done without, and used when it comes", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis({ isDown: true })
      const upstream = yield* fakeUpstream(address("192.0.2.1", 300))
      const server = yield* startListening({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_REDIS_URL: `redis://user:secret@127.0.0.1:${redis.port}`,
        DNS_SERVER_WORKERS: "1"
      })
      yield* until("it is said", () => server.output().includes("Redis cannot be reached"))
      assert.include(server.output(), "ECONNREFUSED")
      yield* Effect.sleep(500)
      assert.strictEqual(server.output().split("Redis cannot be reached").length, 2, "it is said once")
      assert.notInclude(server.output(), "secret")
      const other = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_REDIS_URL: redis.url })
      assert.deepStrictEqual(addressesOf(yield* other.ask({ name: NAME })), ["192.0.2.1"])
      yield* redis.restart
      yield* awaitTier(other)
    })
  )

  it.live("whose password is another one is done without, and said so", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis({ password: "right" })
      const upstream = yield* fakeUpstream(address("192.0.2.1", 300))
      const server = yield* startListening({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_REDIS_URL: `redis://:wr0ng@127.0.0.1:${redis.port}`,
        DNS_SERVER_WORKERS: "1"
      })
      yield* until("it is said", () => server.output().includes("Redis cannot be reached"))
      assert.include(server.output(), "WRONGPASS")
      assert.notInclude(server.output(), "wr0ng")
    })
  )

  it.live("that hangs holds up neither the start of a server nor its end", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const upstream = yield* fakeUpstream(address("192.0.2.1", 300))
      yield* redis.signal("SIGSTOP")
      const startedMs = performance.now()
      const settings = { DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_REDIS_URL: redis.url }
      yield* Effect.scoped(
        Effect.flatMap(startServer(settings), (server) =>
          Effect.map(server.ask({ name: NAME }), (answer) => assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"]))
        )
      )
      yield* redis.signal("SIGCONT")
      const connected = yield* Effect.scoped(Effect.tap(startSharing(upstream, redis), () => redis.signal("SIGSTOP")))
      assert.isAbove(connected.counters.read("shared.misses"), 0)
      yield* redis.signal("SIGCONT")
      // What it may take is bounded by the test's own time; the silence of Redis ends connections after five seconds.
      assert.isBelow(performance.now() - startedMs, 20_000)
    })
  )
})

describe.skipIf(redisServer === undefined)("a Redis over TLS, with a password", () => {
  const signedBy = authority()
  const certificate = signedBy.issue({ names: ["127.0.0.1"] })
  const file = Effect.acquireRelease(
    Effect.sync(() => {
      const directory = mkdtempSync(join(tmpdir(), "strand-test-"))
      writeFileSync(join(directory, "ca.pem"), signedBy.cert)
      return directory
    }),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  ).pipe(Effect.map((directory) => join(directory, "ca.pem")))

  it.live("is used where its certificate is signed by an authority of tls_ca_file", () =>
    Effect.gen(function* () {
      const password = "p@ss/word:"
      const redis = yield* startRedis({ certificate, authority: signedBy, password })
      const upstream = yield* fakeUpstream(address("192.0.2.1", 300))
      const url = `rediss://:${encodeURIComponent(password)}@127.0.0.1:${redis.port}`
      const settings = { DNS_SERVER_TLS_CA_FILE: yield* file, DNS_SERVER_REDIS_URL: url }
      const first = yield* startSharing(upstream, redis, settings)
      yield* askAndShare(first, NAME)
      const second = yield* startSharing(upstream, redis, settings)
      yield* second.ask({ name: NAME })
      yield* awaitCount(second, "shared.hits", 1)
    })
  )

  it.live("is not, where nobody vouches for it", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis({ certificate, authority: signedBy, password: "secret" })
      const upstream = yield* fakeUpstream(address("192.0.2.1", 300))
      const server = yield* startListening({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_REDIS_URL: `rediss://:secret@127.0.0.1:${redis.port}`,
        DNS_SERVER_WORKERS: "1"
      })
      yield* until("it is said", () => server.output().includes("Redis cannot be reached"))
      assert.match(server.output(), /certificate/i)
      assert.notInclude(server.output(), "secret")
    })
  )
})
