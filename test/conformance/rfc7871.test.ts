/**
 * RFC 7871: Client subnet in DNS queries. A forwarder tells upstreams of a client's network where it is configured to,
 * and nobody else (§11.1); it keeps what they answer for the networks that the answer is for (§7.3.1), and tells a client
 * that named its network which these are (§7.2.2).
 */
import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import { rcodeOf } from "../support/servers/server.ts"
import { address, memoryServer } from "../support/servers/timed-server.ts"
import { reply, type WireBehaviour } from "../support/upstreams/fake-upstream.ts"
import { type SubnetOption, subnetIn, telling, tellingBack, toldIn } from "../support/wire/client-subnet.ts"

/** Names below told.example are asked for with the client's network; those from loopback may speak for others. */
const inFrontOf = (behaviour: WireBehaviour) =>
  Effect.gen(function* () {
    const server = yield* memoryServer(
      {
        DNS_SERVER_ALLOW: "0.0.0.0/0,::/0",
        DNS_SERVER_GROUPS: `told=${address(0)}`,
        DNS_SERVER_RULES: "told.example -> told ecs",
        DNS_SERVER_ECS_TRUST: "127.0.0.0/8"
      },
      [{ behaviour, queries: 0 }]
    )
    return (from: string, edns: object = {}, name = "www.told.example") =>
      Effect.map(server.ask({ name, type: "TXT", from, edns }), ({ answer }) => answer)
  })

/** What was told of each query, and an upstream that answers with this scope. */
const scoped = (scope: (told: SubnetOption) => number | undefined) => {
  const seen: Array<SubnetOption | undefined> = []
  return { seen, behaviour: tellingBack(seen, scope) }
}

describe("RFC 7871: client subnet in DNS queries", () => {
  it.effect("§11.1: nobody is told of clients by default, though they name their networks", () =>
    Effect.gen(function* () {
      const { behaviour, seen } = scoped(({ source }) => source)
      const ask = yield* inFrontOf(behaviour)
      const answer = yield* ask("8.8.8.8", telling("8.8.8.0", 24), "www.elsewhere.example")
      assert.deepStrictEqual(seen, [undefined])
      // §7.2.1: no option says that there is no support.
      assert.isUndefined(subnetIn(answer))
    })
  )

  it.effect("§7.1.1: where it is configured upstreams are told of the client's own network, cut to its prefix", () =>
    Effect.gen(function* () {
      const { behaviour, seen } = scoped(({ source }) => source)
      const ask = yield* inFrontOf(behaviour)
      yield* ask("8.9.10.11")
      yield* ask("2a00:1450:4001:0830::200e")
      assert.deepStrictEqual(seen, [
        { family: 1, source: 24, scope: 0, address: "08090a" },
        { family: 2, source: 56, scope: 0, address: "2a001450400108" }
      ])
    })
  )

  it.effect("§7.1.1: a network that a client names is cut to the prefix that is configured, and never lengthened", () =>
    Effect.gen(function* () {
      const { behaviour, seen } = scoped(({ source }) => source)
      const ask = yield* inFrontOf(behaviour)
      for (const [of, source] of [
        ["8.8.9.77", 32],
        ["8.8.10.0", 24],
        ["8.8.0.0", 14]
      ] as const) {
        yield* ask("127.0.0.5", telling(of, source))
      }
      assert.deepStrictEqual(
        seen.map((told) => `${told?.address}/${told?.source}`),
        ["080809/24", "08080a/24", "0808/14"]
      )
    })
  )

  it.effect("§6: no bit is set behind the prefix, and there are no more octets than it needs", () =>
    Effect.gen(function* () {
      const { behaviour, seen } = scoped(({ source }) => source)
      const ask = yield* inFrontOf(behaviour)
      for (const source of [9, 15, 17, 23]) {
        yield* ask("127.0.0.5", telling("9.255.255.255", source), `n${source}.told.example`)
      }
      for (const told of seen) {
        assert.strictEqual(told!.address.length / 2, Math.ceil(told!.source / 8))
        const last = Number.parseInt(told!.address.slice(-2), 16)
        assert.strictEqual(last & (0xff >> (told!.source % 8)), 0)
      }
      assert.deepStrictEqual(
        seen.map((told) => told?.source),
        [9, 15, 17, 23]
      )
    })
  )

  it.effect("§7.1.2: a client that does not want to be told of is not, and that is what upstreams are told", () =>
    Effect.gen(function* () {
      const { behaviour, seen } = scoped(({ source }) => source)
      const ask = yield* inFrontOf(behaviour)
      const answer = yield* ask("8.8.8.8", telling("0.0.0.0", 0))
      assert.deepStrictEqual(seen, [{ family: 1, source: 0, scope: 0, address: "" }])
      assert.deepStrictEqual(subnetIn(answer), { family: 1, source: 0, scope: 0, address: "" })
    })
  )

  it.effect("§7.2.2: a client that named its network gets that back, with the scope of the answer", () =>
    Effect.gen(function* () {
      const { behaviour } = scoped(() => 16)
      const ask = yield* inFrontOf(behaviour)
      for (const _ of ["asked for", "from the cache"]) {
        const answer = yield* ask("127.0.0.5", telling("8.8.9.0", 24))
        assert.deepStrictEqual(subnetIn(answer), { family: 1, source: 24, scope: 16, address: "080809" })
      }
    })
  )

  it.effect("§7.2.2: a client that named none gets none", () =>
    Effect.gen(function* () {
      const { behaviour } = scoped(() => 16)
      const ask = yield* inFrontOf(behaviour)
      for (const _ of ["asked for", "from the cache"]) assert.isUndefined(subnetIn(yield* ask("8.8.9.1")))
    })
  )

  it.effect("§7.3.1: an answer is given to the networks of its scope, and to no others", () =>
    Effect.gen(function* () {
      const { behaviour, seen } = scoped(() => 16)
      const ask = yield* inFrontOf(behaviour)
      for (const from of ["8.8.1.1", "8.8.1.9", "8.8.200.1"]) {
        assert.strictEqual(toldIn(yield* ask(from)), "1:080801/24")
      }
      assert.strictEqual(toldIn(yield* ask("8.9.1.1")), "1:080901/24")
      assert.strictEqual(toldIn(yield* ask("2a00:1450:4001:0830::200e")), "2:2a001450400108/56")
      assert.strictEqual(seen.length, 3)
    })
  )

  it.effect("§7.3.1: one of scope 0 is given to everybody", () =>
    Effect.gen(function* () {
      const { behaviour, seen } = scoped(() => 0)
      const ask = yield* inFrontOf(behaviour)
      for (const from of ["8.8.1.1", "9.9.9.9", "2a00:1450:4001:0830::200e"]) {
        assert.strictEqual(toldIn(yield* ask(from)), "1:080801/24")
      }
      assert.strictEqual(seen.length, 1)
    })
  )

  it.effect("§7.3.1: one whose scope is longer than what was told is for the network that was told", () =>
    Effect.gen(function* () {
      const { behaviour, seen } = scoped(() => 32)
      const ask = yield* inFrontOf(behaviour)
      for (const from of ["8.8.1.1", "8.8.1.77", "8.8.2.1"]) yield* ask(from)
      assert.deepStrictEqual(
        seen.map((told) => told?.address),
        ["080801", "080802"]
      )
    })
  )

  const others: Readonly<Record<string, (option: SubnetOption) => SubnetOption>> = {
    address: (option) => ({ ...option, address: "080809" }),
    "prefix length": (option) => ({ ...option, source: 16, address: "0808" }),
    family: (option) => ({ ...option, family: 2 })
  }
  for (const [what, change] of Object.entries(others)) {
    it.effect(`§7.3: an answer with another ${what} than was told is dropped`, () =>
      Effect.gen(function* () {
        let times = 0
        const behaviour = tellingBack(
          [],
          ({ source }) => source,
          (option) => (++times === 1 ? change(option) : option)
        )
        const ask = yield* inFrontOf(behaviour)
        assert.strictEqual(toldIn(yield* ask("8.8.8.8")), "1:080808/24")
        assert.strictEqual(times, 2)
      })
    )
  }

  it.effect("§7.1.3: where the option is refused it is asked again without it", () =>
    Effect.gen(function* () {
      const inner = tellingBack([], () => undefined)
      const ask = yield* inFrontOf((query, ...rest) => {
        const asked = packet.decode(query)
        return subnetIn(asked) === undefined ? inner(query, ...rest) : [{ reply: reply(asked, { rcode: 5 }) }]
      })
      const answer = yield* ask("8.8.8.8")
      assert.deepStrictEqual([rcodeOf(answer), toldIn(answer)], ["NOERROR", "-"])
    })
  )

  it.effect("§11.1: clients at private addresses are never told of", () =>
    Effect.gen(function* () {
      const { behaviour, seen } = scoped(({ source }) => source)
      const ask = yield* inFrontOf(behaviour)
      for (const from of ["192.168.7.7", "10.1.2.3", "fd00::7", "fe80::1"]) yield* ask(from)
      assert.deepStrictEqual(
        seen.filter((told) => told !== undefined),
        []
      )
    })
  )

  it.effect("§11.3: a stranger's word for a network that is not its own is not believed", () =>
    Effect.gen(function* () {
      const { behaviour, seen } = scoped(({ source }) => source)
      const ask = yield* inFrontOf(behaviour)
      const answer = yield* ask("9.9.9.9", telling("8.8.10.0", 24))
      assert.deepStrictEqual(
        seen.map((told) => told?.address),
        ["090909"]
      )
      assert.isUndefined(subnetIn(answer))
    })
  )
})
