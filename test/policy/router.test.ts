import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect, Result } from "effect"
import { readGroup } from "../../src/config/codec/group.ts"
import { readRule } from "../../src/config/codec/rule.ts"
import { namedPeer, TextPeer } from "../../src/io/peer.ts"
import { makeRouter } from "../../src/policy/router.ts"
import { addressesOf } from "../support/servers/server.ts"
import { address, type MemoryUpstream, memoryServer } from "../support/servers/timed-server.ts"
import { address as addressRecord, type WireBehaviour } from "../support/upstreams/fake-upstream.ts"
import { query, question, read } from "../support/wire/messages.ts"

const groups = ["corp=192.0.2.1", "lab=192.0.2.2", "kids=192.0.2.3"].map((text) => Result.getOrThrow(readGroup(text)))
const nameOf = (view: number): string => groups.find((group) => group.view === view)?.name ?? "common"

const routing = (...rules: ReadonlyArray<string>) => {
  const { viewOf } = makeRouter(
    groups,
    rules.map((rule) => Result.getOrThrow(readRule(rule)))
  )
  return (name: string, client = "192.0.2.99", type = 1): string =>
    nameOf(
      viewOf(read(query({ questions: [question(name, type)] })).query, new TextPeer({ address: client, port: 53 }))
    )
}

describe("makeRouter", () => {
  it("sends a name and all below it to its group, at label boundaries, in either case", () => {
    const to = routing("corp.example -> corp")
    assert.strictEqual(to("corp.example"), "corp")
    assert.strictEqual(to("a.b.CORP.Example"), "corp")
    assert.strictEqual(to("notcorp.example"), "common")
    assert.strictEqual(to("example"), "common")
  })

  it("lets the longest suffix win, whatever the order", () => {
    const to = routing("corp.example -> corp", "lab.corp.example -> lab", ". -> kids")
    assert.strictEqual(to("x.lab.corp.example"), "lab")
    assert.strictEqual(to("x.corp.example"), "corp")
    assert.strictEqual(to("elsewhere.test"), "kids")
  })

  it("goes by what a client calls itself before its network, and by both where both are said", () => {
    const rules = [
      "corp.example client:192.0.2.0/24 -> corp",
      "corp.example client_name:Laptop|phone -> lab",
      "corp.example client_name:phone client:198.51.100.0/24 -> kids"
    ]
    const { viewOf } = makeRouter(
      groups,
      rules.map((rule) => Result.getOrThrow(readRule(rule)))
    )
    const asked = read(query({ questions: [question("www.corp.example", 1)] })).query
    const to = (address: string, name?: string): string => {
      return nameOf(viewOf(asked, namedPeer(new TextPeer({ address, port: 53 }), name)))
    }
    assert.strictEqual(to("192.0.2.1"), "corp")
    assert.strictEqual(to("192.0.2.1", "laptop"), "lab")
    assert.strictEqual(to("192.0.2.1", "phone"), "lab")
    assert.strictEqual(to("198.51.100.7", "phone"), "kids")
    assert.strictEqual(to("198.51.100.7", "tablet"), "common")
    assert.strictEqual(to("198.51.100.7"), "common")
    for (const wrong of ["", "-a", "a.b", "a|", "k".repeat(64)]) {
      assert.isTrue(Result.isFailure(readRule(`client_name:${wrong} -> lab`)), wrong)
    }
  })

  it("passes over a rule for its exceptions, to the next shorter one", () => {
    const to = routing("corp.example !public.corp.example !www.corp.example -> corp", "example -> lab")
    assert.strictEqual(to("a.corp.example"), "corp")
    assert.strictEqual(to("a.public.corp.example"), "lab")
    assert.strictEqual(to("www.corp.example"), "lab")
    assert.strictEqual(to("xwww.corp.example"), "corp")
  })

  it("sends a question for DS where the name above goes, for there it stands (RFC 4035 §3.1.4.1)", () => {
    const to = routing("corp.example !public.corp.example -> corp", "lab.corp.example -> lab", "example -> kids")
    const ds = (name: string): string => to(name, "192.0.2.99", 43)
    assert.strictEqual(ds("Corp.Example"), "kids")
    assert.strictEqual(ds("lab.corp.example"), "corp")
    assert.strictEqual(ds("public.corp.example"), "corp")
    assert.strictEqual(ds("example"), "common")
    // Below a rule's suffix the name above is its group's as well.
    assert.strictEqual(ds("a.corp.example"), "corp")
    assert.strictEqual(ds("a.lab.corp.example"), "lab")
    assert.strictEqual(ds("a.public.corp.example"), "kids")
    // Keys and all else stand in the zone itself.
    assert.strictEqual(to("corp.example", "192.0.2.99", 48), "corp")
    assert.strictEqual(to("corp.example", "192.0.2.99", 2), "corp")
  })

  it("sends a question for the root's DS by the rule for all names: there is nothing above", () => {
    const to = routing(". -> kids", "com -> corp")
    assert.strictEqual(to(".", "192.0.2.99", 43), "kids")
    assert.strictEqual(to("com", "192.0.2.99", 43), "kids")
  })

  it("sends DS by the client of a rule, as any other", () => {
    const to = routing("corp.example client:10.0.0.0/8 -> corp", "example client:10.0.0.0/8 -> lab", "example -> kids")
    assert.strictEqual(to("corp.example", "10.1.1.1", 43), "lab")
    assert.strictEqual(to("corp.example", "192.0.2.1", 43), "kids")
  })

  it("finds the rule of the longest names", () => {
    const deep = Array.from({ length: 126 }, () => "a").join(".")
    const to = routing(`b.${deep} -> lab`, "a -> corp")
    assert.strictEqual(to(`b.${deep}`), "lab")
    assert.strictEqual(to(`c.${deep}`), "corp")
  })

  it("tells clients apart by network, the narrowest first; a suffix beats a network alone", () => {
    const to = routing(
      "client:10.0.0.0/8 -> kids",
      "client:10.1.0.0/16 -> lab",
      "corp.example -> corp",
      "corp.example client:10.2.0.0/16 -> lab"
    )
    assert.strictEqual(to("example", "10.9.9.9"), "kids")
    assert.strictEqual(to("example", "10.1.9.9"), "lab")
    assert.strictEqual(to("example", "192.0.2.1"), "common")
    assert.strictEqual(to("a.corp.example", "10.1.9.9"), "corp")
    assert.strictEqual(to("a.corp.example", "10.2.9.9"), "lab")
  })
})

const from =
  (data: string): WireBehaviour =>
  (asked, transport, count) =>
    addressRecord(data)(packet.decode(asked), transport, count)

describe("groups", () => {
  it.effect("are not asked for the DS of their rule's suffix, and what the others say is kept apart", () =>
    Effect.gen(function* () {
      const upstreams: ReadonlyArray<MemoryUpstream> = ["192.0.2.1", "192.0.2.2"].map((data) => ({
        behaviour: from(data),
        queries: 0
      }))
      const server = yield* memoryServer(
        {
          DNS_SERVER_UPSTREAMS: address(0),
          DNS_SERVER_GROUPS: `corp=${address(1)}`,
          DNS_SERVER_RULES: "corp.example -> corp"
        },
        upstreams
      )
      yield* server.ask({ name: "CORP.example", type: "DS", edns: { flags: packet.DNSSEC_OK } })
      assert.deepStrictEqual(
        upstreams.map(({ queries }) => queries),
        [1, 0]
      )
      yield* server.ask({ name: "corp.example", type: "DNSKEY" })
      yield* server.ask({ name: "a.corp.example", type: "DS" })
      assert.deepStrictEqual(
        upstreams.map(({ queries }) => queries),
        [1, 2]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("are asked by rule, and an answer for one is never given for another", () =>
    Effect.gen(function* () {
      const upstreams: ReadonlyArray<MemoryUpstream> = ["192.0.2.1", "192.0.2.2"].map((data) => ({
        behaviour: from(data),
        queries: 0
      }))
      const server = yield* memoryServer(
        {
          DNS_SERVER_UPSTREAMS: address(0),
          DNS_SERVER_GROUPS: `corp=${address(1)} policy=ordered`,
          DNS_SERVER_RULES: "corp.example !public.corp.example -> corp"
        },
        upstreams
      )
      const addresses = (name: string) => Effect.map(server.ask({ name }), ({ answer }) => addressesOf(answer))
      for (let times = 0; times < 2; times++) {
        assert.deepStrictEqual(yield* addresses("a.corp.example"), ["192.0.2.2"])
        assert.deepStrictEqual(yield* addresses("a.public.corp.example"), ["192.0.2.1"])
        assert.deepStrictEqual(yield* addresses("elsewhere.test"), ["192.0.2.1"])
      }
      assert.strictEqual(server.counters.read("cache.hits"), 3)
    }).pipe(Effect.scoped)
  )
})
