import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { TimerWheel } from "../../src/io/timer-wheel.ts"
import { Turn } from "../../src/io/turn.ts"
import { type Gate, makeGate } from "../../src/query/gate.ts"
import { runThrough } from "../support/waiting.ts"

const gateTest = (
  name: string,
  permits: number,
  places: number,
  use: (gate: Gate) => Effect.Effect<void, unknown>
): void =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const wheel = yield* TimerWheel
      yield* use(yield* makeGate(permits, places, wheel))
    }).pipe(Effect.provide(Layer.provide(TimerWheel.layer, Turn.layer)))
  )

const nothing = (): void => {}
/** Holds a permit for so many milliseconds. */
const hold = (gate: Gate, ms: number, deadlineMs = 60_000) => runThrough(gate, Effect.sleep(ms), deadlineMs, nothing)
const begin = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })

describe("Gate", () => {
  gateTest("runs at once while there are permits, and does not call it admitted", 2, 0, (gate) =>
    Effect.gen(function* () {
      let admitted = 0
      assert.strictEqual(yield* runThrough(gate, Effect.succeed(7), 10, () => admitted++), 7)
      assert.strictEqual(admitted, 0)
    })
  )

  gateTest("hands permits on in the order of arrival", 1, 10, (gate) =>
    Effect.gen(function* () {
      const order: Array<number> = []
      yield* begin(hold(gate, 100))
      for (const n of [1, 2, 3]) {
        yield* begin(runThrough(gate, Effect.sleep(100), 60_000, () => order.push(n)))
      }
      assert.strictEqual(gate.waiting(), 3)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(order, [1])
      yield* TestClock.adjust(100)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(order, [1, 2, 3])
      assert.strictEqual(gate.waiting(), 0)
    })
  )

  gateTest("sheds who finds the line full", 1, 1, (gate) =>
    Effect.gen(function* () {
      yield* begin(hold(gate, 100))
      yield* begin(hold(gate, 100))
      const error = yield* Effect.flip(runThrough(gate, Effect.void, 60_000, nothing))
      assert.strictEqual(error._tag, "Shed")
      assert.strictEqual(gate.waiting(), 1)
    })
  )

  gateTest("lets nobody stand in line longer than the deadline", 1, 10, (gate) =>
    Effect.gen(function* () {
      yield* begin(hold(gate, 1_000))
      const late = yield* begin(Effect.flip(hold(gate, 1, 50)))
      yield* TestClock.adjust(49)
      assert.strictEqual(gate.waiting(), 1)
      yield* TestClock.adjust(10)
      assert.strictEqual((yield* Fiber.join(late))._tag, "WaitedTooLong")
      assert.strictEqual(gate.waiting(), 0)
    })
  )

  gateTest("hands the permit on when what ran fails, dies or is interrupted", 1, 0, (gate) =>
    Effect.gen(function* () {
      yield* Effect.exit(runThrough(gate, Effect.fail("failed"), 10, nothing))
      yield* Effect.exit(runThrough(gate, Effect.die("died"), 10, nothing))
      const running = yield* begin(hold(gate, 1_000))
      yield* Fiber.interrupt(running)
      assert.strictEqual(yield* runThrough(gate, Effect.succeed("free"), 10, nothing), "free")
    })
  )

  gateTest("loses no permit and gains none when those in line are interrupted", 2, 100, (gate) =>
    Effect.gen(function* () {
      const fibers = yield* Effect.forEach(
        Array.from({ length: 50 }, (_, i) => i),
        (i) => begin(hold(gate, 5 + (i % 7)))
      )
      for (let round = 0; round < 25; round++) {
        const victims = [Fiber.interrupt(fibers[round * 2]!), Fiber.interrupt(fibers[(round * 7) % 50]!)]
        yield* Effect.all(victims, { concurrency: "unbounded" })
        yield* TestClock.adjust(3)
      }
      yield* TestClock.adjust(1_000)
      assert.strictEqual(gate.waiting(), 0)
      yield* begin(hold(gate, 100))
      yield* begin(hold(gate, 100))
      assert.strictEqual(gate.waiting(), 0)
      yield* begin(hold(gate, 100))
      assert.strictEqual(gate.waiting(), 1)
    })
  )
})
