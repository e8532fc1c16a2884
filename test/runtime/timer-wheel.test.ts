import { createSocket } from "node:dgram"
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { LoopClock } from "../../src/runtime/loop-clock.ts"
import { type Timer, TimerWheel } from "../../src/runtime/timer-wheel.ts"

const withWheel = <A>(use: (wheel: TimerWheel["Service"]) => Effect.Effect<A>) =>
  Effect.flatMap(TimerWheel, use).pipe(Effect.provide(Layer.provide(TimerWheel.layer, LoopClock.layer)))

describe("TimerWheel", () => {
  it.effect("fires once, never early and at most one tick late", () =>
    withWheel((wheel) =>
      Effect.gen(function* () {
        const fired: Array<number> = []
        for (const delay of [1, 7, 20, 1_003]) {
          const start = wheel.nowMs()
          wheel.after(delay, { fire: () => fired.push(wheel.nowMs() - start - delay) })
        }
        for (let i = 0; i < 1_100; i++) yield* TestClock.adjust(1)
        assert.strictEqual(fired.length, 4)
        for (const late of fired) assert.isTrue(late >= 0 && late <= 5, `${late} ms late`)
      })
    )
  )

  it.effect("fires what lies more than one turn of the wheel ahead", () =>
    withWheel((wheel) =>
      Effect.gen(function* () {
        let fired = 0
        wheel.after(12_000, { fire: () => fired++ })
        yield* TestClock.adjust(11_990)
        assert.strictEqual(fired, 0)
        yield* TestClock.adjust(20)
        assert.strictEqual(fired, 1)
      })
    )
  )

  it.effect("does not fire what was cancelled, and takes a second cancel for nothing", () =>
    withWheel((wheel) =>
      Effect.gen(function* () {
        let fired = 0
        const timer = wheel.after(10, { fire: () => fired++ })
        wheel.after(10, { fire: () => fired++ })
        wheel.cancel(timer)
        wheel.cancel(timer)
        yield* TestClock.adjust(100)
        assert.strictEqual(fired, 1)
      })
    )
  )

  it.effect("lets what fires cancel its neighbours and arm others", () =>
    withWheel((wheel) =>
      Effect.gen(function* () {
        const fired: Array<string> = []
        const neighbours: Array<Timer> = []
        wheel.after(10, {
          fire: () => {
            fired.push("first")
            for (const neighbour of neighbours) wheel.cancel(neighbour)
            wheel.after(10, { fire: () => fired.push("armed") })
          }
        })
        neighbours.push(wheel.after(10, { fire: () => fired.push("cancelled") }))
        neighbours.push(wheel.after(10, { fire: () => fired.push("cancelled") }))
        wheel.after(10, { fire: () => fired.push("last") })
        yield* TestClock.adjust(15)
        assert.deepStrictEqual(fired, ["first", "last"])
        yield* TestClock.adjust(15)
        assert.deepStrictEqual(fired, ["first", "last", "armed"])
      })
    )
  )

  it.effect("wakes again after it had nothing to do", () =>
    withWheel((wheel) =>
      Effect.gen(function* () {
        let fired = 0
        wheel.after(10, { fire: () => fired++ })
        yield* TestClock.adjust(100)
        yield* TestClock.adjust(60_000)
        wheel.after(10, { fire: () => fired++ })
        yield* TestClock.adjust(9)
        assert.strictEqual(fired, 1)
        yield* TestClock.adjust(10)
        assert.strictEqual(fired, 2)
      })
    )
  )

  it.live("has a thread that was held up read what came meanwhile, before it finds anything overdue", () =>
    withWheel((wheel) =>
      Effect.gen(function* () {
        const events: Array<string> = []
        const socket = createSocket("udp4")
        yield* Effect.promise(() => once(socket.bind(0, "127.0.0.1"), "listening"))
        socket.on("message", () => events.push("read"))
        // The wheel turns already.
        wheel.after(10_000, { fire: () => {} })
        yield* Effect.sleep(30)
        // Sends while this thread stands still.
        const sender = new Worker(
          `const socket = require("node:dgram").createSocket("udp4")
           socket.send("x", ${socket.address().port}, "127.0.0.1", () => socket.close())`,
          { eval: true }
        )
        wheel.after(20, { fire: () => events.push("overdue") })
        const until = performance.now() + 600
        while (performance.now() < until) {}
        while (events.length < 2) yield* Effect.sleep(5)
        socket.close()
        yield* Effect.promise(() => sender.terminate())
        assert.deepStrictEqual(events, ["read", "overdue"])
      })
    )
  )
})
