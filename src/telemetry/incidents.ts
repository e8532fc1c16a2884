/** What sockets and timers report, counted and logged. */
import { Cause, Effect, Layer } from "effect"
import { Incidents } from "../runtime/incidents.ts"
import { Counters } from "./counters.ts"
import { FailureLog } from "./failure-log.ts"

/** Between two lines that say that no descriptor is left, or that there is a flood. */
const SAY_AGAIN_MS = 60_000

export const layerIncidents: Layer.Layer<never, never, Counters> = Layer.effect(
  Incidents,
  Effect.gen(function* () {
    const counters = yield* Counters
    const log = yield* FailureLog
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    let saidMs = Number.NEGATIVE_INFINITY
    let floodSaidMs = Number.NEGATIVE_INFINITY
    return {
      onDefect: (border, thrown) => {
        runFork(log.border(border, Cause.die(thrown)))
      },
      onExhausted: (what) => {
        counters.add("descriptors.exhausted")
        const nowMs = performance.now()
        if (nowMs - saidMs < SAY_AGAIN_MS) return
        saidMs = nowMs
        runFork(
          Effect.logError(
            `no file descriptor was left for ${what}: ` +
              "raise the limit (ulimit -n, systemd's LimitNOFILE) or lower max_tcp_connections"
          )
        )
      },
      onFlood: (client) => {
        counters.add("queries.floods")
        const nowMs = performance.now()
        if (nowMs - floodSaidMs < SAY_AGAIN_MS) return
        floodSaidMs = nowMs
        runFork(Effect.logWarning(`${client} sends a flood: until it is over, most of it is dropped by the kernel`))
      }
    }
  })
).pipe(Layer.provide(FailureLog.layer))
