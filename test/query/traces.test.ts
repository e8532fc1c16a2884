import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { writeTraceContext } from "../../src/dns/trace-context.ts"
import type { Trace, TraceSpan } from "../../src/telemetry/trace-tree.ts"
import { MemoryNetwork } from "../support/servers/memory-network.ts"
import { anAddress, type MemoryServer, memoryServer, pass, TICK, upstreamAt } from "../support/servers/memory-server.ts"
import { opt, option, query, question } from "../support/wire/messages.ts"

const WWW = "www.example.test"
const CODE = 65_500
const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
const SPAN_ID = "00f067aa0ba902b7"

const serverWith = (settings: Record<string, string>) =>
  Effect.gen(function* () {
    const network = new MemoryNetwork()
    const upstream = yield* upstreamAt(network, 1)
    const server = yield* memoryServer(network, [1], settings)
    return { upstream, server }
  })

const spanOf = (trace: Trace, name: string): TraceSpan | undefined => trace.find((span) => span.name === name)
const namesOf = (trace: Trace): ReadonlyArray<string> => trace.map(({ name }) => name)
const keptFor = (trace: Trace): unknown => trace[0].attributes["strand.kept_for"]
const traceFor = (traces: ReadonlyArray<Trace>, reason: string): Trace =>
  traces.find((trace) => keptFor(trace) === reason)!

const unsampled = { DNS_SERVER_TRACE_SAMPLING: "ratio:0" }
const sampled = { DNS_SERVER_TRACE_SAMPLING: "always" }

describe("a query that the sampler does not pick leaves a trace all the same where it", () => {
  const answered = (afterMs: number, settings: Record<string, string>) =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serverWith({ ...unsampled, ...settings })
      yield* server.ask(WWW)
      yield* pass(afterMs)
      yield* upstream.asked[0]!.answer(anAddress(WWW, "192.0.2.1"))
      return yield* server.traces
    })

  it.effect("was slow, from the threshold on", () =>
    Effect.gen(function* () {
      const slow = { DNS_SERVER_SLOW_QUERY_MS: "300" }
      assert.deepStrictEqual((yield* answered(299 - TICK, slow)).map(keptFor), [])
      assert.deepStrictEqual((yield* answered(301, slow)).map(keptFor), ["slow"])
    })
  )

  it.effect("was slower than 99 of 100 before it, where that is what slow means", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serverWith({ ...unsampled, DNS_SERVER_SLOW_QUERY_MS: "p99" })
      const answeredAfter = (name: string, afterMs: number) =>
        Effect.gen(function* () {
          yield* server.ask(name)
          yield* pass(afterMs)
          yield* upstream.asked.at(-1)!.answer(anAddress(name, "192.0.2.1"))
        })
      for (let i = 0; i < 1_000; i++) yield* answeredAfter(`n${i}.example.test`, 20)
      assert.deepStrictEqual((yield* server.traces).map(keptFor), [])
      yield* answeredAfter("quick.example.test", 10)
      yield* answeredAfter("usual.example.test", 20)
      yield* answeredAfter("slower.example.test", 40)
      const traces = yield* server.traces
      assert.deepStrictEqual(traces.map(keptFor), ["slow"])
      assert.include(JSON.stringify(traces[0]![0].attributes), "slower.example.test")
    })
  )

  it.effect("failed: with the kind of failure, and no exception", () =>
    Effect.gen(function* () {
      const { server } = yield* serverWith({ ...unsampled, DNS_SERVER_QUERY_TIMEOUT_SECS: "1" })
      yield* server.ask(WWW)
      yield* pass(1_000 + TICK)
      const [trace] = yield* server.traces
      assert.strictEqual(keptFor(trace!), "failed")
      const root = trace![0]
      assert.strictEqual(root.error, "no upstream answered in time")
      assert.strictEqual(root.attributes["error.type"], "timeout")
      assert.strictEqual(root.attributes["dns.response_code"], "SERVFAIL")
      assert.strictEqual(root.attributes["dns.extended_error.code"], 22)
      assert.strictEqual(root.attributes["dns.flags"], "RD RA")
      assert.isTrue(trace!.every(({ events }) => events.length === 0))
      const attempt = spanOf(trace!, "upstream.attempt")!
      assert.strictEqual(attempt.attributes["error.type"], attempt.attributes["strand.outcome"])
    })
  )

  it.effect("got an answer past its life", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serverWith({ ...unsampled, DNS_SERVER_CACHE_PREFETCH: "false" })
      yield* server.ask(WWW)
      yield* upstream.asked[0]!.answer(anAddress(WWW, "192.0.2.1", 5))
      yield* pass(6_000)
      yield* server.ask(WWW)
      yield* pass(1_800 + TICK)
      const traces = yield* server.traces
      assert.deepStrictEqual(traces.map(keptFor), ["stale"])
      assert.strictEqual(traces[0]![0].attributes["dns.extended_error.code"], 3)
    })
  )

  it.effect("found no room", () =>
    Effect.gen(function* () {
      const { server } = yield* serverWith({
        ...unsampled,
        DNS_SERVER_MAX_CONCURRENT_QUERIES: "1",
        DNS_SERVER_MAX_QUEUED_QUERIES: "0"
      })
      yield* server.ask("a.example.test")
      yield* server.ask("b.example.test")
      const traces = yield* server.traces
      assert.deepStrictEqual(traces.map(keptFor), ["shed"])
      assert.strictEqual(traces[0]![0].attributes["error.type"], "shed")
    })
  )

  it.effect("fails in a flood: so many a second, and no more", () =>
    Effect.gen(function* () {
      const { server } = yield* serverWith({
        ...unsampled,
        DNS_SERVER_MAX_CONCURRENT_QUERIES: "1",
        DNS_SERVER_MAX_QUEUED_QUERIES: "0"
      })
      for (let i = 0; i < 120; i++) yield* server.ask(`n${i}.example.test`)
      assert.strictEqual((yield* server.traces).length, 100)
    })
  )

  it.effect("answers as usual: none", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* answered(10, {}), [])
      assert.deepStrictEqual(yield* answered(2_000, { DNS_SERVER_SLOW_QUERY_MS: "6000" }), [])
    })
  )
})

describe("queries that share an exchange", () => {
  const share = (settings: Record<string, string>, second: (server: MemoryServer) => Effect.Effect<void>) =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serverWith(settings)
      yield* server.ask(WWW)
      yield* pass(20)
      yield* second(server)
      assert.strictEqual(upstream.asked.length, 1)
      yield* upstream.asked[0]!.answer(anAddress(WWW, "192.0.2.1"))
      return yield* server.traces
    })

  it.effect("have the attempts once, in the trace of the one that asked; the other has a link to its exchange", () =>
    Effect.gen(function* () {
      const traces = yield* share(sampled, (server) => server.ask(WWW))
      assert.strictEqual(traces.length, 2)
      const [asked, joined] = [
        traces.find((trace) => spanOf(trace, "upstream.attempt") !== undefined)!,
        traces.find((trace) => spanOf(trace, "upstream.attempt") === undefined)!
      ]
      const exchange = spanOf(asked, "upstream.resolve")!
      assert.strictEqual(spanOf(asked, "upstream.attempt")!.parentId, exchange.spanId)
      assert.strictEqual(exchange.attributes["strand.coalesced"], false)
      assert.deepStrictEqual(exchange.links, [])
      const resolve = spanOf(joined, "upstream.resolve")!
      assert.strictEqual(resolve.attributes["strand.coalesced"], true)
      assert.deepStrictEqual(resolve.links, [{ traceId: exchange.traceId, spanId: exchange.spanId }])
      assert.notStrictEqual(resolve.traceId, exchange.traceId)
      assert.deepStrictEqual(namesOf(joined), ["dns.query", "cache.lookup", "upstream.resolve"])
    })
  )

  it.effect("where only the one that joined is picked, the one that asked leaves its trace too", () =>
    Effect.gen(function* () {
      const traced = query({
        questions: [question(WWW)],
        additionals: [opt({ options: option(CODE, writeTraceContext(TRACE_ID, SPAN_ID)) })]
      })
      const traces = yield* share({ ...unsampled, DNS_SERVER_TRACE_CONTEXT_FROM: "127.0.0.0/8" }, (server) =>
        server.send(traced)
      )
      assert.deepStrictEqual(traces.map(keptFor).sort(), ["context", "followed"])
      const exchange = spanOf(traceFor(traces, "followed"), "upstream.resolve")!
      assert.deepStrictEqual(spanOf(traceFor(traces, "context"), "upstream.resolve")!.links, [
        { traceId: exchange.traceId, spanId: exchange.spanId }
      ])
    })
  )

  it.effect("that was begun to refresh an answer: the first query that joins has the attempts, and no link", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serverWith({ ...sampled, DNS_SERVER_CACHE_STALE_SECS: "0" })
      yield* server.ask(WWW)
      yield* upstream.asked[0]!.answer(anAddress(WWW, "192.0.2.1", 20))
      // Popular, so that it is asked for again in the last tenth of its life.
      for (const passed of [1_000, 1_000, 16_500]) {
        yield* pass(passed)
        yield* server.ask(WWW)
      }
      assert.strictEqual(upstream.asked.length, 2)
      yield* pass(2_000)
      yield* server.ask(WWW)
      yield* server.ask(WWW)
      yield* upstream.asked.at(-1)!.answer(anAddress(WWW, "192.0.2.1"))
      const joined = (yield* server.traces).slice(-2).map((trace) => spanOf(trace, "upstream.resolve")!)
      assert.deepStrictEqual(
        joined.map(({ attributes }) => attributes["strand.coalesced"]),
        [true, true]
      )
      const [first, second] = joined.toSorted((a, b) => a.links.length - b.links.length)
      assert.deepStrictEqual(first!.links, [])
      assert.deepStrictEqual(second!.links, [{ traceId: first!.traceId, spanId: first!.spanId }])
      assert.strictEqual((yield* server.traces).flat().filter(({ parentId }) => parentId === second!.spanId).length, 0)
      assert.isAbove((yield* server.traces).flat().filter(({ parentId }) => parentId === first!.spanId).length, 0)
    })
  )
})

describe("a trace that begins at the client", () => {
  const contextual = (client: string, settings: Record<string, string> = {}) =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serverWith({
        ...unsampled,
        DNS_SERVER_TRACE_CONTEXT_FROM: client,
        DNS_SERVER_TRACE_CONTEXT_TO: "192.0.2.53",
        ...settings
      })
      yield* server.send(
        query({
          questions: [question(WWW)],
          additionals: [opt({ options: option(CODE, writeTraceContext(TRACE_ID, SPAN_ID)) })]
        })
      )
      const told = upstream.asked[0]!.optionOf(CODE)
      yield* upstream.asked[0]!.answer(anAddress(WWW, "192.0.2.1"))
      const [trace] = yield* server.traces
      return { told, trace, answer: server.answers()[0]! }
    })

  it.effect("goes on here where the client is trusted: the query is a child of the span that asked", () =>
    Effect.gen(function* () {
      const { trace } = yield* contextual("127.0.0.1")
      assert.strictEqual(keptFor(trace!), "context")
      assert.isTrue(trace!.every(({ traceId }) => traceId === TRACE_ID))
      assert.strictEqual(trace![0].parentId, SPAN_ID)
    })
  )

  it.effect(
    "and goes on at an upstream that is told: below the attempt's own span, never with the client's option",
    () =>
      Effect.gen(function* () {
        const { trace, told, answer } = yield* contextual("127.0.0.0/8")
        const attempt = spanOf(trace!, "upstream.attempt")!
        assert.strictEqual(told!.toString("hex"), `0000${TRACE_ID}${attempt.spanId}01`)
        assert.notStrictEqual(attempt.spanId, SPAN_ID)
        // Both know the trace: a reply says nothing of it.
        assert.notInclude(JSON.stringify(answer.additionals), String(CODE))
      })
  )

  it.effect("does not where nobody is trusted, or others are, or the option has another code", () =>
    Effect.gen(function* () {
      for (const [client, settings] of [
        ["", {}],
        ["192.0.2.0/24", {}],
        ["127.0.0.1", { DNS_SERVER_TRACE_CONTEXT_OPTION: "65501" }]
      ] as const) {
        const { trace, told } = yield* contextual(client, settings)
        assert.isUndefined(trace, client)
        assert.isUndefined(told, client)
      }
    })
  )

  it.effect("is told to no upstream that is not named", () =>
    Effect.gen(function* () {
      for (const to of ["", "192.0.2.54"]) {
        const { trace, told } = yield* contextual("127.0.0.1", { DNS_SERVER_TRACE_CONTEXT_TO: to })
        assert.isDefined(trace)
        assert.isUndefined(told)
      }
    })
  )

  it.effect("is answered from the cache as a child, too", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serverWith({ ...unsampled, DNS_SERVER_TRACE_CONTEXT_FROM: "127.0.0.1" })
      yield* server.ask(WWW)
      yield* upstream.asked[0]!.answer(anAddress(WWW, "192.0.2.1"))
      const traced = query({
        questions: [question(WWW)],
        additionals: [opt({ options: option(CODE, writeTraceContext(TRACE_ID, SPAN_ID)) })]
      })
      yield* server.send(traced)
      yield* server.ask(WWW)
      const traces = yield* server.traces
      assert.deepStrictEqual(
        traces.map((trace) => [keptFor(trace), trace[0].traceId, trace[0].parentId]),
        [["context", TRACE_ID, SPAN_ID]]
      )
    })
  )
})

describe("a trace says", () => {
  it.effect("who asked what by what, where it came in, and by which rule it went to which group", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const upstream = yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [2], {
        ...sampled,
        DNS_SERVER_GROUPS: "corp=192.0.2.53:1",
        DNS_SERVER_RULES: "Corp.Example -> corp"
      })
      yield* server.ask("www.corp.example", "AAAA")
      yield* upstream.asked[0]!.answer({
        answers: [{ name: "www.corp.example", type: "AAAA", ttl: 60, data: "fd00::1" }]
      })
      yield* server.ask("www.corp.example", "AAAA")
      const traces = yield* server.traces
      assert.strictEqual(traces.length, 2)
      for (const [{ attributes }] of traces) {
        assert.strictEqual(attributes["dns.question.name"], "www.corp.example")
        assert.strictEqual(attributes["dns.question.type"], "AAAA")
        assert.strictEqual(attributes["dns.response_code"], "NOERROR")
        assert.strictEqual(attributes["dns.flags"], "RD RA")
        assert.strictEqual(typeof attributes["client.port"], "number")
        assert.strictEqual(attributes["server.address"], "127.0.0.1")
        assert.strictEqual(attributes["server.port"], 53)
        assert.strictEqual(attributes["network.transport"], "udp")
        assert.strictEqual(attributes["network.protocol.name"], "dns")
        assert.strictEqual(attributes["strand.group"], "corp")
        assert.strictEqual(attributes["strand.rule"], "corp.example -> corp")
        assert.strictEqual(attributes["strand.kept_for"], "sampler")
      }
    })
  )
})
