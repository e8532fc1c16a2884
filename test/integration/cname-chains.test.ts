/**
 * Aliases whose target is not in the upstream's answer: the target is asked for in the same way and the answers are
 * joined, as a resolver would (RFC 1034 §5.3.3).
 */
import { assert, describe, it } from "@effect/vitest"
import type { Answer, DecodedPacket } from "dns-packet"
import { Effect } from "effect"
import { type AskOptions, addressesOf, rcodeOf, startServer } from "../support/servers/server.ts"
import { type Behaviour, fakeUpstream, nameOf, reply } from "../support/upstreams/fake-upstream.ts"

const TTL = 300

const alias = (name: string, target: string, ttl = TTL): Answer => ({ name, type: "CNAME", ttl, data: target })

const soa: Answer = {
  name: "example.test",
  type: "SOA",
  ttl: 60,
  data: { mname: "ns.example.test", rname: "h.example.test", serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5 }
}

/** Answers from these records for exactly the name asked for: one link at a time. */
const oneLinkAtATime =
  (links: Readonly<Record<string, string>>): Behaviour =>
  (query) => {
    const name = nameOf(query).toLowerCase()
    const type = query.questions?.[0]?.type
    const target = links[name]
    if (target !== undefined) return [{ reply: reply(query, { answers: [alias(name, target)] }) }]
    if (name.startsWith("missing")) return [{ reply: reply(query, { rcode: 3, authorities: [soa] }) }]
    if (name.startsWith("bad")) return [{ reply: reply(query, { rcode: 2 }) }]
    if (type === "A") return [{ reply: reply(query, { answers: [{ name, type, ttl: TTL, data: "192.0.2.1" }] }) }]
    if (type === "AAAA") return [{ reply: reply(query, { answers: [{ name, type, ttl: TTL, data: "2001:db8::1" }] }) }]
    return [{ reply: reply(query, { authorities: [soa] }) }]
  }

/** n0 → n1 → … → n<length> */
const chain = (length: number): Readonly<Record<string, string>> =>
  Object.fromEntries(Array.from({ length }, (_, i) => [`n${i}.example.test`, `n${i + 1}.example.test`]))

const linksOf = (answer: DecodedPacket): ReadonlyArray<string> =>
  (answer.answers ?? []).map((record) => `${record.name} ${record.type}`)

const asking = (links: Readonly<Record<string, string>>, question: AskOptions) =>
  Effect.gen(function* () {
    const upstream = yield* fakeUpstream(oneLinkAtATime(links))
    const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_ANY_QUERIES: "forward" })
    const answer = yield* server.ask(question)
    return { upstream, server, answer, asked: upstream.queries() }
  })

describe("an alias whose target is not in the answer", () => {
  it.live("is followed: the client gets alias and address in one answer", () =>
    Effect.gen(function* () {
      const { answer } = yield* asking({ "www.example.test": "web.other.test" }, { name: "WWW.example.test" })
      assert.strictEqual(rcodeOf(answer), "NOERROR")
      assert.strictEqual(answer.questions?.[0]?.name, "WWW.example.test")
      assert.deepStrictEqual(
        linksOf(answer).map((link) => link.toLowerCase()),
        ["www.example.test cname", "web.other.test a"]
      )
      assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
    })
  )

  it.live("is followed over several links, in their order, over TCP too", () =>
    Effect.gen(function* () {
      const { answer } = yield* asking(chain(5), { name: "n0.example.test", tcp: true })
      assert.deepStrictEqual(linksOf(answer), [
        ...Array.from({ length: 5 }, (_, i) => `n${i}.example.test CNAME`),
        "n5.example.test A"
      ])
    })
  )

  it.live("is followed for the type that was asked for", () =>
    Effect.gen(function* () {
      const { answer } = yield* asking(chain(2), { name: "n0.example.test", type: "AAAA" })
      assert.deepStrictEqual(linksOf(answer).at(-1), "n2.example.test AAAA")
    })
  )

  it.live("is kept whole: asked again, nothing is asked upstream", () =>
    Effect.gen(function* () {
      const { upstream, server, asked } = yield* asking(chain(3), { name: "n0.example.test" })
      const again = yield* server.ask({ name: "n0.example.test" })
      assert.strictEqual(linksOf(again).length, 4)
      assert.strictEqual(upstream.queries(), asked)
    })
  )

  it.live("lives no longer than the shortest of its links", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream((query, transport, count) =>
        nameOf(query) === "www.example.test"
          ? [{ reply: reply(query, { answers: [alias("www.example.test", "web.other.test", 1)] }) }]
          : oneLinkAtATime({})(query, transport, count)
      )
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address })
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "www.example.test" })), ["192.0.2.1"])
      const asked = upstream.queries()
      yield* Effect.sleep(1100)
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "www.example.test" })), ["192.0.2.1"])
      assert.isAbove(upstream.queries(), asked)
    })
  )

  it.live("that leads to a name that does not exist is NXDOMAIN, with the aliases (RFC 6604 §3)", () =>
    Effect.gen(function* () {
      const { answer } = yield* asking({ "www.example.test": "missing.example.test" }, { name: "www.example.test" })
      assert.strictEqual(rcodeOf(answer), "NXDOMAIN")
      assert.deepStrictEqual(linksOf(answer), ["www.example.test CNAME"])
      assert.deepStrictEqual(
        answer.authorities?.map((record) => record.type),
        ["SOA"]
      )
    })
  )

  it.live("that leads to a name without the type is NOERROR, with the aliases and the SOA", () =>
    Effect.gen(function* () {
      const { answer } = yield* asking(chain(2), { name: "n0.example.test", type: "MX" })
      assert.strictEqual(rcodeOf(answer), "NOERROR")
      assert.deepStrictEqual(linksOf(answer), ["n0.example.test CNAME", "n1.example.test CNAME"])
      assert.deepStrictEqual(
        answer.authorities?.map((record) => record.type),
        ["SOA"]
      )
    })
  )

  it.live("is SERVFAIL where the target cannot be resolved, as half an answer is none", () =>
    Effect.gen(function* () {
      const { answer } = yield* asking({ "www.example.test": "bad.example.test" }, { name: "www.example.test" })
      assert.strictEqual(rcodeOf(answer), "SERVFAIL")
      assert.deepStrictEqual(answer.answers, [])
    })
  )

  it.live("is SERVFAIL where aliases lead in a circle, and that costs no more than going round once", () =>
    Effect.gen(function* () {
      const circle = { "a.test": "b.test", "b.test": "c.test", "c.test": "a.test" }
      const { answer, asked } = yield* asking(circle, { name: "a.test" })
      assert.strictEqual(rcodeOf(answer), "SERVFAIL")
      assert.isAtMost(asked, 12)
    })
  )

  it.live("is SERVFAIL where the aliases have no end, and that is found out soon", () =>
    Effect.gen(function* () {
      const { answer, asked } = yield* asking(chain(100), { name: "n0.example.test" })
      assert.strictEqual(rcodeOf(answer), "SERVFAIL")
      assert.isAtMost(asked, 40)
    })
  )
})

describe("an alias", () => {
  it.live("is the answer where it was asked for itself", () =>
    Effect.gen(function* () {
      const { answer, asked } = yield* asking(chain(3), { name: "n0.example.test", type: "CNAME" })
      assert.deepStrictEqual(linksOf(answer), ["n0.example.test CNAME"])
      assert.strictEqual(asked, 1)
    })
  )

  it.live("is the answer where ANY was asked for", () =>
    Effect.gen(function* () {
      const { answer, asked } = yield* asking(chain(3), { name: "n0.example.test", type: "ANY" as "A" })
      assert.deepStrictEqual(linksOf(answer), ["n0.example.test CNAME"])
      assert.strictEqual(asked, 1)
    })
  )

  it.live("is not followed where the upstream followed it", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream((query) => [
        {
          reply: reply(query, {
            answers: [
              alias("www.example.test", "web.example.test"),
              { name: "web.example.test", type: "A", ttl: TTL, data: "192.0.2.1" }
            ]
          })
        }
      ])
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address })
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "www.example.test" })), ["192.0.2.1"])
      assert.strictEqual(upstream.queries(), 1)
    })
  )

  it.live("is not followed where the upstream said that its target does not exist or has no such type", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream((query) => [
        {
          reply: reply(query, {
            answers: [alias("www.example.test", "missing.example.test")],
            authorities: [soa],
            rcode: nameOf(query) === "www.example.test" ? 3 : 0
          })
        }
      ])
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address })
      const answer = yield* server.ask({ name: "www.example.test" })
      assert.strictEqual(rcodeOf(answer), "NXDOMAIN")
      assert.deepStrictEqual(linksOf(answer), ["www.example.test CNAME"])
      assert.strictEqual(upstream.queries(), 1)
    })
  )
})
