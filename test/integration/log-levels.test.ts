import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { freePort } from "../support/machine/ports.ts"
import { until } from "../support/machine/until.ts"
import { type Started, startListening } from "../support/servers/process.ts"
import { ask } from "../support/servers/server.ts"
import { address, type Behaviour, fakeUpstream, reply } from "../support/upstreams/fake-upstream.ts"

type Line = Readonly<Record<string, unknown>>

const linesOf = (server: Started): ReadonlyArray<Line> =>
  server
    .output()
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line))

const awaitLine = (server: Started, message: string): Effect.Effect<Line> =>
  Effect.gen(function* () {
    const find = () => linesOf(server).find((each) => String(each["message"]).startsWith(message))
    yield* until(`a line ${message}`, () => find() !== undefined)
    return find()!
  })

/** Knows no EDNS. */
const withoutEdns: Behaviour = (query, transport, count) =>
  (query.additionals ?? []).length > 0
    ? [{ reply: reply(query, { rcode: 4 }) }]
    : address("192.0.2.1")(query, transport, count)

const settings = { DNS_SERVER_UPSTREAM_POLICY: "ordered", DNS_SERVER_WORKERS: "2" }

describe("the log at the level debug", () => {
  it.live("tells of the configuration, of attempts that fail, and of an upstream that is suspect and checked", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const good = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startListening({
        ...settings,
        DNS_SERVER_UPSTREAMS: `127.0.0.1:${port},${good.address}`,
        DNS_SERVER_REDIS_URL: "redis://user:hidden@127.0.0.1:1",
        DNS_SERVER_LOG_LEVEL: "debug"
      })
      for (let i = 0; i < 12; i++) yield* ask(server.port, { name: `n${i}.example.test` })
      const configuration = yield* awaitLine(server, "configuration")
      assert.strictEqual(configuration["upstream_policy"], "ordered")
      assert.notInclude(server.output(), "hidden")
      const { time, worker, milliseconds, ...attempt } = yield* awaitLine(server, "an attempt failed: network-error")
      assert.include([1, 2], worker)
      assert.deepStrictEqual(attempt, {
        level: "debug",
        message: "an attempt failed: network-error",
        upstream: `udp://127.0.0.1:${port}`,
        question: "n0.example.test A",
        transport: "udp"
      })
      yield* awaitLine(server, "suspect: it is checked")
      yield* awaitLine(server, "checked: it does not answer")
      assert.isFalse(linesOf(server).some(({ level }) => level === "trace"))
    })
  )

  it.live("tells of connections to upstreams that are opened and closed", () =>
    Effect.gen(function* () {
      const good = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startListening({
        ...settings,
        DNS_SERVER_UPSTREAMS: `tcp://${good.address}`,
        DNS_SERVER_LOG_LEVEL: "debug"
      })
      yield* ask(server.port, { name: "www.example.test" })
      const opened = yield* awaitLine(server, "a connection was opened")
      assert.strictEqual(opened["upstream"], `tcp://${good.address}`)
      server.child.kill("SIGTERM")
      yield* Effect.promise(() => server.exit)
      yield* awaitLine(server, "a connection was closed")
    })
  )

  it.live("tells of an upstream that is asked with less of EDNS", () =>
    Effect.gen(function* () {
      const old = yield* fakeUpstream(withoutEdns)
      const server = yield* startListening({
        ...settings,
        DNS_SERVER_UPSTREAMS: old.address,
        DNS_SERVER_LOG_LEVEL: "debug"
      })
      yield* ask(server.port, { name: "www.example.test" })
      const line = yield* awaitLine(server, "less of EDNS is tried")
      assert.strictEqual(line["upstream"], `udp://${old.address}`)
      assert.strictEqual(line["rcode"], "NOTIMP")
    })
  )
})

describe("the log at the level trace", () => {
  it.live("has a line for each query that was not answered from the cache, and none for one that was", () =>
    Effect.gen(function* () {
      const good = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startListening({
        ...settings,
        DNS_SERVER_UPSTREAMS: good.address,
        DNS_SERVER_LOG_LEVEL: "trace"
      })
      for (const name of ["one", "two", "one", "two"]) yield* ask(server.port, { name: `${name}.example.test` })
      yield* awaitLine(server, "query: two.example.test A")
      server.child.kill("SIGTERM")
      yield* Effect.promise(() => server.exit)
      const lines = linesOf(server).filter(({ level }) => level === "trace")
      assert.deepStrictEqual(
        lines.map(({ time, worker, milliseconds, ...rest }) => rest),
        ["one", "two"].map((name) => ({
          level: "trace",
          message: `query: ${name}.example.test A`,
          client: "127.0.0.1",
          transport: "udp",
          cache: "miss",
          rcode: "NOERROR",
          attempts: [`udp://${good.address} answered`]
        }))
      )
      const times = linesOf(server).map(({ time }) => Date.parse(String(time)))
      assert.deepStrictEqual(
        times,
        times.toSorted((a, b) => a - b)
      )
    })
  )
})

describe("the log at the level info", () => {
  it.live("says nothing of all this", () =>
    Effect.gen(function* () {
      const good = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startListening({ ...settings, DNS_SERVER_UPSTREAMS: `tcp://${good.address}` })
      yield* ask(server.port, { name: "www.example.test" })
      server.child.kill("SIGTERM")
      yield* Effect.promise(() => server.exit)
      const levels = linesOf(server).map(({ level }) => level)
      assert.isTrue(levels.length > 0 && levels.every((level) => level === "info"), server.output())
    })
  )
})
