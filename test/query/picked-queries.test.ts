import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { formatQuestion } from "../../src/dns/question.ts"
import { MemoryNetwork } from "../support/servers/memory-network.ts"
import { type MemoryPipeline, memoryPipeline, OWN_MARK } from "../support/servers/memory-pipeline.ts"
import { anAddress, upstreamAt } from "../support/servers/memory-server.ts"
import { message, opt, option, query, question } from "../support/wire/messages.ts"

const PORT = 1

const asking = (name: string): Uint8Array => query({ questions: [question(name)] })
const ownQuery = query({ additionals: [opt({ options: option(OWN_MARK.code, OWN_MARK.data) })] })
const withoutQuestion = message({ id: 7 })
const ofOtherVersion = query({ additionals: [opt({ version: 1 })] })

const here = { DNS_SERVER_LOCAL_ANSWERS: "nas.home A 192.0.2.1" }
const elsewhere = { DNS_SERVER_ALLOW: "192.0.2.0/24" }
const elsewhereSilent = { ...elsewhere, DNS_SERVER_DENY_ACTION: "drop" }

const ways: ReadonlyArray<
  readonly [what: string, settings: Record<string, string>, wire: Uint8Array, outcome: string, rcode: number]
> = [
  ["a local answer", here, asking("nas.home"), "local", 0],
  ["a special name", here, asking("nothing.invalid"), "special", 3],
  ["a client that is refused", elsewhere, asking("www.example.test"), "denied", 5],
  ["a client that is told nothing", elsewhereSilent, asking("www.example.test"), "denied", -1],
  ["a query of this server's own", {}, ownQuery, "looped", 5],
  ["a message without a question", {}, withoutQuestion, "malformed", 1],
  ["an EDNS version that is not ours", {}, ofOtherVersion, "malformed", 16]
]

const withPipeline = (
  settings: Record<string, string>,
  isPicked: boolean,
  use: (
    pipeline: MemoryPipeline,
    upstream: Effect.Success<ReturnType<typeof upstreamAt>>
  ) => Effect.Effect<void, never, Scope.Scope>
) =>
  Effect.gen(function* () {
    const network = new MemoryNetwork()
    const upstream = yield* upstreamAt(network, PORT)
    yield* use(yield* memoryPipeline(network, [PORT], settings, isPicked), upstream)
  })

describe("a query that the sampler picks", () => {
  for (const [what, settings, wire, outcome, rcode] of ways) {
    it.effect(`leaves a record: ${what}; else none. The sampler is asked once`, () =>
      Effect.gen(function* () {
        for (const isPicked of [true, false]) {
          yield* withPipeline(settings, isPicked, (pipeline) =>
            Effect.gen(function* () {
              yield* pipeline.handle(wire)
              assert.strictEqual(pipeline.timesPicked(), 1)
              const left = pipeline.records.map((record) => [record.outcome, record.rcode, record.transport])
              assert.deepStrictEqual(left, isPicked ? [[outcome, rcode, "udp"]] : [])
              assert.isTrue(pipeline.records.every(({ startedMs, endedMs }) => startedMs <= endedMs))
            })
          )
        }
      })
    )
  }

  it.effect("is so once where it is a miss, and once where it is a hit", () =>
    withPipeline({}, true, (pipeline, upstream) =>
      Effect.gen(function* () {
        yield* pipeline.handle(asking("www.example.test"))
        yield* upstream.asked[0]!.answer(anAddress("www.example.test", "192.0.2.1"))
        yield* pipeline.handle(asking("www.example.test"))
        assert.strictEqual(pipeline.timesPicked(), 2)
        assert.deepStrictEqual(
          pipeline.records.map((record) => `${record.outcome} ${formatQuestion(record.question)}`),
          ["miss www.example.test A", "hit www.example.test A"]
        )
      })
    )
  )

  it.effect("is none where the message is no query: a response, or less than a header", () =>
    withPipeline({}, true, (pipeline) =>
      Effect.gen(function* () {
        const packets = [yield* pipeline.handle(query({ flags: 0x8180 })), yield* pipeline.handle(new Uint8Array(11))]
        assert.isTrue(packets.every(({ isDropped, sent }) => isDropped && sent.length === 0))
        assert.deepStrictEqual([pipeline.timesPicked(), pipeline.records.length], [0, 0])
      })
    )
  )
})
