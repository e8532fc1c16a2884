import { connect, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect, Fiber } from "effect"
import { until } from "../support/machine/until.ts"
import { addressesOf, askPipelined, askUdp, encodeQuestion, rcodeOf, startServer } from "../support/servers/server.ts"
import {
  address,
  failing,
  fakeUpstream,
  framed,
  nameOf,
  reply,
  silent,
  slow
} from "../support/upstreams/fake-upstream.ts"
import { heldUpstream } from "../support/upstreams/held-upstream.ts"

const upstreams = (...addresses: ReadonlyArray<string>) => ({
  DNS_SERVER_UPSTREAMS: addresses.join(","),
  DNS_SERVER_UPSTREAM_POLICY: "ordered"
})

describe("a query", () => {
  it.live("is answered by the upstream, and from the cache when asked again", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startServer(upstreams(upstream.address))
      const first = yield* server.ask({ name: "www.example.test" })
      const second = yield* server.ask({ name: "WWW.example.TEST" })
      assert.deepStrictEqual(addressesOf(first), ["192.0.2.1"])
      assert.deepStrictEqual(addressesOf(second), ["192.0.2.1"])
      assert.strictEqual(second.questions?.[0]?.name, "WWW.example.TEST")
      assert.strictEqual(upstream.queries(), 1)
      assert.strictEqual(server.counters.read("cache.hits"), 1)
    })
  )

  it.live("is answered over TCP, IPv4 and both transports alike", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startServer(upstreams(upstream.address))
      const answer = yield* server.ask({ name: "www.example.test", tcp: true })
      assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
    })
  )

  it.live("is never forwarded with RD=0, nor kept (RFC 8906 §3)", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startServer(upstreams(upstream.address))
      assert.strictEqual(rcodeOf(yield* server.ask({ name: "www.example.test", flags: 0 })), "REFUSED")
      assert.strictEqual(upstream.queries(), 0)
    })
  )

  it.live("of a client that is not allowed is REFUSED before anything else", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startServer({ ...upstreams(upstream.address), DNS_SERVER_ALLOW: "192.0.2.0/24" })
      assert.strictEqual(rcodeOf(yield* server.ask({ name: "www.example.test" })), "REFUSED")
      assert.strictEqual(upstream.queries(), 0)
    })
  )

  it.live("with TTL 0 in its answer serves those who waited, and nobody else", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1", 0))
      const server = yield* startServer(upstreams(upstream.address))
      yield* server.ask({ name: "www.example.test" })
      yield* server.ask({ name: "www.example.test" })
      assert.strictEqual(upstream.queries(), 2)
    })
  )
})

describe("equal questions in flight", () => {
  it.live("share one exchange, and each gets the answer", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(slow(300, address("192.0.2.1")))
      const server = yield* startServer(upstreams(upstream.address))
      const answers = yield* Effect.all(
        Array.from({ length: 50 }, () => server.ask({ name: "www.example.test" })),
        { concurrency: "unbounded" }
      )
      assert.isTrue(answers.every((answer) => addressesOf(answer)[0] === "192.0.2.1"))
      assert.strictEqual(upstream.queries(), 1)
    })
  )
})

describe("an upstream that lies", () => {
  it.live("with a wrong id, a wrong question or from a wrong port is not believed, and does not end the wait", () =>
    Effect.gen(function* () {
      const forged = [{ name: "www.example.test", type: "A" as const, ttl: 60, data: "203.0.113.66" }]
      const upstream = yield* fakeUpstream((query) => [
        { reply: reply(query, { answers: forged, id: ((query.id ?? 0) + 1) & 0xffff }) },
        { reply: reply(query, { answers: forged, name: "other.example.test" }) },
        { reply: reply(query, { answers: forged }), fromElsewhere: true },
        {
          reply: reply(query, { answers: [{ name: nameOf(query), type: "A", ttl: 60, data: "192.0.2.1" }] }),
          delayMs: 100
        }
      ])
      const server = yield* startServer(upstreams(upstream.address))
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "www.example.test" })), ["192.0.2.1"])
      assert.strictEqual(server.counters.read("upstream.strangers"), 2)
    })
  )
})

describe("a truncated reply", () => {
  it.live("is asked for again by TCP at the same upstream, and is never kept truncated", () =>
    Effect.gen(function* () {
      const answers = Array.from({ length: 100 }, (_, i) => ({
        name: "big.example.test",
        type: "A" as const,
        ttl: 60,
        data: `192.0.2.${i}`
      }))
      const upstream = yield* fakeUpstream((query, transport) => [
        { reply: transport === "udp" ? reply(query, { flags: packet.TRUNCATED_RESPONSE }) : reply(query, { answers }) }
      ])
      // However late the reply by TCP is, nobody asks once more.
      const server = yield* startServer({ ...upstreams(upstream.address), DNS_SERVER_RETRIES: "0" })
      const byTcp = yield* server.ask({ name: "big.example.test", tcp: true })
      assert.strictEqual(addressesOf(byTcp).length, 100)
      const byUdp = yield* server.ask({ name: "big.example.test", edns: {} })
      assert.isTrue(byUdp.flag_tc)
      assert.strictEqual(upstream.queries(), 2)
    })
  )
})

describe("two upstreams", () => {
  it.live("the second is asked when the first stays silent", () =>
    Effect.gen(function* () {
      const first = yield* fakeUpstream(silent)
      const second = yield* fakeUpstream(address("192.0.2.2"))
      const server = yield* startServer({
        ...upstreams(first.address, second.address),
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "100"
      })
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "www.example.test" })), ["192.0.2.2"])
    })
  )

  it.live("the first is still listened to after the second was asked", () =>
    Effect.gen(function* () {
      const first = yield* fakeUpstream(slow(400, address("192.0.2.1")))
      const second = yield* fakeUpstream(silent)
      const server = yield* startServer({
        ...upstreams(first.address, second.address),
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "100"
      })
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "www.example.test" })), ["192.0.2.1"])
    })
  )

  for (const [word, rcode] of [
    ["SERVFAIL", 2],
    ["REFUSED", 5]
  ] as const) {
    it.live(`the second is asked when the first says ${word}`, () =>
      Effect.gen(function* () {
        const first = yield* fakeUpstream(failing(rcode))
        const second = yield* fakeUpstream(address("192.0.2.2"))
        const server = yield* startServer(upstreams(first.address, second.address))
        assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "www.example.test" })), ["192.0.2.2"])
      })
    )
  }

  it.live("the second is asked at once when the first is not there at all", () =>
    Effect.gen(function* () {
      const gone = yield* Effect.scoped(fakeUpstream(silent))
      const second = yield* fakeUpstream(address("192.0.2.2"))
      const server = yield* startServer({
        ...upstreams(gone.address, second.address),
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "4000"
      })
      const answer = yield* server.ask({ name: "www.example.test", timeoutMs: 3500 })
      assert.deepStrictEqual(addressesOf(answer), ["192.0.2.2"])
    })
  )

  it.live("a referral is a failure, and the next one is asked (RFC 2308 §2.2)", () =>
    Effect.gen(function* () {
      const first = yield* fakeUpstream((query) => [
        {
          reply: reply(query, { authorities: [{ name: "example.test", type: "NS", ttl: 60, data: "ns.example.test" }] })
        }
      ])
      const second = yield* fakeUpstream(address("192.0.2.2"))
      const server = yield* startServer(upstreams(first.address, second.address))
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "www.example.test" })), ["192.0.2.2"])
    })
  )
})

describe("upstreams that are all dead", () => {
  it.live("fail fast once the breakers are open; cached answers are still served; what returns is used", () =>
    Effect.gen(function* () {
      const port = yield* Effect.scoped(
        Effect.gen(function* () {
          const upstream = yield* fakeUpstream(address("192.0.2.1"))
          return upstream.port
        })
      )
      const server = yield* startServer({
        ...upstreams(`127.0.0.1:${port}`),
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "100",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "3"
      })
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* fakeUpstream(address("192.0.2.1"), port)
          yield* server.ask({ name: "kept.example.test" })
        })
      )
      yield* Effect.sleep(600)
      for (let i = 0; i < 12; i++) yield* server.ask({ name: `n${i}.example.test` })
      const answer = yield* server.ask({ name: "late.example.test", timeoutMs: 2500, edns: {} })
      assert.strictEqual(rcodeOf(answer), "SERVFAIL")
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "kept.example.test" })), ["192.0.2.1"])
      yield* fakeUpstream(address("192.0.2.9"), port)
      yield* Effect.sleep(1200)
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "back.example.test" })), ["192.0.2.9"])
    })
  )

  it.live("one name that always fails opens no breaker, and is remembered as failed (RFC 9520 §3.2)", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream((query, transport, count) =>
        nameOf(query) === "bogus.test"
          ? failing(2)(query, transport, count)
          : address("192.0.2.1")(query, transport, count)
      )
      const server = yield* startServer(upstreams(upstream.address))
      for (let i = 0; i < 20; i++) assert.strictEqual(rcodeOf(yield* server.ask({ name: "bogus.test" })), "SERVFAIL")
      assert.isAtMost(upstream.queries(), 3)
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "fine.test" })), ["192.0.2.1"])
    })
  )
})

describe("more queries than may wait", () => {
  it.live("are shed at once with SERVFAIL, and cached answers are still served", () =>
    Effect.gen(function* () {
      const upstream = yield* heldUpstream((name) => name !== "kept")
      const server = yield* startServer({
        ...upstreams(upstream.address),
        DNS_SERVER_MAX_CONCURRENT_QUERIES: "10",
        DNS_SERVER_MAX_QUEUED_QUERIES: "5",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "60",
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "60000"
      })
      const before = yield* server.ask({ name: "kept.test" })
      const many = Effect.all(
        Array.from({ length: 40 }, (_, i) => server.ask({ name: `n${i}.test` })),
        { concurrency: "unbounded" }
      )
      const asking = yield* Effect.forkChild(many, { startImmediately: true })
      yield* upstream.awaitNames(10)
      yield* until("what is too much is shed", () => server.counters.read("answers.shed") === 25)
      // The upstream is silent until it is told otherwise: this is answered without it.
      const kept = yield* server.ask({ name: "kept.test" })
      yield* upstream.release
      const answers = yield* Fiber.join(asking)
      assert.strictEqual(answers.filter((answer) => rcodeOf(answer) === "NOERROR").length, 15)
      assert.strictEqual(answers.filter((answer) => rcodeOf(answer) === "SERVFAIL").length, 25)
      assert.strictEqual(rcodeOf(kept), "NOERROR")
      assert.deepStrictEqual(addressesOf(kept), addressesOf(before))
    })
  )
})

describe("a TCP connection", () => {
  it.live("gets answers in the order in which they are ready (RFC 7766 §6.2.1.1)", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream((query, transport, count) =>
        (nameOf(query) === "slow.test" ? slow(300, address("192.0.2.1")) : address("192.0.2.2"))(
          query,
          transport,
          count
        )
      )
      const server = yield* startServer(upstreams(upstream.address))
      const answers = yield* askPipelined(server.port, [
        encodeQuestion({ name: "slow.test" }, 1),
        encodeQuestion({ name: "quick.test" }, 2)
      ])
      assert.deepStrictEqual(
        answers.map((answer) => packet.decode(answer).id),
        [2, 1]
      )
    })
  )

  it.live("that shuts its side after asking still gets its answers", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(slow(200, address("192.0.2.1")))
      const server = yield* startServer(upstreams(upstream.address))
      const octets = yield* Effect.callback<Buffer>((resume) => {
        const received: Array<Buffer> = []
        const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true })
        socket.on("data", (chunk: Buffer) => received.push(chunk))
        socket.on("end", () => {
          socket.destroy()
          resume(Effect.succeed(Buffer.concat(received)))
        })
        socket.end(framed(encodeQuestion({ name: "www.example.test" }, 7)))
      })
      assert.deepStrictEqual(addressesOf(packet.decode(octets.subarray(2))), ["192.0.2.1"])
    })
  )

  it.live("in any pieces is read as one", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startServer(upstreams(upstream.address))
      const octets = yield* Effect.callback<Buffer>((resume) => {
        const socket = connect({ port: server.port, host: "127.0.0.1", noDelay: true })
        socket.on("data", (chunk: Buffer) => {
          socket.destroy()
          resume(Effect.succeed(chunk))
        })
        const message = framed(encodeQuestion({ name: "www.example.test" }, 7))
        let at = 0
        const next = (): void => {
          if (at >= message.length) return
          socket.write(message.subarray(at, ++at))
          setImmediate(next)
        }
        next()
      })
      assert.deepStrictEqual(addressesOf(packet.decode(octets.subarray(2))), ["192.0.2.1"])
    })
  )
})

describe("TCP connections past the limit of one client", () => {
  it.live("make the longest idle one go, and the newest is served", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startServer({
        ...upstreams(upstream.address),
        DNS_SERVER_MAX_TCP_CONNECTIONS_PER_CLIENT: "2"
      })
      const open = Effect.acquireRelease(
        Effect.callback<Socket>((resume) => {
          const socket = connect(server.port, "127.0.0.1", () => resume(Effect.succeed(socket)))
          socket.on("error", () => {})
        }),
        (socket) => Effect.sync(() => socket.destroy())
      )
      const first = yield* open
      const isClosed = new Promise<boolean>((resolve) => first.once("close", () => resolve(true)))
      first.resume()
      yield* until("the first is accepted", () => server.counters.read("tcp.accepted") === 1)
      const second = yield* open
      yield* until("the second is accepted", () => server.counters.read("tcp.accepted") === 2)
      const newest = yield* server.ask({ name: "www.example.test", tcp: true })
      assert.deepStrictEqual(addressesOf(newest), ["192.0.2.1"])
      assert.isTrue(yield* Effect.promise(() => isClosed))
      assert.isFalse(second.destroyed)
      assert.strictEqual(server.counters.read("tcp.refused"), 1)
    })
  )
})

describe("a forwarding loop", () => {
  it.live("is recognised: a query that comes back to the server that sent it is REFUSED", () =>
    Effect.gen(function* () {
      // A forwarder that passes queries on verbatim, back to the server under test.
      let target = 0
      let returned = ""
      const mirror = yield* fakeUpstream((query) => {
        const message = packet.encode(query)
        Effect.runFork(
          askUdp(target, message).pipe(
            Effect.timeout(2000),
            Effect.tap((answer) =>
              Effect.sync(() => {
                returned = rcodeOf(packet.decode(answer))
              })
            )
          )
        )
        return [{ reply: reply(query, { rcode: 5 }), delayMs: 300 }]
      })
      const server = yield* startServer(upstreams(mirror.address))
      target = server.port
      yield* server.ask({ name: "round.example.test" })
      yield* until("what was sent round is answered", () => returned !== "")
      assert.strictEqual(returned, "REFUSED")
      assert.isAtLeast(server.counters.read("queries.looped"), 1)
    })
  )
})

describe("shutdown", () => {
  it.live("answers what is in flight before it is over", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(slow(500, address("192.0.2.1")))
      const answer = yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* startServer(upstreams(upstream.address))
          const fiber = yield* Effect.forkDetach(server.ask({ name: "www.example.test" }), { startImmediately: true })
          yield* until("it is in flight", () => upstream.queries() === 1)
          return fiber
        })
      )
      assert.deepStrictEqual(addressesOf(yield* Fiber.join(answer)), ["192.0.2.1"])
    })
  )
})
