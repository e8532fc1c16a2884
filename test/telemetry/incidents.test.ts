/** Floods that sockets report: each is counted, and said once a minute. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { Incidents } from "../../src/runtime/incidents.ts"
import { Counters } from "../../src/telemetry/counters.ts"
import { layerIncidents } from "../../src/telemetry/incidents.ts"
import { until } from "../support/machine/until.ts"

describe("floods", () => {
  it.live("are counted, and said with the client that sends them, not again at once", () => {
    const lines: Array<string> = []
    const log = Logger.make<unknown, void>(({ message }) => {
      lines.push(String(message))
    })
    return Effect.gen(function* () {
      const incidents = yield* Incidents
      const counters = yield* Counters
      for (const client of ["192.0.2.9", "2001:db8::9", "192.0.2.9"]) incidents.onFlood(client)
      yield* until("it is said", () => lines.length > 0)
      assert.strictEqual(counters.read("queries.floods"), 3)
      assert.deepStrictEqual(lines, ["192.0.2.9 sends a flood: until it is over, most of it is dropped by the kernel"])
    }).pipe(Effect.provide(Layer.provideMerge(layerIncidents, Layer.mergeAll(Counters.layer, Logger.layer([log])))))
  })
})
