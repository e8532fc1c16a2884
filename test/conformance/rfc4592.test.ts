/**
 * RFC 4592: The role of wildcards in the domain name system. Of a forwarder this concerns the answers of its own: the
 * example of §2.2.1, and what it says of names that exist.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readReply } from "../support/wire/reply-reader.ts"
import { asking } from "./responses.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

const [A, NS, MX, TXT, SRV] = [1, 2, 15, 16, 33]

/** The zone of §2.2.1, but for its SOA and its delegation, which local answers do not have. */
const zone = [
  "*.example 3600 TXT this is a wildcard",
  "*.example 3600 MX 10 host1.example",
  "sub.*.example 3600 TXT this is not a wildcard",
  "host1.example 3600 A 192.0.2.1",
  "_ssh._tcp.host1.example SRV 0 0 22 host1.example",
  "_ssh._tcp.host2.example SRV 0 0 22 host2.example"
].join(",")

const questions: ReadonlyArray<readonly [what: string, name: string, type: number, rcode: number, records: number]> = [
  ["§2.2.1: the wildcard answers, the name is not there itself", "host3.example", MX, 0, 1],
  ["§2.2.1: no such type, but the name would be there", "host3.example", A, 0, 0],
  ["§2.2.1: below a name that is not there as well", "foo.bar.example", TXT, 0, 1],
  ["§2.2.1: a name that is there, without the type", "host1.example", MX, 0, 0],
  ["§2.2.1: a wildcard's name below itself is no wildcard's", "sub.*.example", MX, 0, 0],
  ["§2.2.1: below a name that is there there is nothing", "_telnet._tcp.host1.example", SRV, 3, 0],
  ["§2.2.1: below the wildcard's own name there is nothing", "ghost.*.example", MX, 3, 0],
  ["§2.2.2: a name that is only above others is there", "host2.example", A, 0, 0],
  ["§2.2.2: so is one between", "_tcp.host2.example", SRV, 0, 0],
  ["§2.3: the wildcard may be asked for by its own name", "*.example", TXT, 0, 1]
]

describe("RFC 4592: the role of wildcards in the domain name system", () => {
  for (const way of ways) {
    it.live(`§2.2.1–§2.3: local answers are as the example says, by ${way}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(() => [], { ...EVERYWHERE, DNS_SERVER_LOCAL_ANSWERS: zone })
        const client = yield* clientOf(way, server)
        for (const [what, name, type, rcode, records] of questions) {
          const reply = readReply(yield* client.ask(asking(name, type)))
          assert.deepStrictEqual([reply.rcode, reply.answers.length], [rcode, records], what)
          assert.deepStrictEqual(
            reply.authorities.map((each) => each.type),
            records === 0 ? [6] : [],
            what
          )
        }
        assert.strictEqual(upstream.queries(), 0)
      })
    )
  }

  it.live("§3.3.3: what a wildcard gives stands under the name that was asked for, as it was spelled", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(() => [], { ...EVERYWHERE, DNS_SERVER_LOCAL_ANSWERS: zone })
      const client = yield* clientOf("UDP", server)
      const asked = asking("Foo.Bar.EXAMPLE", MX)
      const reply = yield* client.ask(asked)
      assert.strictEqual(reply.toString("hex", 12, asked.length), asked.toString("hex", 12))
      const [mail] = readReply(reply).answers
      assert.deepStrictEqual([mail!.owner, mail!.data], ["foo.bar.example.", "000a host1.example."])
    })
  )

  it.live("§2.2.1: what is not below the wildcard's parent is asked for", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve((asked) => [{ reply: asked }], {
        ...EVERYWHERE,
        DNS_SERVER_LOCAL_ANSWERS: zone,
        DNS_SERVER_QUERY_TIMEOUT_SECS: "0.2"
      })
      const client = yield* clientOf("UDP", server)
      for (const name of ["example", "host3.examples", "example.test"]) yield* client.ask(asking(name, NS))
      assert.strictEqual(upstream.queries(), 3)
    })
  )
})
