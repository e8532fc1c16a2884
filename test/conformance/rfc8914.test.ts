/**
 * RFC 8914: Extended DNS errors. Each failure says why, by the code that is for it (§4), to clients that speak EDNS (§2),
 * and in addition to the rcode that it has anyway (§3).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { freePort } from "../support/machine/ports.ts"
import { until } from "../support/machine/until.ts"
import { startServer } from "../support/servers/server.ts"
import { type WireBehaviour, wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { heldUpstream } from "../support/upstreams/held-upstream.ts"
import { octets, opt, option, word } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { address, always, asking, asksFor, NOERROR, NXDOMAIN, optionsIn, respond, SERVFAIL, soa } from "./responses.ts"
import { clientOf, EVERYWHERE, PATIENT, serve, ways } from "./ways.ts"

const EDE = 15
const WWW = "www.example.test"
const errorsIn = (reply: Buffer): ReadonlyArray<number> => optionsIn(reply, EDE).map((data) => data.readUInt16BE(0))
const textsIn = (reply: Buffer): ReadonlyArray<string> => optionsIn(reply, EDE).map((data) => data.toString("utf8", 2))
/** What an upstream says of why. */
const because = (code: number, text = ""): Uint8Array =>
  opt({ options: option(EDE, octets(word(code), Buffer.from(text))) })

const quick = { DNS_SERVER_RETRIES: "0", DNS_SERVER_QUERY_TIMEOUT_SECS: "0.3", DNS_SERVER_ATTEMPT_TIMEOUT_MS: "200" }

/** Clients of all ways get SERVFAIL, and this error, of an upstream that does so. */
const allAreTold = (behaviour: WireBehaviour, code: number, settings: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const { server } = yield* serve(behaviour, { ...EVERYWHERE, ...settings })
    const replies = yield* Effect.forEach(
      ways,
      (way) => Effect.flatMap(clientOf(way, server), (client) => client.ask(asking(`${way}.example.test`, 1, {}))),
      { concurrency: "unbounded" }
    )
    for (const reply of replies) assert.deepStrictEqual([readReply(reply).rcode, ...errorsIn(reply)], [2, code])
  })

describe("RFC 8914: extended DNS errors", () => {
  it.live("§4.23, No Reachable Authority: no upstream answers", () => allAreTold(() => [], 22, quick))

  const failures: Readonly<Record<string, readonly [behaviour: WireBehaviour, code: number]>> = {
    "§4.24, Network Error: upstreams answer SERVFAIL": [always({ flags: SERVFAIL }), 23],
    "§4.24, Network Error: they refuse": [always({ flags: 0x8185 }), 23],
    "§4.24, Network Error: what they send cannot be read": [
      (asked) => [{ reply: respond(asked, { answers: [address()] }).subarray(0, -2) }],
      23
    ]
  }
  for (const [what, [behaviour, code]] of Object.entries(failures)) it.live(what, () => allAreTold(behaviour, code))

  it.live("§4.24, Network Error: nobody is there", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: `127.0.0.1:${port}`, ...PATIENT })
      const client = yield* clientOf("UDP", server)
      const reply = yield* client.ask(asking(WWW, 1, {}))
      assert.deepStrictEqual([readReply(reply).rcode, ...errorsIn(reply)], [2, 23])
    })
  )

  it.live("§4.14, Cached Error: it failed a moment ago", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(always({ flags: SERVFAIL }), EVERYWHERE)
      for (const way of ways) {
        const client = yield* clientOf(way, server)
        const reply = yield* client.ask(asking(WWW, 1, {}))
        assert.deepStrictEqual([readReply(reply).rcode, ...errorsIn(reply)], [2, way === "UDP" ? 23 : 13])
      }
      assert.strictEqual(upstream.queries(), 1)
    })
  )

  for (const way of ways) {
    it.live(`§4.19, Prohibited: the client may not ask, by ${way}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(() => [], { ...EVERYWHERE, DNS_SERVER_ALLOW: "192.0.2.0/24" })
        const client = yield* clientOf(way, server)
        // By UDP no reply is longer than the query: the sender may be another.
        const reply = yield* client.ask(asking(WWW, 1, { options: option(65_001, new Uint8Array(100)) }))
        assert.deepStrictEqual([readReply(reply).rcode, ...errorsIn(reply)], [5, 18])
        assert.strictEqual(upstream.queries(), 0)
      })
    )
  }

  it.live("§4.1, Other: too many queries are waiting", () =>
    Effect.gen(function* () {
      const upstream = yield* heldUpstream(() => true)
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_MAX_CONCURRENT_QUERIES: "1",
        DNS_SERVER_MAX_QUEUED_QUERIES: "0"
      })
      const client = yield* clientOf("UDP", server)
      yield* Effect.forkChild(client.ask(asking("first.example.test", 1, {})))
      yield* upstream.awaitNames(1)
      const reply = yield* client.ask(asking("second.example.test", 1, {}))
      assert.deepStrictEqual([readReply(reply).rcode, ...errorsIn(reply)], [2, 0])
      assert.match(textsIn(reply)[0]!, /too many/)
      yield* upstream.release
    })
  )

  it.live("§4.1, Other: the server has asked itself", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      let codes: ReadonlyArray<number> = []
      // What comes to this upstream is asked at the server again, as it is.
      const upstream = yield* wireUpstream((asked) => {
        Effect.runFork(
          Effect.flatMap(looped, (client) =>
            Effect.map(client.ask(asked), (reply) => {
              codes = errorsIn(reply)
            })
          ).pipe(Effect.scoped)
        )
        return []
      })
      const server = yield* startServer({
        DNS_SERVER_LISTEN: `127.0.0.1:${port}`,
        DNS_SERVER_UPSTREAMS: upstream.address,
        ...quick
      })
      const looped = clientOf("UDP", server)
      yield* (yield* looped).ask(asking(WWW))
      yield* until("it came round", () => codes.length > 0)
      assert.deepStrictEqual(codes, [0])
    })
  )

  it.live("§2: who does not speak EDNS is told by the rcode alone", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(always({ flags: SERVFAIL }), EVERYWHERE)
      for (const way of ways) {
        const reply = readReply(yield* (yield* clientOf(way, server)).ask(asking(WWW)))
        assert.deepStrictEqual([reply.rcode, reply.opts], [2, []])
      }
    })
  )

  it.live("§2: the text is UTF-8 without a NUL, and says nothing of the network", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(always({ flags: SERVFAIL }))
      const reply = yield* (yield* clientOf("UDP", server)).ask(asking(WWW, 1, {}))
      const [text] = textsIn(reply)
      assert.match(text!, /^[ -~]+$/)
      assert.notInclude(text!, String(upstream.port))
      assert.notInclude(text!, "127.0.0.1")
    })
  )

  it.live("§3: an answer that is one has no error, and an NXDOMAIN neither", () =>
    Effect.gen(function* () {
      const { server } = yield* serve((asked) => [
        {
          reply: asksFor(asked, "none")
            ? respond(asked, { flags: NXDOMAIN, authorities: [soa(300)] })
            : respond(asked, { answers: [address()] })
        }
      ])
      const client = yield* clientOf("UDP", server)
      for (const name of [WWW, "none.example.test", "a.invalid", "localhost"]) {
        assert.deepStrictEqual(errorsIn(yield* client.ask(asking(name, 1, {}))), [], name)
      }
    })
  )

  it.live("§3: what an upstream that is believed says of a failure goes on, with its text", () =>
    Effect.gen(function* () {
      for (const [code, text] of [
        [6, "signature expired"],
        [9, ""],
        [7, "x".repeat(120)]
      ] as const) {
        const { server } = yield* serve(always({ flags: SERVFAIL, additionals: [because(code, text)] }))
        const reply = yield* (yield* clientOf("UDP", server)).ask(asking(WWW, 1, {}))
        assert.deepStrictEqual([errorsIn(reply), textsIn(reply)], [[code], [text]])
      }
    })
  )

  it.live(
    "§4.16–§4.18, Blocked, Censored, Filtered: a policy of an upstream that is believed is said with its answer",
    () =>
      Effect.gen(function* () {
        for (const code of [15, 16, 17]) {
          for (const parts of [{ answers: [address()] }, { flags: NXDOMAIN, authorities: [soa(300)] }]) {
            const { server } = yield* serve(
              always({ flags: NOERROR, ...parts, additionals: [because(code, "a list")] })
            )
            const reply = yield* (yield* clientOf("UDP", server)).ask(asking(WWW, 1, {}))
            assert.deepStrictEqual([errorsIn(reply), textsIn(reply)], [[code], ["a list"]])
          }
        }
      })
  )
})
