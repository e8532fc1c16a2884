/**
 * `npm run bench:micro`: what the functions on a query's way cost, each by itself. Runs the sources, not the build.
 *
 * `npm run bench:micro -- network`: those only whose name has the word.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { ConfigProvider, Console, Effect, Layer } from "effect"
import { AnswerCache } from "../../src/cache/answer-cache.ts"
import { Configuration, load } from "../../src/config/configuration.ts"
import { Counters } from "../../src/telemetry/counters.ts"
import { time } from "./harness.ts"
import { subjects } from "./subjects.ts"

const environment = ConfigProvider.fromEnv({
  env: { DNS_SERVER_UPSTREAMS: "192.0.2.53", DNS_SERVER_CACHE_SIZE_MB: "64" }
})

const configuration = Layer.unwrap(
  load(undefined).pipe(
    Effect.map(({ settings }) => Configuration.layer(settings)),
    Effect.provideService(ConfigProvider.ConfigProvider, environment)
  )
)

const WIDTH = 88

const program = Effect.gen(function* () {
  yield* Console.log(`${"".padEnd(WIDTH)}   ns/call   ± %`)
  const wanted = process.argv[2] ?? ""
  for (const subject of (yield* subjects).filter(({ name }) => name.includes(wanted))) {
    const { name, nanoseconds, spread } = time(subject)
    yield* Console.log(
      `${name.padEnd(WIDTH)} ${nanoseconds.toFixed(1).padStart(9)} ${(50 * spread).toFixed(1).padStart(5)}`
    )
  }
}).pipe(Effect.provide(AnswerCache.layer.pipe(Layer.provide(Layer.mergeAll(configuration, Counters.layer)))))

NodeRuntime.runMain(program)
