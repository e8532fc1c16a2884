/** What a thread says of its own memory, its event loop and its collections of garbage. */
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks"
import { getHeapStatistics } from "node:v8"
import { Effect, type Scope } from "effect"
import type { GaugeRegistry } from "../../telemetry/gauges.ts"

/** Milliseconds between two looks at how late the event loop is. */
const RESOLUTION_MS = 20
/** The looks that a figure is made of. */
const SPAN_MS = 1_000
const NANOS = 1e6

export const registerThread = (gauges: GaugeRegistry): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    let gcMs = 0
    let gcRuns = 0
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        gcMs += entry.duration
        gcRuns++
      }
    })
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        delay.enable()
        observer.observe({ entryTypes: ["gc"] })
      }),
      () =>
        Effect.sync(() => {
          delay.disable()
          observer.disconnect()
        })
    )
    let late = { p50: 0, p99: 0, max: 0 }
    let lookedMs = performance.now()
    // A timer that is due is late by nothing when it fires after its interval.
    const msOf = (nanos: number): number => Math.max(0, nanos / NANOS - RESOLUTION_MS)
    const look = (): typeof late => {
      if (performance.now() - lookedMs >= SPAN_MS) {
        late = { p50: msOf(delay.percentile(50)), p99: msOf(delay.percentile(99)), max: msOf(delay.max) }
        delay.reset()
        lookedMs = performance.now()
      }
      return late
    }
    gauges.register("loop.delay.p50", () => look().p50)
    gauges.register("loop.delay.p99", () => late.p99)
    gauges.register("loop.delay.max", () => late.max)
    gauges.register("gc.seconds", () => gcMs / 1000)
    gauges.register("gc.runs", () => gcRuns)
    gauges.register("heap.used", () => getHeapStatistics().used_heap_size)
    gauges.register("heap.external", () => getHeapStatistics().external_memory)
  })
