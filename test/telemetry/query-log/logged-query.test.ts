import { assert, describe, it } from "@effect/vitest"
import { jsonLine } from "../../../src/telemetry/query-log/json-line.ts"
import { formsOf } from "../../../src/telemetry/query-log/logged-client.ts"
import { queryOutcomes } from "../../../src/telemetry/query-outcome.ts"
import type { RecentQuery } from "../../../src/telemetry/recent-queries/ring.ts"
import { KEY, loggedOf, queriesBy, recentOf } from "../../support/servers/logged.ts"
import { settingsOf } from "../../support/servers/settings.ts"
import { wireName } from "../../support/wire/messages.ts"

type Given = Parameters<typeof recentOf>[0]

const IPV6: Pick<RecentQuery, "address" | "isIPv4"> = {
  address: [0x20010db8, 0x00010203, 0x04050607, 0x08090a0b],
  isIPv4: false
}

describe("a query in the log", () => {
  it("is one line of JSON with what is known of it", () => {
    assert.deepStrictEqual(JSON.parse(jsonLine(loggedOf({ named: "WWW.Example.test", type: 28 }))), {
      time: "2026-01-02T03:04:05.678Z",
      ms: 0.5,
      client: "192.0.2.7",
      port: 5353,
      protocol: "udp",
      name: "www.example.test",
      type: "AAAA",
      outcome: "hit",
      rcode: "NOERROR",
      size: 50,
      worker: 1
    })
  })

  it("says what was tried upstream, and why it failed", () => {
    const line = jsonLine(
      loggedOf({
        outcome: "miss",
        rcode: 2,
        isCoalesced: true,
        isShared: true,
        error: 'no "good"\nanswer',
        attempts: [{ upstream: 3, transport: "tcp", outcome: "timeout", rcode: -1, startedMs: 1, endedMs: 20.12345 }]
      })
    )
    assert.notInclude(line, "\n")
    const { attempts, error, coalesced, shared, rcode } = JSON.parse(line)
    assert.deepStrictEqual(attempts, [
      { upstream: "upstream 3", transport: "tcp", outcome: "timeout", from_ms: 1, to_ms: 20.123 }
    ])
    assert.deepStrictEqual([error, coalesced, shared, rcode], ['no "good"\nanswer', true, true, "SERVFAIL"])
  })

  it("leaves out what there was not: a question, a reply", () => {
    const line = JSON.parse(jsonLine(loggedOf({ name: new Uint8Array(0), outcome: "denied", rcode: -1, replySize: 0 })))
    assert.notProperty(line, "name")
    assert.notProperty(line, "type")
    assert.notProperty(line, "rcode")
  })

  it("shows that a name was cut", () => {
    const long = wireName(Array(4).fill("x".repeat(60)).join("."))
    assert.match(loggedOf({ name: long.subarray(0, 192) }).name, /^x{60}\.x{60}\.x{60}\.x+…$/)
  })
})

describe("a client in the log", () => {
  const clientOf = (clients: "full" | "truncated" | "hashed" | "none", given: Given = {}) => {
    const { client, port, address } = queriesBy({ clients }).of(recentOf(given), 1)!
    return { client, port, octets: [...address] }
  }

  it("stands as it is", () => {
    assert.deepStrictEqual(clientOf("full"), { client: "192.0.2.7", port: 5353, octets: [192, 0, 2, 7] })
    assert.strictEqual(clientOf("full", IPV6).client, "2001:db8:1:203:405:607:809:a0b")
  })

  it("stands as its network, without a port: /24, or /56", () => {
    assert.deepStrictEqual(clientOf("truncated"), { client: "192.0.2.0/24", port: 0, octets: [192, 0, 2, 0] })
    assert.strictEqual(clientOf("truncated", IPV6).client, "2001:db8:1:200::/56")
  })

  it("stands as a hash that is the same for the same client, by a key that is not known", () => {
    const { client, port } = clientOf("hashed")
    assert.match(client, /^100::[0-9a-f:]+$/)
    assert.strictEqual(port, 0)
    assert.strictEqual(clientOf("hashed", { port: 1 }).client, client)
    assert.notStrictEqual(clientOf("hashed", { address: [0, 0, 0, 0xc0000208] }).client, client)
    assert.notStrictEqual(formsOf("192.0.2.7", new Uint8Array(32))[2], client)
  })

  it("stands with what it calls itself only where it stands as it is", () => {
    const nameOf = (clients: "full" | "truncated" | "hashed" | "none") =>
      queriesBy({ clients }).of(recentOf({ clientName: "laptop" }), 1)!.clientName
    assert.deepStrictEqual((["full", "truncated", "hashed", "none"] as const).map(nameOf), ["laptop", "", "", ""])
  })

  it("does not stand there at all", () => {
    assert.deepStrictEqual(clientOf("none"), { client: "", port: 0, octets: [] })
  })

  it("is found by its address in whatever form it stands", () => {
    const forms = formsOf("192.0.2.7", KEY)
    for (const form of ["full", "truncated", "hashed"] as const) assert.include(forms, clientOf(form).client)
    assert.include(formsOf("2001:DB8:1:203:405:607:809:A0B", KEY), clientOf("full", IPV6).client)
    assert.deepStrictEqual(formsOf("100::/64", KEY), ["100::/64"])
  })
})

describe("the query log's filter", () => {
  const isLogged = (plan: Parameters<typeof queriesBy>[0], given: Given): boolean =>
    queriesBy(plan).of(recentOf(given), 1) !== undefined

  it("takes what has come of a query", () => {
    assert.isTrue(isLogged({ only: ["miss", "stale"] }, { outcome: "stale" }))
    assert.isFalse(isLogged({ only: ["miss", "stale"] }, { outcome: "hit" }))
  })

  it("can be told to take each of the outcomes that there are", () => {
    for (const outcome of queryOutcomes) {
      const { queryLogOnly: only } = settingsOf({ DNS_SERVER_QUERY_LOG_ONLY: outcome })
      assert.deepStrictEqual(only, [outcome])
      assert.isTrue(isLogged({ only }, { outcome, rcode: 0 }))
    }
  })

  it("takes those that failed, however they did", () => {
    for (const outcome of ["miss", "failure"] as const)
      assert.isTrue(isLogged({ only: ["failed"] }, { outcome, rcode: 2 }))
    assert.isFalse(isLogged({ only: ["failed"] }, { outcome: "miss", rcode: 3 }))
  })

  it("takes slow ones, from the time on that counts as slow", () => {
    assert.isTrue(isLogged({ only: ["slow"], slowFrom: 20 }, { durationMs: 20 }))
    assert.isFalse(isLogged({ only: ["slow"], slowFrom: 20 }, { durationMs: 19.9 }))
  })

  it("takes names at and below those that are named, letters in either case", () => {
    const names = [wireName("example.test"), wireName("b")]
    for (const named of ["example.test", "a.b.EXAMPLE.test", "b"]) assert.isTrue(isLogged({ names }, { named }), named)
    for (const named of ["badexample.test", "test", "bb", "."]) assert.isFalse(isLogged({ names }, { named }), named)
    assert.isTrue(isLogged({ names: [wireName(".")] }, { named: "x.test" }))
  })

  it("takes a share of them", () => {
    const queries = queriesBy({ sample: 0.25 })
    const taken = Array.from({ length: 10_000 }, () => queries.of(recentOf(), 1)).filter((query) => query !== undefined)
    assert.isAbove(taken.length, 2_000)
    assert.isBelow(taken.length, 3_000)
    assert.isFalse(isLogged({ sample: 0 }, {}))
  })
})
