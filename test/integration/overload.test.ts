import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { askMany, type ToAsk } from "../support/clients/bulk-client.ts"
import { inspectable, liveHeapMib } from "../support/machine/heap.ts"
import { until } from "../support/machine/until.ts"
import { startWithAdmin } from "../support/servers/admin.ts"
import { residentMib, startListening } from "../support/servers/process.ts"
import { encodeQuestion } from "../support/servers/server.ts"
import { heldUpstream } from "../support/upstreams/held-upstream.ts"
import { deservedData } from "../support/upstreams/mirror.ts"
import { readReply } from "../support/wire/reply-reader.ts"

const MANY = 10_000
const NEVER_MS = 1_000_000

const questionsFor = (prefix: string, count: number): ReadonlyArray<ToAsk> =>
  Array.from({ length: count }, (_, i) => ({
    wire: encodeQuestion({ name: `${prefix}${i}.example.test` }, i),
    transport: "udp"
  }))

const isAnswered = (answer: Buffer | undefined): boolean =>
  answer !== undefined && readReply(answer).rcode === 0 && answer.subarray(-4).equals(deservedData(answer))

const isServfail = (answer: Buffer | undefined): boolean => answer !== undefined && readReply(answer).rcode === 2

/**
 * Patient beyond what a slow machine needs: what waits, waits for the upstream only. One thread: limits are shared out
 * among threads, and all of this client's queries come to one.
 */
const patient = {
  DNS_SERVER_WORKERS: "1",
  DNS_SERVER_QUERY_TIMEOUT_SECS: "60",
  DNS_SERVER_ATTEMPT_TIMEOUT_MS: "10000",
  DNS_SERVER_TRACE_SAMPLING: "never"
}

const isWave = (name: string): boolean => name.startsWith("wave")

describe("ten thousand queries that wait at once", () => {
  it.live("are all answered where so many may", () =>
    Effect.gen(function* () {
      const upstream = yield* heldUpstream(isWave)
      const server = yield* startListening({
        ...patient,
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_MAX_CONCURRENT_QUERIES: "12000"
      })
      const asking = yield* Effect.forkChild(askMany(server.port, questionsFor("wave", MANY), MANY), {
        startImmediately: true
      })
      yield* upstream.awaitNames(MANY)
      yield* upstream.release
      assert.strictEqual((yield* Fiber.join(asking)).filter(isAnswered).length, MANY)
    })
  )

  it.live("leave nothing behind when they are over", () =>
    Effect.gen(function* () {
      const upstream = yield* heldUpstream(isWave)
      const server = yield* startListening({
        ...patient,
        ...inspectable,
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_MAX_CONCURRENT_QUERIES: "12000",
        DNS_SERVER_ENABLE_CACHING: "false"
      })
      const heap = Effect.suspend(() => liveHeapMib(server.output()))
      // Once for what is compiled and allocated for good.
      yield* askMany(server.port, questionsFor("warm-up", MANY))
      const before = yield* heap
      const asking = yield* Effect.forkChild(askMany(server.port, questionsFor("wave", MANY), MANY), {
        startImmediately: true
      })
      yield* upstream.awaitNames(MANY)
      const during = yield* heap
      yield* upstream.release
      yield* Fiber.join(asking)
      yield* askMany(server.port, questionsFor("again", MANY), MANY)
      yield* Effect.sleep(1500)
      const after = yield* heap
      assert.isAbove(during, before)
      assert.isBelow(after - before, 10, `MiB before ${before}, during ${during}, after ${after}`)
      assert.isBelow(residentMib(server.child.pid!), 1024)
    })
  )

  it.live("give their memory back to the system when they are over", () =>
    Effect.gen(function* () {
      const upstream = yield* heldUpstream(isWave)
      const server = yield* startListening({
        ...patient,
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_MAX_CONCURRENT_QUERIES: "12000"
      })
      yield* askMany(server.port, questionsFor("warm-up", MANY))
      const asking = yield* Effect.forkChild(askMany(server.port, questionsFor("wave", MANY), MANY), {
        startImmediately: true
      })
      yield* upstream.awaitNames(MANY)
      const during = residentMib(server.child.pid!)
      yield* upstream.release
      yield* Fiber.join(asking)
      let after = residentMib(server.child.pid!)
      for (let look = 0; look < 100 && after > during - 20; look++) {
        yield* Effect.sleep(200)
        after = residentMib(server.child.pid!)
      }
      assert.isBelow(after, during - 20, `MiB during ${during}, after ${after}`)
    })
  )

  it.live("past the limit get SERVFAIL at once, and cached names are still answered", () =>
    Effect.gen(function* () {
      const limit = 1000
      const upstream = yield* heldUpstream(isWave)
      const server = yield* startListening({
        ...patient,
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_MAX_CONCURRENT_QUERIES: String(limit),
        DNS_SERVER_MAX_QUEUED_QUERIES: "0"
      })
      const cached = questionsFor("cached", 200)
      yield* askMany(server.port, cached)
      // Sent once: a query that is sent again while all permits are held is one too many.
      const first = yield* Effect.forkChild(askMany(server.port, questionsFor("wave", limit), limit, NEVER_MS), {
        startImmediately: true
      })
      yield* upstream.awaitNames(limit)
      // The upstream is silent until it is told otherwise: whatever is answered now is answered without it.
      const rest = yield* askMany(server.port, questionsFor("wave-too-many", MANY - limit))
      assert.strictEqual(rest.filter(isServfail).length, MANY - limit)
      assert.strictEqual((yield* askMany(server.port, cached)).filter(isAnswered).length, cached.length)
      yield* upstream.release
      assert.strictEqual((yield* Fiber.join(first)).filter(isAnswered).length, limit)
      // What was shed was not the names' own failure: it is not remembered.
      assert.isTrue((yield* askMany(server.port, questionsFor("wave-too-many", 100))).every(isAnswered))
    })
  )
})

/** Mebibytes of the largest piece of memory that the process has mapped for itself alone. */
const largestMib = (pid: number): number => {
  const sizes = readFileSync(`/proc/${pid}/maps`, "utf8")
    .split("\n")
    .filter((line) => /^[0-9a-f]+-[0-9a-f]+ rw.p .* 0 *$/.test(line))
    .map((line) => {
      const [from, to] = line.split(" ", 1)[0]!.split("-")
      return Number.parseInt(to!, 16) - Number.parseInt(from!, 16)
    })
  return Math.max(0, ...sizes) / 2 ** 20
}

describe.skipIf(process.platform !== "linux")("the table of answers that the server began with", () => {
  it.live("is given back when a smaller one has taken its place, in all threads", () =>
    Effect.gen(function* () {
      const server = yield* startWithAdmin({ DNS_SERVER_WORKERS: "2", DNS_SERVER_CACHE_SIZE_MB: "700" })
      const { pid } = server.child
      assert.isAbove(largestMib(pid!), 650)
      const { status } = yield* server.admin("/api/v1/config", { method: "PATCH", body: { cache_size_mb: 16 } })
      assert.strictEqual(status, 200)
      yield* until("it is given back", () => largestMib(pid!) < 650)
    })
  )
})
