/**
 * RFC 9520: Negative caching of DNS resolution failures. How often one upstream is asked one question (§3.1), and how
 * long a failure is remembered (§3.2). What is said of it is in RFC 8914.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MemoryNetwork } from "../support/servers/memory-network.ts"
import { anAddress, memoryServer, pass, settle, upstreamAt } from "../support/servers/memory-server.ts"
import { addressesOf, rcodeOf, startServer } from "../support/servers/server.ts"
import { type WireBehaviour, wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { address, always, asking, askRead, oneAddress, respond, SERVFAIL, typeIn } from "./responses.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

const WWW = "www.example.test"
const SECOND = 1_000
const once = { DNS_SERVER_RETRIES: "0" }

describe("RFC 9520: negative caching of DNS resolution failures", () => {
  const failures: Readonly<Record<string, WireBehaviour>> = {
    "§2.1: SERVFAIL": always({ flags: SERVFAIL }),
    "§2.2: REFUSED": always({ flags: 0x8185 }),
    "§2.5: what cannot be read": (asked) => [{ reply: respond(asked, { answers: [address()] }).subarray(0, -3) }],
    "§2.5: an answer to nothing, records of other names alone": always({
      // other., A, 192.0.2.7
      answers: [Uint8Array.from([5, 111, 116, 104, 101, 114, 0, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7])]
    }),
    "§2.5: an answer to nothing, a referral": always({
      authorities: [Uint8Array.from([0xc0, 12, 0, 2, 0, 1, 0, 0, 0, 9, 0, 1, 0])]
    })
  }
  for (const [what, behaviour] of Object.entries(failures)) {
    it.live(`${what} is remembered: it is said again without asking, by every way`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(behaviour, EVERYWHERE)
        yield* askRead(server, asking(WWW))
        const asked = upstream.queries()
        for (const way of ways) {
          const client = yield* clientOf(way, server)
          for (const name of [WWW, WWW.toUpperCase()]) {
            assert.strictEqual(readReply(yield* client.ask(asking(name))).rcode, 2)
          }
        }
        assert.strictEqual(upstream.queries(), asked)
      })
    )
  }

  it.effect("§3.1: an upstream that is silent is asked one question three times at most", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const upstream = yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [1], {
        DNS_SERVER_RETRIES: "10",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "30"
      })
      yield* server.ask(WWW)
      yield* pass(31 * SECOND)
      assert.strictEqual(rcodeOf(server.answers()[0]!), "SERVFAIL")
      const asked = upstream.asked.filter(({ name }) => name.toLowerCase() === WWW)
      assert.isAtMost(asked.length, 3)
    })
  )

  it.live("§3.1: so is one that answers by an error, and the others are asked before it is asked again", () =>
    Effect.gen(function* () {
      const order: Array<number> = []
      const failing = (number: number) =>
        wireUpstream((asked) => {
          order.push(number)
          return [{ reply: respond(asked, { flags: SERVFAIL }) }]
        })
      const upstreams = [yield* failing(0), yield* failing(1), yield* failing(2)]
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: upstreams.map((upstream) => upstream.address).join(","),
        DNS_SERVER_UPSTREAM_POLICY: "ordered",
        DNS_SERVER_RETRIES: "10"
      })
      assert.strictEqual((yield* askRead(server, asking(WWW))).rcode, 2)
      assert.deepStrictEqual(order.slice(0, 3), [0, 1, 2])
      for (const upstream of upstreams) assert.isAtMost(upstream.queries(), 3)
    })
  )

  it.effect(
    "§3.2: it is remembered for a second at least and five minutes at most: 5 s, and twice as long each time, to 30",
    () =>
      Effect.gen(function* () {
        const network = new MemoryNetwork()
        const upstream = yield* upstreamAt(network, 1)
        const server = yield* memoryServer(network, [1], once)
        for (const [round, seconds] of [5, 10, 20, 30].entries()) {
          yield* server.ask(WWW)
          assert.strictEqual(upstream.asked.length, round + 1)
          yield* upstream.asked[round]!.answer({ rcode: 2 })
          yield* pass(seconds * SECOND - 1)
          assert.strictEqual(rcodeOf(yield* server.askAtOnce(WWW)), "SERVFAIL")
          assert.strictEqual(upstream.asked.length, round + 1)
          yield* pass(1)
        }
      })
  )

  it.effect("§3.2: what comes right is asked as ever, and its next failure is a first one", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const upstream = yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [1], once)
      const said = [{ rcode: 2 }, anAddress(WWW, "192.0.2.1", 0), { rcode: 2 }]
      for (const [i, answer] of said.entries()) {
        yield* server.ask(WWW)
        yield* upstream.asked[i]!.answer(answer)
        if (i !== 1) yield* pass(5 * SECOND)
      }
      yield* server.ask(WWW)
      assert.strictEqual(upstream.asked.length, 4)
      assert.deepStrictEqual(addressesOf(server.answers()[1]!), ["192.0.2.1"])
    })
  )

  it.live("§3.2: it is remembered for the question: other names and types are asked", () =>
    Effect.gen(function* () {
      const { server } = yield* serve((asked, ...rest) =>
        (typeIn(asked) === 28 ? always({ flags: SERVFAIL }) : oneAddress)(asked, ...rest)
      )
      assert.strictEqual((yield* askRead(server, asking(WWW, 28))).rcode, 2)
      assert.strictEqual((yield* askRead(server, asking(WWW, 1))).answers.length, 1)
      assert.strictEqual((yield* askRead(server, asking("other.example.test", 1))).answers.length, 1)
      assert.strictEqual((yield* askRead(server, asking(WWW, 28))).rcode, 2)
    })
  )

  it.effect("§3.2: a failure takes no answer's place: what was kept is given all the same", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const upstream = yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [1], once)
      yield* server.ask(WWW)
      yield* upstream.asked[0]!.answer(anAddress(WWW, "192.0.2.1", 10))
      yield* pass(11 * SECOND)
      yield* server.ask(WWW)
      yield* upstream.asked[1]!.answer({ rcode: 2 })
      yield* settle
      assert.deepStrictEqual(server.answers().map(addressesOf), [["192.0.2.1"], ["192.0.2.1"]])
    })
  )

  it.live("§3.3: a failure of one client's question is no failure of another's with CD", () =>
    Effect.gen(function* () {
      const { server } = yield* serve((asked, ...rest) =>
        ((asked[3]! & 0x10) === 0 ? always({ flags: SERVFAIL }) : oneAddress)(asked, ...rest)
      )
      assert.strictEqual((yield* askRead(server, asking(WWW))).rcode, 2)
      assert.strictEqual((yield* askRead(server, asking(WWW, 1, undefined, 0x110))).answers.length, 1)
    })
  )
})
