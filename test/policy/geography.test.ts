import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import { continentOf, countryOf, geoLiteFile, publicAddress } from "../support/external/geolite.ts"
import { addressesOf } from "../support/servers/server.ts"
import { address, type MemoryUpstream, memoryServer } from "../support/servers/timed-server.ts"
import { address as addressRecord, type WireBehaviour } from "../support/upstreams/fake-upstream.ts"
import { telling } from "../support/wire/client-subnet.ts"
import { seeded } from "../support/wire/messages.ts"
import { city, geoDatabase } from "../support/wire/mmdb.ts"

const from =
  (data: string): WireBehaviour =>
  (asked, transport, count) =>
    addressRecord(data)(packet.decode(asked), transport, count)

const COMMON = "192.0.2.1"
const GERMAN = "192.0.2.2"
const AMERICAN = "192.0.2.3"
const EUROPEAN = "192.0.2.4"

/** The group that the database itself says. */
const groupFor = (client: string): string => {
  const country = countryOf(client)
  if (country === "DE" || country === "AT") return GERMAN
  if (country === "US") return AMERICAN
  return continentOf(client) === "EU" ? EUROPEAN : COMMON
}

const serverByPlace = Effect.suspend(() => {
  const upstreams: ReadonlyArray<MemoryUpstream> = [COMMON, GERMAN, AMERICAN, EUROPEAN].map((data) => ({
    behaviour: from(data),
    queries: 0
  }))
  return memoryServer(
    {
      DNS_SERVER_ALLOW: "0.0.0.0/0,::/0",
      DNS_SERVER_UPSTREAMS: address(0),
      DNS_SERVER_GROUPS: `german=${address(1)},american=${address(2)},european=${address(3)}`,
      DNS_SERVER_RULES:
        "country:DE|AT -> german, continent:EU -> european, country:US -> american, plain.example !by.plain.example client:0.0.0.0/0 -> american, plain.example client:::/0 -> american",
      DNS_SERVER_GEO_DATABASE: geoLiteFile(),
      DNS_SERVER_ECS_TRUST: "127.0.0.0/8"
    },
    upstreams
  )
})

/** Of all groups alike: most addresses are in one country. */
const clients = (count: number): ReadonlyArray<string> => {
  const random = seeded(5)
  const chosen = new Map<string, Array<string>>()
  while ([...chosen.values()].flat().length < count) {
    const client = publicAddress(random)
    const group = groupFor(client)
    const so = chosen.get(group) ?? []
    if (so.length < count / 4) chosen.set(group, [...so, client])
  }
  return [...chosen.values()].flat()
}

describe("a client's place", () => {
  it.effect("moves it to the group that the database says", () =>
    Effect.gen(function* () {
      const server = yield* serverByPlace
      for (const client of clients(200)) {
        // Of few names, so that most are answered from the cache: that of the group.
        const { answer } = yield* server.ask({ name: `n${client.length}.example`, from: client })
        assert.deepStrictEqual(addressesOf(answer), [groupFor(client)], client)
      }
      assert.isAbove(server.counters.read("cache.hits"), 100)
    }).pipe(Effect.scoped)
  )

  it.effect("is that of the network which a trusted client speaks for, and of nobody else's word", () =>
    Effect.gen(function* () {
      const server = yield* serverByPlace
      for (const client of clients(100)) {
        const edns = telling(client, 32)
        const trusted = yield* server.ask({ name: "ecs.example", edns, from: "127.0.0.9" })
        assert.deepStrictEqual(addressesOf(trusted.answer), [groupFor(client)], client)
        const other = yield* server.ask({ name: "ecs.example", edns, from: "10.1.2.3" })
        assert.deepStrictEqual(addressesOf(other.answer), [COMMON], client)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("counts less than a suffix, and no more where the network of a rule is narrower", () =>
    Effect.gen(function* () {
      const server = yield* serverByPlace
      const german = clients(200).find((client) => countryOf(client) === "DE")!
      const of = (name: string) =>
        Effect.map(server.ask({ name, from: german }), ({ answer }) => addressesOf(answer)[0])
      assert.strictEqual(yield* of("www.plain.example"), AMERICAN)
      assert.strictEqual(yield* of("by.plain.example"), GERMAN)
    }).pipe(Effect.scoped)
  )
})

describe("the policy geo", () => {
  it.effect("asks the upstream that is nearest to the client, or to the network that it speaks for", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "strand-spots-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      const file = join(folder, "cities.mmdb")
      writeFileSync(
        file,
        geoDatabase({
          "8.0.0.0/8": city("US", "NA", 39.7, -105),
          "9.0.0.0/8": city("AT", "EU", 48.2, 16.4),
          "127.0.0.0/8": city("JP", "AS", 35.7, 139.7)
        })
      )
      const upstreams = [COMMON, GERMAN, AMERICAN].map((data) => ({ behaviour: from(data), queries: 0 }))
      const server = yield* memoryServer(
        {
          DNS_SERVER_ALLOW: "0.0.0.0/0",
          DNS_SERVER_UPSTREAM_POLICY: "geo",
          // The first is where its address is, in Tokyo.
          DNS_SERVER_UPSTREAMS: `${address(0)},${address(1)}@52.5/13.4,${address(2)}*3@40.7/-74`,
          DNS_SERVER_GEO_DATABASE: file,
          DNS_SERVER_ECS_TRUST: "127.0.0.0/8"
        },
        upstreams
      )
      const of = (name: string, client: string, edns = {}) =>
        Effect.map(server.ask({ name, from: client, edns }), ({ answer }) => addressesOf(answer)[0])
      assert.strictEqual(yield* of("a.example", "8.1.1.1"), AMERICAN)
      assert.strictEqual(yield* of("b.example", "9.1.1.1"), GERMAN)
      assert.strictEqual(yield* of("c.example", "127.0.0.1"), COMMON)
      assert.strictEqual(yield* of("d.example", "127.0.0.1", telling("9.9.0.0", 16)), GERMAN)
      // What is kept is everybody's: the upstreams of a group see one world.
      assert.strictEqual(yield* of("a.example", "9.1.1.1"), AMERICAN)
    }).pipe(Effect.scoped)
  )
})
