import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Logger } from "effect"
import { AnswerCache } from "../../src/cache/answer-cache.ts"
import { Configuration, load } from "../../src/config/configuration.ts"
import { Listeners } from "../../src/listener/listeners.ts"
import { standaloneLayer } from "../../src/process/server.ts"
import { ServerControl } from "../../src/process/server-control.ts"
import { layerStandaloneControl } from "../../src/process/standalone-control.ts"
import { layerDatagrams } from "../../src/process/transports.ts"
import { addressesOf, ask, datagramsOfRun } from "../support/servers/server.ts"
import { address, failing, fakeUpstream } from "../support/upstreams/fake-upstream.ts"

const quietly = Effect.provide(Logger.layer([]))

const controlled = (settings: Record<string, string>, file?: string) =>
  Effect.gen(function* () {
    const env = { DNS_SERVER_LISTEN: "127.0.0.1:0", ...datagramsOfRun, ...settings }
    const provider = ConfigProvider.fromEnv({ env })
    const first = yield* Effect.provideService(load(file), ConfigProvider.ConfigProvider, provider)
    const context = yield* Layer.build(
      layerStandaloneControl({ first, file }).pipe(
        Layer.provideMerge(standaloneLayer),
        Layer.provideMerge(
          Layer.mergeAll(Configuration.layer(first.settings), layerDatagrams(first.settings.datagrams))
        ),
        Layer.provide(Layer.succeed(ConfigProvider.ConfigProvider, provider))
      )
    )
    return yield* Effect.provideContext(
      Effect.all({
        control: ServerControl,
        cache: AnswerCache,
        settings: Effect.map(Configuration, ({ current }) => current),
        port: Effect.map(Listeners, ({ current }) => current()[0]!.endpoint.port)
      }),
      context
    )
  })

describe("the configuration of a server that a program embeds", () => {
  it.live("changes by a setting, goes back to what the program's environment says, and a step back", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { control, port, settings } = yield* controlled({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_RETRIES: "4"
      })
      const made = yield* control.set({ retries: "1" }, "a test")
      assert.deepStrictEqual([made?.changed.map(({ name }) => name), settings().retries], [["retries"], 1])
      yield* control.set({ retries: undefined }, "a test")
      assert.strictEqual(settings().retries, 4)
      const late = yield* Effect.flip(control.rollBack("a test", undefined, 1))
      assert.deepInclude(late, { _tag: "OtherGeneration", generation: 2 })
      assert.strictEqual(settings().retries, 4)
      // Two that would leave the same generation: the second comes too late, however close behind the first.
      const both = [control.rollBack("one", undefined, 2), control.rollBack("another", undefined, 2)].map(Effect.result)
      const [first, second] = yield* Effect.all(both, { concurrency: "unbounded" })
      assert.deepStrictEqual([first!._tag, second!._tag], ["Success", "Failure"])
      assert.strictEqual(settings().retries, 1)
      assert.strictEqual(yield* control.reload("a test"), undefined)
      assert.deepStrictEqual(addressesOf(yield* ask(port, { name: "www.example.test" })), ["192.0.2.1"])
    }).pipe(quietly)
  )

  it.live("goes back one step after the other, to what was there at the start, and no further", () =>
    Effect.gen(function* () {
      const { control, settings } = yield* controlled({ DNS_SERVER_RETRIES: "4" })
      for (const retries of ["3", "2", "1"]) yield* control.set({ retries }, "a test")
      const found: Array<number> = []
      for (let step = 0; step < 2; step++) {
        yield* control.rollBack("a test")
        found.push(settings().retries)
      }
      assert.deepStrictEqual(found, [2, 3])
      // A change goes on from there, and what is taken back first is that.
      yield* control.set({ retries: "5" }, "a test")
      for (let step = 0; step < 2; step++) {
        yield* control.rollBack("a test")
        found.push(settings().retries)
      }
      assert.deepStrictEqual(found.slice(2), [3, 4])
      const none = yield* Effect.flip(control.rollBack("a test"))
      assert.deepInclude(none, { message: "there is no configuration before this one to go back to" })
      // To a generation that was gone back to itself, and from there as if it were that.
      yield* control.rollBack("a test", 4)
      yield* control.rollBack("a test")
      found.push(settings().retries)
      assert.deepStrictEqual(found.slice(4), [3])
    }).pipe(quietly)
  )

  it.live("keeps what was gone back to, other changes whatever, until its file says something new", () =>
    Effect.gen(function* () {
      const file = join(mkdtempSync(join(tmpdir(), "strand-roll-back-")), "strand.yaml")
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(dirname(file), { recursive: true })))
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const written = (...lines: ReadonlyArray<string>) =>
        writeFileSync(file, [`upstreams: ${upstream.address}`, ...lines, ""].join("\n"))
      written("retries: 1", "cache_size_mb: 8")
      const { control, settings } = yield* controlled({}, file)
      const now = () => {
        const { retries, cacheSizeMb, attemptTimeoutMs, maxQueuedQueries, cacheMaxTtlSecs } = settings()
        return [retries, cacheSizeMb, attemptTimeoutMs, maxQueuedQueries, cacheMaxTtlSecs]
      }
      const usual = now().slice(2)
      // One is changed in the file, one is gone from it, and new in it are one with a default and one that follows another.
      const others = ["attempt_timeout_ms: 444", "max_queued_queries: 55"]
      written("retries: 4", ...others)
      yield* control.reload("a test")
      const changed = now()
      assert.deepStrictEqual([changed[0], changed[2], changed[3]], [4, 444, 55])
      yield* control.rollBack("a test")
      assert.deepStrictEqual(now(), [1, 8, ...usual])
      assert.deepInclude(control.running().given.get("retries"), { value: "1", source: "program" })

      yield* control.set({ cache_max_ttl_secs: "77" }, "a test")
      assert.deepStrictEqual(now(), [1, 8, usual[0], usual[1], 77])
      assert.strictEqual(yield* control.reload("a test"), undefined)
      // What is written now is meant, and changes nothing else.
      written("retries: 3", ...others)
      yield* control.reload("a test")
      assert.deepStrictEqual(now(), [3, 8, usual[0], usual[1], 77])
      assert.deepInclude(control.running().given.get("retries"), { value: "3", source: "file" })

      // What is given back is as the file says.
      yield* control.set(
        { cache_size_mb: undefined, attempt_timeout_ms: undefined, max_queued_queries: undefined },
        "a test"
      )
      assert.deepStrictEqual(now(), [3, changed[1], 444, 55, 77])
      // To where it was kept, and to the beginning.
      yield* control.rollBack("a test")
      assert.deepStrictEqual(now(), [3, 8, usual[0], usual[1], 77])
      yield* control.rollBack("a test", 0)
      yield* control.set({ cache_max_ttl_secs: "78" }, "a test")
      assert.deepStrictEqual(now(), [1, 8, usual[0], usual[1], 78])
    }).pipe(quietly, Effect.scoped)
  )

  it.live("stays what it was where there is a mistake, or where a socket cannot be opened", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const taken = yield* fakeUpstream(address("192.0.2.2"))
      const { control, port, settings } = yield* controlled({ DNS_SERVER_UPSTREAMS: upstream.address })
      const mistake = yield* Effect.flip(control.set({ retries: "many", no_such: "1" }, "a test"))
      assert.strictEqual(mistake._tag, "ConfigurationError")
      const refused = yield* Effect.flip(
        control.set({ listen: `127.0.0.1:${taken.port}`, retries: "1", cache_size_mb: "8" }, "a test")
      )
      assert.strictEqual(refused._tag, "ChangeRefused")
      assert.deepStrictEqual([settings().retries, control.generation()], [2, 0])
      assert.deepStrictEqual(addressesOf(yield* ask(port, { name: "www.example.test" })), ["192.0.2.1"])
    }).pipe(quietly)
  )

  it.live("keeps answers when the cache gets another size, and forgets them with the upstreams that gave them", () =>
    Effect.gen(function* () {
      const one = yield* fakeUpstream(address("192.0.2.1"))
      const other = yield* fakeUpstream(address("192.0.2.2"))
      const { cache, control, port } = yield* controlled({
        DNS_SERVER_UPSTREAMS: one.address,
        DNS_SERVER_CACHE_SIZE_MB: "16"
      })
      const asked = Effect.map(ask(port, { name: "www.example.test" }), addressesOf)
      assert.deepStrictEqual(yield* asked, ["192.0.2.1"])
      const before = cache.memory().byteLength
      yield* control.set({ cache_size_mb: "8" }, "a test")
      assert.isBelow(cache.memory().byteLength, before)
      assert.deepStrictEqual([yield* asked, one.queries()], [["192.0.2.1"], 1])
      yield* control.set({ upstreams: [other.address] }, "a test")
      assert.deepStrictEqual([yield* asked, other.queries()], [["192.0.2.2"], 1])
    }).pipe(quietly)
  )

  it.live("has what failed asked again where the change may mend it", () =>
    Effect.gen(function* () {
      const broken = yield* fakeUpstream(failing(2))
      const good = yield* fakeUpstream(address("192.0.2.1"))
      const { control, port } = yield* controlled({ DNS_SERVER_UPSTREAMS: broken.address })
      const asked = Effect.map(ask(port, { name: "www.example.test" }), addressesOf)
      assert.deepStrictEqual(yield* asked, [])
      yield* control.set({ upstreams: [good.address] }, "a test")
      assert.deepStrictEqual(yield* asked, ["192.0.2.1"])
    }).pipe(quietly)
  )
})
