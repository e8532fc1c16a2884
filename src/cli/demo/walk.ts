/**
 * A walk through what the server does with a query, without a network: an upstream that behaves badly on purpose, the
 * server in front of it, a client, and a collector that draws the traces.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { ConfigProvider, Console, Effect, Layer } from "effect"
import { Configuration, load } from "../../config/configuration.ts"
import { type Endpoint, formatEndpoint } from "../../io/endpoint.ts"
import { Listeners } from "../../listener/listeners.ts"
import { layerLogging } from "../../process/logging/logging.ts"
import { standaloneLayer } from "../../process/server.ts"
import { layerDatagrams } from "../../process/transports.ts"
import { ask } from "./client.ts"
import { type Collector, drawTrace, runCollector } from "./traces.ts"
import { type DemoUpstream, runUpstream } from "./upstream.ts"

/** Small enough that a handful of queries fills both. */
const CONCURRENT = 5
const QUEUED = 1
/** Questions in a row that must fail before the upstream is probed, and the time until its return is noticed. */
const BREAKER_QUESTIONS = 5
const RETURN_MS = 1_000

const settingsFor = (upstream: Endpoint, collector: Collector) =>
  Effect.provideService(
    load(undefined),
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromEnv({
      env: {
        DNS_SERVER_LISTEN: "127.0.0.1:0",
        DNS_SERVER_UPSTREAMS: formatEndpoint(upstream),
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "1000",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "2",
        DNS_SERVER_MAX_CONCURRENT_QUERIES: String(CONCURRENT),
        DNS_SERVER_MAX_QUEUED_QUERIES: String(QUEUED),
        DNS_SERVER_TRACE_SAMPLING: "always",
        DNS_SERVER_LOG_LEVEL: "none",
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json"
      }
    })
  )

const numbered = (count: number, name: string): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, i) => `${i + 1}.${name}`)

const walk = Effect.fnUntraced(function* (server: Endpoint, upstream: DemoUpstream, collector: Collector) {
  const title = (text: string) => Console.log(`\n── ${text}\n`)

  /** Asks all names at once, then shows each answer with its trace. */
  const show = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
    const answers = yield* Effect.forEach(names, (name) => ask(server, name), { concurrency: "unbounded" })
    for (const [i, name] of names.entries()) yield* report(name, answers[i]!)
  })
  const report = Effect.fnUntraced(function* (name: string, answer: string) {
    yield* Console.log(`  ${name} A?  ${answer}`)
    const trace = yield* collector.take(name)
    const lines = trace === undefined ? ["no trace came"] : drawTrace(trace)
    yield* Console.log(`${lines.map((line) => `      ${line}`).join("\n")}\n`)
  })

  yield* title("A miss: the upstream is asked, the answer kept")
  yield* show(["fast.demo.test"])

  yield* title("A hit: the same again, from the cache")
  yield* show(["fast.demo.test"])

  yield* title("A retry: the upstream is silent the first time")
  yield* show(["flaky.demo.test"])

  yield* title("Truncated by UDP, so asked again by TCP")
  yield* show(["large.demo.test"])

  yield* title("An upstream that fails: tried again, then the failure is kept for a few seconds")
  yield* show(["broken.demo.test"])
  yield* show(["broken.demo.test"])

  yield* title(`The breaker: the upstream is down. ${BREAKER_QUESTIONS} questions get no reply, nor does a probe`)
  upstream.setDown(true)
  const lost = numbered(BREAKER_QUESTIONS, "lost.fast.demo.test")
  const answers = yield* Effect.forEach(lost, (name) => ask(server, name), { concurrency: "unbounded" })
  const whileOpen = yield* ask(server, "open.fast.demo.test")
  upstream.setDown(false)
  yield* Effect.sleep(RETURN_MS)
  const afterwards = yield* ask(server, "afterwards.fast.demo.test")
  yield* report(lost[0]!, answers[0]!)
  yield* Console.log(`  …and ${lost.length - 1} more like it. Now it is open, and nobody is asked:\n`)
  yield* report("open.fast.demo.test", whileOpen)
  yield* Console.log("  The upstream returns. Within a second a probe is answered, and closes the breaker:\n")
  yield* report("afterwards.fast.demo.test", afterwards)

  yield* title(`Shedding: ${CONCURRENT} queries may wait for upstreams, ${QUEUED} in line, the rest are told at once`)
  const slow = numbered(CONCURRENT + QUEUED + 1, "slow.demo.test")
  const slowAnswers = yield* Effect.forEach(slow, (name) => ask(server, name), { concurrency: "unbounded" })
  const seen = [0, CONCURRENT, CONCURRENT + QUEUED]
  for (const i of seen) yield* report(slow[i]!, slowAnswers[i]!)
})

const demo = Effect.gen(function* () {
  const upstream = yield* runUpstream
  const collector = yield* runCollector
  const { settings } = yield* settingsFor(upstream.endpoint, collector)
  yield* Effect.gen(function* () {
    const [listening] = (yield* Listeners).current()
    const server = listening!.endpoint
    yield* Console.log(
      `The server listens on ${formatEndpoint(server)}; its upstream is ${formatEndpoint(upstream.endpoint)}.`
    )
    yield* walk(server, upstream, collector)
  }).pipe(
    Effect.provide(
      standaloneLayer.pipe(
        Layer.provide(Layer.mergeAll(Configuration.layer(settings), layerDatagrams("auto"))),
        Layer.provideMerge(layerLogging(() => settings))
      )
    )
  )
})

NodeRuntime.runMain(Effect.scoped(demo))
