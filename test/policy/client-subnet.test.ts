import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import { publicAddress } from "../support/external/geolite.ts"
import { rcodeOf } from "../support/servers/server.ts"
import { address, memoryServer } from "../support/servers/timed-server.ts"
import { nameOf, reply, type WireBehaviour } from "../support/upstreams/fake-upstream.ts"
import { type SubnetOption, subnetIn, telling, tellingBack, toldIn } from "../support/wire/client-subnet.ts"
import { seeded } from "../support/wire/messages.ts"

const serverBefore = (behaviour: WireBehaviour, settings: Record<string, string> = {}) =>
  memoryServer(
    {
      DNS_SERVER_ALLOW: "0.0.0.0/0,::/0",
      DNS_SERVER_GROUPS: `told=${address(0)}`,
      DNS_SERVER_RULES: "told.example -> told ecs, short.example -> told ecs=16/48, untold.example -> told",
      DNS_SERVER_ECS_TRUST: "127.0.0.0/8",
      ...settings
    },
    [{ behaviour, queries: 0 }]
  )

const hex = (ipv4: string, octets: number): string =>
  ipv4
    .split(".")
    .slice(0, octets)
    .map((octet) => Number(octet).toString(16).padStart(2, "0"))
    .join("")

describe("EDNS Client Subnet to upstreams", () => {
  it.effect("tells them so much of the address as the rule says, and nobody else anything (RFC 7871 §11.1)", () =>
    Effect.gen(function* () {
      const seen: Array<SubnetOption | undefined> = []
      const server = yield* serverBefore(tellingBack(seen, ({ source }) => source))
      const ask = (name: string, from: string, edns = {}) => server.ask({ name, type: "TXT", from, edns })
      const v4 = "8.9.10.11"
      yield* ask("a.told.example", v4)
      yield* ask("a.short.example", v4)
      yield* ask("a.told.example", "2a00:1450:4001:0830::200e")
      yield* ask("a.untold.example", v4)
      yield* ask("elsewhere.example", v4, telling("8.8.8.0", 24))
      assert.deepStrictEqual(seen, [
        { family: 1, source: 24, scope: 0, address: "08090a" },
        { family: 1, source: 16, scope: 0, address: "0809" },
        { family: 2, source: 56, scope: 0, address: "2a001450400108" },
        undefined,
        undefined
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("tells nothing of private clients, and of those that do not want it that they do not (§7.1.2)", () =>
    Effect.gen(function* () {
      const seen: Array<SubnetOption | undefined> = []
      const server = yield* serverBefore(tellingBack(seen, ({ source }) => source))
      const ask = (from: string, edns = {}) => server.ask({ name: "b.told.example", type: "TXT", from, edns })
      for (const from of ["127.0.0.1", "192.168.7.7", "fd00::7"]) yield* ask(from)
      assert.deepStrictEqual(seen, [undefined])
      const { answer } = yield* ask("8.8.8.8", telling("0.0.0.0", 0))
      assert.deepStrictEqual(seen[1], { family: 1, source: 0, scope: 0, address: "" })
      assert.deepStrictEqual(subnetIn(answer), { family: 1, source: 0, scope: 0, address: "" })
      // What those are given who are not told of is nobody else's.
      assert.strictEqual(toldIn((yield* ask("8.8.8.8")).answer), "1:080808/24")
      assert.strictEqual(toldIn((yield* ask("8.8.8.8", telling("0.0.0.0", 0))).answer), "1:/0")
      assert.strictEqual(toldIn((yield* ask("192.168.7.8")).answer), "-")
      assert.strictEqual(seen.length, 3)
    }).pipe(Effect.scoped)
  )

  it.effect("takes a trusted client's word for others, cut to the rule's length, and its shorter one as it is", () =>
    Effect.gen(function* () {
      const seen: Array<SubnetOption | undefined> = []
      const server = yield* serverBefore(tellingBack(seen, ({ source }) => source))
      const ask = (from: string, edns: ReturnType<typeof telling>) =>
        Effect.map(server.ask({ name: "c.told.example", type: "TXT", from, edns }), ({ answer }) => answer)
      const exact = yield* ask("127.0.0.5", telling("8.8.9.77", 32))
      assert.strictEqual(toldIn(exact), "1:080809/24")
      assert.deepStrictEqual(subnetIn(exact), { family: 1, source: 32, scope: 24, address: "0808094d" })
      assert.strictEqual(toldIn(yield* ask("127.0.0.5", telling("8.8.0.0", 14))), "1:0808/14")
      // A stranger's word counts for networks that hold it.
      const stranger = yield* ask("9.9.9.9", telling("8.8.10.0", 24))
      assert.strictEqual(toldIn(stranger), "1:090909/24")
      assert.isUndefined(subnetIn(stranger))
      assert.strictEqual(toldIn(yield* ask("9.9.9.9", telling("9.9.0.0", 16))), "1:0909/16")
    }).pipe(Effect.scoped)
  )

  it.effect("takes an option that is not well-formed for none", () =>
    Effect.gen(function* () {
      const server = yield* serverBefore(tellingBack([], ({ source }) => source))
      for (const data of ["", "0001", "00011800080808ff", "0003180008", "0001170008080b", "00012100080808"]) {
        const edns = { options: [{ code: 8, data: Buffer.from(data, "hex") }] } as never
        const { answer } = yield* server.ask({ name: "d.told.example", type: "TXT", from: "9.9.9.9", edns })
        assert.strictEqual(toldIn(answer), "1:090909/24")
        assert.isUndefined(subnetIn(answer))
      }
    }).pipe(Effect.scoped)
  )

  it.effect("drops an answer for another network, and asks again (§7.3)", () =>
    Effect.gen(function* () {
      for (const change of [
        (option: SubnetOption) => ({ ...option, address: "080809" }),
        (option: SubnetOption) => ({ ...option, source: 16, address: "0808" }),
        (option: SubnetOption) => ({ ...option, family: 2 }),
        (option: SubnetOption) => ({ ...option, scope: 33 })
      ]) {
        let times = 0
        const server = yield* serverBefore(
          tellingBack(
            [],
            ({ source }) => source,
            (option) => (++times === 1 ? change(option) : option)
          )
        )
        const { answer } = yield* server.ask({ name: "e.told.example", type: "TXT", from: "8.8.8.8" })
        assert.strictEqual(toldIn(answer), "1:080808/24")
        assert.strictEqual(times, 2)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("asks without it where it is refused, and gives what comes to that network alone (§7.3)", () =>
    Effect.gen(function* () {
      let queries = 0
      const inner = tellingBack([], () => undefined)
      const server = yield* serverBefore((query, transport, count) => {
        queries++
        const asked = packet.decode(query)
        return subnetIn(asked) === undefined ? inner(query, transport, count) : [{ reply: reply(asked, { rcode: 5 }) }]
      })
      for (let times = 1; times <= 2; times++) {
        for (const from of ["8.8.8.8", "9.9.9.9"]) {
          const { answer } = yield* server.ask({ name: "f.told.example", type: "TXT", from })
          assert.strictEqual(rcodeOf(answer), "NOERROR")
          assert.strictEqual(toldIn(answer), "-")
        }
        assert.strictEqual(queries, 4)
      }
    }).pipe(Effect.scoped)
  )
})

describe("answers by client network", () => {
  it.effect("are shared by those in their scope and by nobody else, whatever scopes an upstream gives (§7.3.1)", () =>
    Effect.gen(function* () {
      const random = seeded(11)
      // By the network, so that overlapping ones differ.
      const scopeOf = ({ address: told }: SubnetOption): number => [8, 16, 20, 24, 32][Number.parseInt(told, 16) % 5]!
      const server = yield* serverBefore(tellingBack([], scopeOf))
      for (let step = 0; step < 1_500; step++) {
        const octets = publicAddress(random).split(".").map(Number)
        // Few networks, so that they are asked for again.
        const client = `${8 + (octets[0]! % 2)}.${octets[1]! % 3}.${(octets[2]! % 4) * 16 + (octets[3]! % 2)}.${octets[3]}`
        const direct = random(2) === 0
        const { answer } = yield* server.ask({
          name: `n${random(3)}.told.example`,
          type: "TXT",
          from: direct ? client : "127.0.0.1",
          ...(direct ? {} : { edns: telling(client, 24) })
        })
        const [, told = "", source = ""] = /^1:([0-9a-f]*)\/(\d+)$/.exec(toldIn(answer)) ?? []
        const scope = Math.min(scopeOf({ family: 1, source: 24, scope: 0, address: told }), Number(source))
        const bits = (text: string): string => Number.parseInt(text, 16).toString(2).padStart(24, "0").slice(0, scope)
        assert.strictEqual(bits(told), bits(hex(client, 3)), `${client} was given the answer to ${told}/${source}`)
      }
      assert.isAbove(server.counters.read("cache.hits"), 500)
    }).pipe(Effect.scoped)
  )

  it.effect("of scope 0 are everybody's", () =>
    Effect.gen(function* () {
      const seen: Array<SubnetOption | undefined> = []
      const server = yield* serverBefore(tellingBack(seen, () => 0))
      for (const from of ["8.8.8.8", "9.9.9.9", "192.168.1.1", "2a00::1"]) {
        const { answer } = yield* server.ask({ name: "g.told.example", type: "TXT", from })
        assert.strictEqual(toldIn(answer), "1:080808/24")
      }
      assert.strictEqual(seen.length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "that say no scope are the asking network's alone, from an upstream that says scopes (RFC 7871 §7.2.1)",
    () =>
      Effect.gen(function* () {
        // A forger who does not see the question, or a server that has lost the option: both look like this.
        const server = yield* serverBefore((query, ...rest) => {
          const isBare = nameOf(packet.decode(query)).startsWith("bare")
          return tellingBack([], ({ source }) => (isBare ? undefined : source))(query, ...rest)
        })
        const ask = (name: string, from: string) =>
          Effect.map(server.ask({ name: `${name}.told.example`, type: "TXT", from }), ({ answer }) => toldIn(answer))
        yield* ask("whole", "8.8.8.8")
        for (let i = 0; i < 30; i++) yield* ask(`bare${i}`, "8.8.8.8")
        for (let i = 0; i < 30; i++) assert.strictEqual(yield* ask(`bare${i}`, "9.9.9.9"), "1:090909/24")
        for (const from of ["8.8.8.8", "8.8.8.9"]) assert.strictEqual(yield* ask("bare7", from), "1:080808/24")
        assert.strictEqual(server.counters.read("cache.hits"), 2)
      }).pipe(Effect.scoped)
  )

  it.effect("that say no scope are everybody's when the upstream has never said one, and no longer when it does", () =>
    Effect.gen(function* () {
      let knows = false
      const server = yield* serverBefore(tellingBack([], ({ source }) => (knows ? source : undefined)))
      const ask = (name: string, from: string) =>
        Effect.map(server.ask({ name: `${name}.told.example`, type: "TXT", from }), ({ answer }) => toldIn(answer))
      for (let i = 0; i < 4; i++) {
        assert.strictEqual(yield* ask(`n${i}`, "8.8.8.8"), "1:080808/24")
        assert.strictEqual(yield* ask(`n${i}`, "9.9.9.9"), "1:090909/24", "not concluded from so few")
      }
      for (let i = 4; i < 6; i++) yield* ask(`n${i}`, "8.8.8.8")
      yield* ask("common", "8.8.8.8")
      for (const from of ["9.9.9.9", "2a00::1"]) assert.strictEqual(yield* ask("common", from), "1:080808/24")
      knows = true
      yield* ask("scoped", "8.8.8.8")
      knows = false
      yield* ask("after", "8.8.8.8")
      assert.strictEqual(yield* ask("after", "9.9.9.9"), "1:090909/24")
    }).pipe(Effect.scoped)
  )

  it.effect("that are errors, or for those who are not told of, say nothing of whether an upstream knows scopes", () =>
    Effect.gen(function* () {
      const server = yield* serverBefore(
        (query, transport, count) => {
          const asked = packet.decode(query)
          if (asked.questions![0]!.name.startsWith("error")) return [{ reply: reply(asked, { rcode: 9 }) }]
          return tellingBack([], () => undefined)(query, transport, count)
        },
        { DNS_SERVER_FAILOVER_RCODES: "SERVFAIL" }
      )
      const ask = (name: string, from: string, edns = {}) =>
        Effect.map(server.ask({ name: `${name}.told.example`, type: "TXT", from, edns }), ({ answer }) => answer)
      for (let i = 0; i < 20; i++) {
        yield* ask(`error${i}`, "8.8.8.8")
        yield* ask(`out${i}`, "8.8.8.8", telling("0.0.0.0", 0))
        yield* ask(`private${i}`, "10.0.0.1")
      }
      yield* ask("k", "8.8.8.8")
      assert.strictEqual(toldIn(yield* ask("k", "9.9.9.9")), "1:090909/24")
    }).pipe(Effect.scoped)
  )

  it.effect("are asked for each by itself when they are asked for at once", () =>
    Effect.gen(function* () {
      const seen: Array<SubnetOption | undefined> = []
      const inner = tellingBack(seen, ({ source }) => source)
      const server = yield* serverBefore((...args) => inner(...args).map((reaction) => ({ ...reaction, delayMs: 50 })))
      const clients = ["8.8.8.1", "8.8.8.2", "9.9.9.1", "9.9.9.2", "8.8.9.1"]
      const waiting = yield* Effect.forEach(clients, (from) =>
        server.send({ name: "h.told.example", type: "TXT", from })
      )
      yield* server.pass(100)
      assert.deepStrictEqual(
        waiting.map(({ got }) => toldIn(got()!)),
        ["1:080808/24", "1:080808/24", "1:090909/24", "1:090909/24", "1:080809/24"]
      )
      assert.strictEqual(seen.length, 3)
    }).pipe(Effect.scoped)
  )

  it.effect("are asked for by four networks at once; the others wait their turn, and look for an answer first", () =>
    Effect.gen(function* () {
      for (const [scope, asked] of [
        [24, 40],
        [0, 4],
        [8, 4]
      ] as const) {
        const inner = tellingBack([], () => scope)
        const server = yield* serverBefore((...args) =>
          inner(...args).map((reaction) => ({ ...reaction, delayMs: 20 }))
        )
        const waiting = yield* Effect.forEach(
          Array.from({ length: 40 }, (_, i) => `8.8.${i}.1`),
          (from) => server.send({ name: "many.told.example", type: "TXT", from })
        )
        yield* server.pass(600)
        for (const [i, { got }] of waiting.entries()) {
          const told = toldIn(got()!)
          if (scope === 24) assert.strictEqual(told, `1:0808${i.toString(16).padStart(2, "0")}/24`)
          else assert.match(told, /^1:08080[0-3]\/24$/)
        }
        assert.strictEqual(server.counters.read("upstream.attempts"), asked)
        assert.strictEqual(server.counters.read("upstream.queued"), 36)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("past their life go to their own network when upstreams are silent, and to no other", () =>
    Effect.gen(function* () {
      const inner = tellingBack([], ({ source }) => source)
      let isSilent = false
      const server = yield* serverBefore((...args) => (isSilent ? [] : inner(...args)), {
        DNS_SERVER_CACHE_MAX_TTL_SECS: "5"
      })
      const ask = (from: string) => server.ask({ name: "i.told.example", type: "TXT", from })
      yield* ask("8.8.8.8")
      isSilent = true
      yield* server.pass(6_000)
      assert.strictEqual(toldIn((yield* ask("8.8.8.9")).answer), "1:080808/24")
      assert.strictEqual(rcodeOf((yield* ask("9.9.9.9")).answer), "SERVFAIL")
    }).pipe(Effect.scoped)
  )

  it.effect("of a network for which it failed are asked for another one", () =>
    Effect.gen(function* () {
      const inner = tellingBack([], ({ source }) => source)
      const server = yield* serverBefore((query, transport, count) => {
        const asked = packet.decode(query)
        // Without the option it fails too, as it may be asked by a later attempt.
        const fails = subnetIn(asked)?.address !== "090909"
        return fails ? [{ reply: reply(asked, { rcode: 2 }) }] : inner(query, transport, count)
      })
      const ask = (from: string) => server.ask({ name: "j.told.example", type: "TXT", from })
      assert.strictEqual(rcodeOf((yield* ask("8.8.8.8")).answer), "SERVFAIL")
      assert.strictEqual(rcodeOf((yield* ask("9.9.9.9")).answer), "NOERROR")
    }).pipe(Effect.scoped)
  )
})
