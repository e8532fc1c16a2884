/**
 * RFC 2308: Negative caching of DNS queries. A forwarder tells NXDOMAIN and NODATA from referrals and errors, gives the
 * SOA on, and keeps the answer for as long as that SOA says and no longer. Failures, which §7 speaks of, are in RFC 9520.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Answer } from "dns-packet"
import { Effect } from "effect"
import { MemoryNetwork } from "../support/servers/memory-network.ts"
import { memoryServer, pass, upstreamAt } from "../support/servers/memory-server.ts"
import { rcodeOf, startServer } from "../support/servers/server.ts"
import { wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { octets, record, withPointer } from "../support/wire/messages.ts"
import { always, asking, askRead, here, NOERROR, NXDOMAIN, oneAddress, soa, ttlsOf, typeIn } from "./responses.ts"
import { serve } from "./ways.ts"

const WWW = "www.example.test"
const ALIAS = octets([5, 0x61, 0x6c, 0x69, 0x61, 0x73], here)
/** Where `example.test` stands in a message about `WWW`. */
const EXAMPLE_AT = 16
const nameServer = record(withPointer("", EXAMPLE_AT), 2, 300, withPointer("ns", EXAMPLE_AT))
const SECOND = 1_000

const soaRecord = (ttl: number, minimum: number): Answer => ({
  name: "example.test",
  type: "SOA",
  ttl,
  data: { mname: "ns.test", rname: "host.test", serial: 1, refresh: 1, retry: 1, expire: 1, minimum }
})

/** What is given of an answer that is to live for so long: at first, a second before its end, and nothing at its end. */
const lifeOf = (
  answer: Parameters<Effect.Success<ReturnType<typeof upstreamAt>>["asked"][number]["answer"]>[0],
  seconds: number,
  settings: Record<string, string> = {}
) =>
  Effect.gen(function* () {
    const network = new MemoryNetwork()
    const upstream = yield* upstreamAt(network, 1)
    const server = yield* memoryServer(network, [1], { DNS_SERVER_ACTOR_POOL_SIZE: "1", ...settings })
    yield* server.ask(WWW)
    yield* upstream.asked[0]!.answer(answer)
    yield* pass((seconds - 1) * SECOND)
    yield* server.ask(WWW)
    assert.strictEqual(upstream.asked.length, 1, `kept for ${seconds} s`)
    yield* pass(SECOND)
    yield* server.ask(WWW)
    assert.strictEqual(upstream.asked.length, 2, `no longer than ${seconds} s`)
    return server.answers()
  })

describe("RFC 2308: negative caching of DNS queries", () => {
  /** What stands in the authority section, and whether the answer may be kept. */
  const kinds = {
    "SOA and NS (type 1)": [[soa(300), nameServer], true],
    "SOA alone (type 2)": [[soa(300)], true],
    "nothing (type 3)": [[], false],
    "NS alone (type 4)": [[nameServer], false]
  } as const

  for (const [kind, [authorities, isKept]] of Object.entries(kinds)) {
    it.live(`§2.1, §5: NXDOMAIN with ${kind} is given as it is, and ${isKept ? "kept" : "not kept"}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(always({ flags: NXDOMAIN, authorities }))
        for (const times of [1, 2]) {
          const reply = yield* askRead(server, asking(WWW))
          assert.deepStrictEqual([reply.rcode, reply.answers.length], [3, 0])
          assert.strictEqual(upstream.queries(), isKept ? 1 : times)
        }
      })
    )
  }

  it.live("§2.1: the rcode is for the name at the end of the aliases, which come with it", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(
        always({ flags: NXDOMAIN, answers: [record(here, 5, 60, ALIAS)], authorities: [soa(300)] })
      )
      for (const _ of ["asked for", "from the cache"]) {
        const reply = yield* askRead(server, asking(WWW))
        assert.strictEqual(reply.rcode, 3)
        assert.deepStrictEqual(
          reply.answers.map(({ data, type }) => `${type} ${data}`),
          [`5 alias.${WWW}.`]
        )
      }
    })
  )

  for (const [kind, [authorities, isKept]] of Object.entries(kinds)) {
    if (kind.startsWith("NS")) continue
    it.live(`§2.2, §5: NODATA with ${kind} is given as it is, and ${isKept ? "kept" : "not kept"}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(always({ authorities }))
        for (const times of [1, 2]) {
          const reply = yield* askRead(server, asking(WWW))
          assert.deepStrictEqual([reply.rcode, reply.answers.length], [0, 0])
          assert.strictEqual(upstream.queries(), isKept ? 1 : times)
        }
      })
    )
  }

  it.live("§2.2: NOERROR with NS and without SOA is a referral, not NODATA: the next upstream is asked", () =>
    Effect.gen(function* () {
      const referring = yield* wireUpstream(always({ authorities: [nameServer] }))
      const resolving = yield* wireUpstream(oneAddress)
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: `${referring.address},${resolving.address}`,
        DNS_SERVER_UPSTREAM_POLICY: "ordered",
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "4000"
      })
      const reply = yield* askRead(server, asking(WWW))
      assert.deepStrictEqual([reply.rcode, reply.answers.length, reply.authorities.length], [0, 1, 0])
      assert.deepStrictEqual([referring.queries(), resolving.queries()], [1, 1])
    })
  )

  it.live("§2.2: where there is nobody else a referral is a failure, and never NODATA", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(always({ authorities: [nameServer] }))
      const reply = yield* askRead(server, asking(WWW))
      assert.deepStrictEqual([reply.rcode, reply.authorities.length], [2, 0])
    })
  )

  it.live("§3: the SOA comes with the answer, so that who asked may keep it too", () =>
    Effect.gen(function* () {
      for (const flags of [NOERROR, NXDOMAIN]) {
        const { server } = yield* serve(always({ flags, authorities: [soa(300, 200)] }))
        for (const _ of ["asked for", "from the cache"]) {
          const { authorities } = yield* askRead(server, asking(WWW))
          assert.deepStrictEqual(
            authorities.map(({ owner, type, ttl }) => [owner, type, ttl <= 200]),
            [[`${WWW}.`, 6, true]]
          )
        }
      }
    })
  )

  for (const [what, ttl, minimum] of [
    ["its MINIMUM where that is less", 3_000, 90],
    ["its own TTL where that is less", 90, 3_000]
  ] as const) {
    it.effect(`§3, §5: it is kept for the SOA's time: ${what}`, () =>
      Effect.gen(function* () {
        const answers = yield* lifeOf({ rcode: 3, authorities: [soaRecord(ttl, minimum)] }, 90)
        assert.deepStrictEqual(answers.map(rcodeOf), ["NXDOMAIN", "NXDOMAIN"])
        assert.deepStrictEqual(
          answers.map(({ authorities }) => ttlsOf(authorities)),
          [[90], [1]]
        )
      })
    )
  }

  it.effect("§5: NODATA is kept for the SOA's time too", () =>
    Effect.gen(function* () {
      const answers = yield* lifeOf({ authorities: [soaRecord(120, 60)] }, 60)
      assert.deepStrictEqual(
        answers.map(({ authorities }) => ttlsOf(authorities)),
        [[60], [1]]
      )
    })
  )

  it.effect("§5: behind aliases it is kept for no longer than they live", () =>
    lifeOf(
      {
        rcode: 3,
        answers: [{ name: WWW, type: "CNAME", ttl: 30, data: "alias.example.test" }],
        authorities: [soaRecord(300, 300)]
      },
      30
    )
  )

  it.effect("§5: however long the SOA says, it is kept for no longer than is configured", () =>
    lifeOf({ rcode: 3, authorities: [soaRecord(86_400, 86_400)] }, 600, {
      DNS_SERVER_CACHE_MAX_NEGATIVE_TTL_SECS: "600"
    })
  )

  it.live("§5: NODATA is for the type that was asked for, and for no other", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve((asked, ...rest) =>
        (typeIn(asked) === 28 ? always({ authorities: [soa(300)] }) : oneAddress)(asked, ...rest)
      )
      assert.strictEqual((yield* askRead(server, asking(WWW, 28))).answers.length, 0)
      assert.strictEqual((yield* askRead(server, asking(WWW, 1))).answers.length, 1)
      assert.strictEqual((yield* askRead(server, asking(WWW, 28))).answers.length, 0)
      assert.strictEqual(upstream.queries(), 2)
    })
  )

  it.effect("§5: when its time is over, what is there then is given, and the other way round", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const upstream = yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [1])
      const said = [
        { rcode: 3, authorities: [soaRecord(10, 10)] },
        { answers: [{ name: WWW, type: "A", ttl: 10, data: "192.0.2.1" } as const] },
        { authorities: [soaRecord(10, 10)] }
      ]
      for (const [i, answer] of said.entries()) {
        yield* server.ask(WWW)
        yield* upstream.asked[i]!.answer(answer)
        yield* server.ask(WWW)
        yield* pass(10 * SECOND)
      }
      assert.deepStrictEqual(
        server.answers().map((answer) => `${rcodeOf(answer)} ${answer.answers!.length}`),
        ["NXDOMAIN 0", "NXDOMAIN 0", "NOERROR 1", "NOERROR 1", "NOERROR 0", "NOERROR 0"]
      )
    })
  )
})
