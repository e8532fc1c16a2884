import type { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { RedisPatience } from "../../src/cache/shared/redis/lookups.ts"
import { redisServer, startRedis } from "../support/external/redis.ts"
import { bulk, channelMessage, fakeRedis, pour, type RedisReply } from "../support/faults/fake-redis.ts"
import { until, untilSo } from "../support/machine/until.ts"
import { startListening } from "../support/servers/process.ts"
import { addressesOf, ask, startServer } from "../support/servers/server.ts"
import { askAndShare, awaitCount, awaitTier, entriesOf, startSharing } from "../support/servers/shared-servers.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"

const NAME = "www.example.test"
/** A machine may be slow. */
const LONG_MS = 5_000
const ANSWER = ["192.0.2.1"]
/** What is announced and never comes whole. */
const HUGE = 512 << 20
/** What is on its way when a connection is closed: buffers of the kernel at both ends, and what is taken in. */
const SOME = 32 << 20

/** A server with this Redis, and the lines of its log. */
const serverWith = (redisUrl: string) =>
  Effect.gen(function* () {
    const upstream = yield* fakeUpstream(address(ANSWER[0]!, 300))
    const lines: Array<string> = []
    const settings = { DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_REDIS_URL: redisUrl }
    const server = yield* Effect.provideService(startServer(settings, lines), RedisPatience, LONG_MS)
    return { server, lines }
  })

/** Starts the process with two threads and waits until both use the Redis. */
const startProcess = (redisUrl: string) =>
  Effect.gen(function* () {
    const upstream = yield* fakeUpstream(address(ANSWER[0]!, 300))
    const process = yield* startListening({
      DNS_SERVER_UPSTREAMS: upstream.address,
      DNS_SERVER_REDIS_URL: redisUrl,
      DNS_SERVER_WORKERS: "2"
    })
    let asked = 0
    /** Asks until the log says so, new names from new ports: all threads are asked. */
    const askUntil = (text: string) =>
      Effect.gen(function* () {
        const answered = Effect.suspend(() => ask(process.port, { name: `n${++asked}.example.test` }))
        const isSaid = Effect.map(answered, (answer) => {
          assert.deepStrictEqual(addressesOf(answer), ANSWER)
          return process.output().includes(text)
        })
        yield* untilSo(text, isSaid)
      })
    return { askUntil, said: (text: string) => process.output().split(text).length - 1 }
  })

describe.skipIf(redisServer === undefined)("in a Redis to which others write", () => {
  it.live("a value of hundreds of megabytes is read no further than an answer can be long", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const upstream = yield* fakeUpstream(address(ANSWER[0]!, 300))
      const first = yield* startSharing(upstream, redis)
      yield* askAndShare(first, NAME)
      const [key] = (yield* entriesOf(redis)).find(([key]) => key.includes("www"))!
      yield* redis.command("SETRANGE", key, String(300 << 20), "x")
      const second = yield* startSharing(upstream, redis)
      const sentBy = Effect.map(redis.command("INFO", "stats"), (text) =>
        Number(/total_net_output_bytes:(\d+)/.exec(String(text))![1])
      )
      const before = yield* sentBy
      assert.deepStrictEqual(addressesOf(yield* second.ask({ name: NAME })), ANSWER)
      yield* awaitCount(second, "shared.refused", 1)
      assert.isBelow((yield* sentBy) - before, 1 << 20)
      yield* until("it is written over", () => second.counters.read("shared.writes") >= 2)
      assert.isBelow(Number(yield* redis.command("STRLEN", key)), 200)
    })
  )

  it.live("what other programs keep under an answer's key costs a hit, and is written over", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const upstream = yield* fakeUpstream(address(ANSWER[0]!, 300))
      const first = yield* startSharing(upstream, redis)
      const names = Array.from({ length: 5 }, (_, i) => `w${i}.example.test`)
      for (const name of names) yield* askAndShare(first, name)
      for (const [key] of yield* entriesOf(redis)) {
        yield* redis.command("DEL", key)
        yield* redis.command("LPUSH", key, "an element")
      }
      const second = yield* startSharing(upstream, redis)
      const refused = second.counters.read("shared.refused")
      for (const name of names) yield* second.ask({ name })
      assert.strictEqual(second.counters.read("shared.refused") - refused, names.length)
      assert.strictEqual(second.counters.read("shared.errors"), 0)
      const third = yield* startSharing(upstream, redis)
      yield* until("they are written over", () => second.counters.read("shared.writes") >= names.length)
      yield* third.ask({ name: names[0]! })
      assert.strictEqual(third.counters.read("shared.hits"), 1)
    })
  )

  for (const count of ["-5", "1e300", "99999999999999999999", "17.5", "0x10", "what", " 3", "9".repeat(1 << 20)]) {
    it.live(`a flush count of ${count.slice(0, 24)} is none: answers are shared, and flushed`, () =>
      Effect.gen(function* () {
        const redis = yield* startRedis()
        yield* redis.command("SET", "strand:{flush}:count", count)
        yield* redis.command("LPUSH", "strand:{flush}:log", "7 all", "x".repeat(1 << 20), "-3 name a.test", "8")
        const upstream = yield* fakeUpstream(address(ANSWER[0]!, 300))
        const first = yield* startSharing(upstream, redis)
        yield* askAndShare(first, NAME)
        const second = yield* startSharing(upstream, redis)
        yield* second.ask({ name: NAME })
        assert.strictEqual(second.counters.read("shared.hits"), 1)
        const flushes = second.counters.read("shared.flushes")
        yield* redis.command("PUBLISH", "strand:flush", `name ${NAME}`)
        yield* awaitCount(second, "shared.flushes", flushes + 1)
        const asked = upstream.queries()
        yield* second.ask({ name: NAME })
        assert.strictEqual(upstream.queries(), asked + 1)
      })
    )
  }

  it.live("messages that are no flushes, long ones too, do nothing", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const upstream = yield* fakeUpstream(address(ANSWER[0]!, 300))
      const server = yield* startSharing(upstream, redis)
      yield* server.ask({ name: NAME })
      for (const channel of ["strand:flush", "strand:flushed"]) {
        yield* redis.command("PUBLISH", channel, `name ${"a".repeat(500_000)}`)
        yield* redis.command("PUBLISH", channel, Buffer.from([0xff, 0, 10, 13]))
        yield* redis.command("PUBLISH", channel, "")
      }
      yield* awaitTier(server)
      assert.strictEqual(server.counters.read("shared.flushes"), 0)
      yield* redis.command("PUBLISH", "strand:flush", "all")
      yield* awaitCount(server, "shared.flushes", 1)
    })
  )

  it.live("a user without the right to write, then to read, is said once, and once when it is over", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const rights = (...rules: ReadonlyArray<string>) => redis.command("ACL", "SETUSER", "strand", ...rules)
      yield* rights("on", ">secret", "allkeys", "allchannels", "+@all", "-set")
      const { askUntil, said } = yield* startProcess(`redis://strand:secret@127.0.0.1:${redis.port}`)
      yield* askUntil("Redis refuses to take answers: NOPERM")
      yield* rights("+set")
      yield* askUntil("Redis no longer refuses to take answers")
      yield* rights("resetkeys", "~strand:{flush}*", "%W~strand:1:*")
      yield* askUntil("Redis refuses to give answers: NOPERM")
      for (const text of [
        "refuses to take answers: NOPERM",
        "refuses to give answers: NOPERM",
        "no longer refuses to take"
      ])
        assert.strictEqual(said(text), 1, text)
    })
  )

  it.live("a user with the rights that the manual says can do all that is needed", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const rights =
        "on >secret ~strand:* &strand:* -@all +getrange +set +del +eval +time +subscribe +hello +client|setname +lpush +ltrim +lrange +publish"
      yield* redis.command("ACL", "SETUSER", "strand", ...rights.split(" "))
      const settings = { DNS_SERVER_REDIS_URL: `redis://strand:secret@127.0.0.1:${redis.port}` }
      let ttl = 300
      const upstream = yield* fakeUpstream((...args) => address(ANSWER[0]!, ttl)(...args))
      const first = yield* startSharing(upstream, redis, settings)
      yield* askAndShare(first, NAME)
      const second = yield* startSharing(upstream, redis, settings)
      yield* second.ask({ name: NAME })
      assert.strictEqual(second.counters.read("shared.hits"), 1)
      yield* redis.command("PUBLISH", "strand:flush", "all")
      for (const server of [first, second]) yield* awaitCount(server, "shared.flushes", 1)
      ttl = 0
      yield* second.ask({ name: NAME })
      for (const server of [first, second]) assert.strictEqual(server.counters.read("shared.errors"), 0)
    })
  )
})

describe("a Redis that is none", () => {
  it.live("and answers a question with more than any answer is left before it is read, and tried again", () =>
    Effect.gen(function* () {
      let pouring: { readonly written: () => number } | undefined
      let victim: Socket | undefined
      const redis = yield* fakeRedis(([name, key], socket) => {
        if (name !== "GETRANGE" || !key!.includes("www") || pouring !== undefined) return undefined
        victim = socket
        pouring = pour(socket, `$${HUGE}\r\n`, HUGE)
        return Buffer.alloc(0)
      })
      const { server } = yield* serverWith(redis.url)
      yield* awaitTier(server)
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: NAME })), ANSWER)
      yield* until("the connection is closed", () => victim?.destroyed === true)
      assert.isBelow(pouring!.written(), SOME)
      yield* awaitTier(server)
    })
  )

  it.live("and sends a message without end is left too", () =>
    Effect.gen(function* () {
      let subscriber: Socket | undefined
      const redis = yield* fakeRedis(([name], socket) => {
        if (name === "SUBSCRIBE") subscriber = socket
        return undefined
      })
      const { server } = yield* serverWith(redis.url)
      yield* awaitTier(server)
      const victim = subscriber!
      const pouring = pour(victim, `>3\r\n$7\r\nmessage\r\n$12\r\nstrand:flush\r\n$${HUGE}\r\n`, HUGE)
      yield* until("the connection is closed", () => victim.destroyed)
      assert.isBelow(pouring.written(), SOME)
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: NAME })), ANSWER)
      yield* awaitTier(server)
    })
  )

  it.live("and tells of ten thousand flushes at once has one of everything carried out", () =>
    Effect.gen(function* () {
      const redis = yield* fakeRedis(([name, key]) => {
        if (name === "EVAL") return "*2\r\n:10000\r\n*0\r\n"
        return name === "GETRANGE" && key!.includes("{flush}") ? bulk("10000") : undefined
      })
      const { server } = yield* serverWith(redis.url)
      yield* awaitTier(server)
      const before = server.counters.read("shared.flushes")
      const texts = Array.from({ length: 10_000 }, (_, i) =>
        channelMessage("strand:flushed", `${10_001 + i} tree n${i}.test`)
      )
      redis.push(Buffer.concat(texts))
      yield* until("they are heard of", () => redis.commands.filter((name) => name === "EVAL").length > 1)
      yield* awaitTier(server)
      assert.isBelow(server.counters.read("shared.flushes") - before, 100)
    })
  )

  for (const [what, reply, said] of [
    [
      "an error",
      () => `-ERR ${"no\u0007".repeat(500)}\r\n`,
      "Redis cannot be reached, and is done without: ERR no?no?"
    ],
    ["numbers", ([name]) => (name === "HELLO" ? undefined : ":-7\r\n"), "Redis cannot be reached"],
    ["nothing readable", () => "what is this\r\n", "Redis cannot be reached"],
    ["half of what is to come", ([name]) => (name === "TIME" ? "*2\r\n$10\r\n17" : undefined), "Redis cannot be"],
    [
      "no time",
      ([name]) => (name === "TIME" ? "*2\r\n$3\r\nnow\r\n$1\r\n0\r\n" : undefined),
      "it does not tell the time"
    ],
    ["no log", ([name]) => (name === "EVAL" ? "*2\r\n$1\r\n1\r\n:5\r\n" : undefined), "is no log of them"],
    [
      "READONLY",
      ([name]) => (name === "SET" ? "-READONLY You can't\r\n" : undefined),
      "refuses to take answers: READONLY"
    ],
    ["MISCONF", ([name]) => (name === "SET" ? "-MISCONF no disk\r\n" : undefined), "refuses to take answers: MISCONF"],
    ["OOM", ([name]) => (name === "SET" ? "-OOM no room\r\n" : undefined), "refuses to take answers: OOM"],
    [
      "NOAUTH",
      ([name, key]) => (name === "GETRANGE" && !key!.includes("{flush}") ? "-NOAUTH who\r\n" : undefined),
      "refuses to give answers: NOAUTH"
    ]
  ] as ReadonlyArray<readonly [string, RedisReply, string]>) {
    it.live(`and answers with ${what} costs no answer, and that is said once`, () =>
      Effect.gen(function* () {
        const { server, lines } = yield* serverWith((yield* fakeRedis(reply)).url)
        let asked = 0
        const answered = Effect.suspend(() => server.ask({ name: `n${++asked}.example.test` })).pipe(
          Effect.map((answer) => assert.deepStrictEqual(addressesOf(answer), ANSWER))
        )
        const count = (): number => lines.filter((line) => line.includes(said)).length
        yield* untilSo(
          "it is said",
          Effect.map(answered, () => count() > 0)
        )
        yield* Effect.replicateEffect(Effect.andThen(answered, Effect.sleep(10)), 30)
        assert.strictEqual(count(), 1)
        for (const line of lines) assert.isBelow(line.length, 400)
      })
    )
  }
})
