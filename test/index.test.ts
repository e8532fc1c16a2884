import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Logger } from "effect"
import {
  beginBy,
  Configuration,
  Counters,
  formatName,
  isAtOrBelow,
  Listeners,
  layerDatagrams,
  load,
  messageFor,
  Pipeline,
  parseName,
  Query,
  Rcode,
  ResolverPool,
  type Rooms,
  readQuery,
  sendError,
  standaloneLayerWith,
  Type,
  UpstreamsFailed,
  Verdict
} from "../src/index.ts"
import { type AskOptions, addressesOf, ask, datagramsOfRun, rcodeOf } from "./support/servers/server.ts"
import { address, fakeUpstream } from "./support/upstreams/fake-upstream.ts"

/** Starts a server as an embedding program does, with rooms of its own, in front of an upstream. */
const embedded = <E1 = never, E2 = never>(rooms: Rooms<E1, E2>, settings: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const upstream = yield* fakeUpstream(address("192.0.2.1"))
    const env = {
      DNS_SERVER_LISTEN: "127.0.0.1:0",
      DNS_SERVER_UPSTREAMS: upstream.address,
      ...datagramsOfRun,
      ...settings
    }
    const { settings: loaded } = yield* Effect.provideService(
      load(undefined),
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnv({ env })
    )
    const context = yield* Layer.build(
      standaloneLayerWith(rooms).pipe(
        Layer.provide(Layer.mergeAll(Configuration.layer(loaded), layerDatagrams(loaded.datagrams), Logger.layer([])))
      )
    )
    const { listeners, counters } = yield* Effect.provideContext(
      Effect.all({ listeners: Listeners, counters: Counters }),
      context
    )
    const { port } = listeners.current()[0]!.endpoint
    return { upstream, counters, ask: (question: AskOptions) => ask(port, question) }
  })

describe("a program that embeds the server", () => {
  it.live("needs nothing but what the package exports", () =>
    Effect.gen(function* () {
      const server = yield* embedded({})
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "www.example.test" })), ["192.0.2.1"])
    })
  )

  it.live("has two servers that know nothing of each other, where each is built by itself", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* embedded({}), yield* embedded({})]
      assert.deepStrictEqual(addressesOf(yield* one.ask({ name: "www.example.test" })), ["192.0.2.1"])
      assert.deepStrictEqual(addressesOf(yield* other.ask({ name: "www.example.test" })), ["192.0.2.1"])
      assert.deepStrictEqual([one.upstream.queries(), other.upstream.queries()], [1, 1])
      assert.deepStrictEqual(
        [one, other].map(({ counters }) => counters.read("queries.udp")),
        [1, 1]
      )
    })
  )

  it.live("puts a step before the cache, which sees each query and answers those that it wants to", () =>
    Effect.gen(function* () {
      let seen = 0
      const guarded = Layer.effect(
        Pipeline,
        Effect.map(Pipeline, (inner) => {
          const query = new Query()
          return Pipeline.of({
            ...inner,
            handle: (packet) => {
              const goOn = inner.handle(packet)
              return Effect.suspend(() => {
                seen++
                if (readQuery(query, packet.wire, packet.length) !== Verdict.Accept) return goOn
                const name = formatName(packet.wire.subarray(12, 12 + query.nameLength))
                if (name.toLowerCase() !== "ads.example.test") return goOn
                return Effect.sync(() => sendError(packet, query, Rcode.Refused))
              })
            }
          })
        })
      ).pipe(Layer.provide(Pipeline.layer))
      const server = yield* embedded({ pipeline: guarded })
      for (const tcp of [false, true]) {
        assert.strictEqual(rcodeOf(yield* server.ask({ name: "Ads.example.test", tcp })), "REFUSED")
        assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "www.example.test", tcp })), ["192.0.2.1"])
      }
      assert.deepStrictEqual([seen, server.upstream.queries()], [4, 1])
    })
  )

  it.live("puts a step around the upstreams, which sees only what is not kept", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const zone = parseName("corp.test")!
      const step = Layer.effect(
        ResolverPool,
        Effect.gen(function* () {
          const upstreams = yield* ResolverPool
          const own = yield* beginBy((question) =>
            Effect.succeed(
              messageFor(question, [{ type: Type.A, ttlSeconds: 60, data: Uint8Array.of(198, 51, 100, 7) }])
            )
          )
          return ResolverPool.of({
            begin: (question, record, asker) => {
              const name = formatName(question.name)
              asked.push(name)
              return (isAtOrBelow(question.name, zone) ? own : upstreams.begin)(question, record, asker)
            }
          })
        })
      ).pipe(Layer.provide(ResolverPool.layer))
      const server = yield* embedded({ resolverPool: step })
      for (let i = 0; i < 2; i++) {
        assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "a.corp.test" })), ["198.51.100.7"])
        assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "www.example.test" })), ["192.0.2.1"])
      }
      assert.deepStrictEqual([asked, server.upstream.queries()], [["a.corp.test", "www.example.test"], 1])
    })
  )

  it.live("asks an upstream of its own for targets of CNAMEs too", () =>
    Effect.gen(function* () {
      const own = Layer.effect(
        ResolverPool,
        Effect.map(
          beginBy((question) =>
            Effect.succeed(
              formatName(question.name) === "alias.corp.test"
                ? messageFor(question, [
                    { type: Type.CNAME, ttlSeconds: 60, data: Buffer.from("\x01b\x04corp\x04test\0") }
                  ])
                : messageFor(question, [{ type: Type.A, ttlSeconds: 60, data: Uint8Array.of(198, 51, 100, 8) }])
            )
          ),
          (begin) => ResolverPool.of({ begin })
        )
      )
      const server = yield* embedded({ resolverPool: own })
      assert.include(addressesOf(yield* server.ask({ name: "alias.corp.test" })), "198.51.100.8")
      assert.strictEqual(server.upstream.queries(), 0)
    })
  )

  it.live("has failures of its upstream answered SERVFAIL; only those of the question itself are kept", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const failures: Record<string, Effect.Effect<never, UpstreamsFailed>> = {
        away: Effect.fail(new UpstreamsFailed({ isOfQuestion: false, message: "the inventory is away" })),
        wrong: Effect.fail(new UpstreamsFailed({ isOfQuestion: true, message: "nobody can answer this" })),
        defect: Effect.die(new Error("a defect of the step")),
        silent: Effect.never
      }
      const own = Layer.effect(
        ResolverPool,
        Effect.map(
          beginBy((question) => {
            const label = formatName(question.name).split(".")[0]!
            asked.push(label)
            return failures[label] ?? Effect.succeed(messageFor(question, [], Rcode.NXDomain))
          }),
          (begin) => ResolverPool.of({ begin })
        )
      )
      const server = yield* embedded({ resolverPool: own }, { DNS_SERVER_QUERY_TIMEOUT_SECS: "1" })
      for (const label of ["away", "wrong", "defect", "silent", "absent"]) {
        for (let i = 0; i < 2; i++) {
          const rcode = rcodeOf(yield* server.ask({ name: `${label}.corp.test` }))
          assert.strictEqual(rcode, label === "absent" ? "NXDOMAIN" : "SERVFAIL")
        }
      }
      assert.deepStrictEqual(asked, [
        "away",
        "away",
        "wrong",
        "defect",
        "defect",
        "silent",
        "silent",
        "absent",
        "absent"
      ])
      assert.strictEqual(server.counters.read("defects"), 2)
    })
  )

  it.live("is told when a room of its own cannot be made", () =>
    Effect.gen(function* () {
      const broken = Layer.effect(ResolverPool, Effect.fail("no inventory" as const))
      assert.strictEqual(yield* Effect.flip(embedded({ resolverPool: broken })), "no inventory")
    })
  )
})

/** `export { A, type B } from "./file.ts"`, in several lines too. */
const exported = [
  ...readFileSync("src/index.ts", "utf8").matchAll(/^export (type )?\{([^}]+)\} from "\.\/([^"]+)"/gm)
].flatMap(([, allTypes, names, file]) =>
  names!.split(",").map((written) => {
    const name = written.trim().replace(/^type /, "")
    return { name, file: `src/${file}`, isType: allTypes !== undefined || name !== written.trim() }
  })
)

/** The comment that stands before the declaration, in this file or in the one that it is exported from. */
const commentOf = (file: string, name: string): string => {
  const text = readFileSync(file, "utf8")
  const at = text.search(new RegExp(`^export (const|class|interface|type) ${name}\\b`, "m"))
  if (at >= 0) return /\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n$/.exec(text.slice(0, at))?.[0] ?? ""
  const from = new RegExp(`^export \\{[^}]*\\b${name}\\b[^}]*\\} from "\\./([^"]+)"`, "m").exec(text)?.[1]
  return from === undefined ? "" : commentOf(file.replace(/[^/]+$/, from), name)
}

describe("what the package exports", () => {
  for (const { file, isType, name } of exported) {
    it(`${name} says when it is used${isType ? "" : ", with an example"}`, () => {
      const comment = commentOf(file, name)
      assert.include(comment, "**When to use**")
      if (!isType) assert.match(comment, /\*\*Example\*\* \([^)]+\)\n \*\n \* ```ts\n/)
    })
  }
})
