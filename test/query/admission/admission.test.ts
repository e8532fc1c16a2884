import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { type Admission, makeAdmission } from "../../../src/query/admission/admission.ts"
import { LoopClock } from "../../../src/runtime/loop-clock.ts"
import { TimerWheel } from "../../../src/runtime/timer-wheel.ts"
import { runThrough } from "../../support/servers/waiting.ts"

const admissionTest = (
  name: string,
  permits: number,
  places: number,
  use: (admission: Admission) => Effect.Effect<void, unknown>
): void =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const wheel = yield* TimerWheel
      yield* use(yield* makeAdmission({ maxConcurrentQueries: permits, maxQueuedQueries: places }, wheel))
    }).pipe(Effect.provide(Layer.provide(TimerWheel.layer, LoopClock.layer)))
  )

const nothing = (): void => {}
/** Holds a permit for so many milliseconds. */
const hold = (admission: Admission, ms: number, deadlineMs = 60_000) =>
  runThrough(admission, Effect.sleep(ms), deadlineMs, nothing)
const holdOf = (admission: Admission, name: string, ms: number, onAdmitted = nothing) =>
  runThrough(admission, Effect.sleep(ms), 60_000, onAdmitted, name)
const holdFor = (admission: Admission, client: string, name: string, ms: number, onAdmitted = nothing) =>
  runThrough(admission, Effect.sleep(ms), 60_000, onAdmitted, name, client)
const begin = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })

describe("Admission", () => {
  admissionTest("runs at once while there are permits, and does not call it admitted", 2, 0, (admission) =>
    Effect.gen(function* () {
      let admitted = 0
      assert.strictEqual(yield* runThrough(admission, Effect.succeed(7), 10, () => admitted++), 7)
      assert.strictEqual(admitted, 0)
    })
  )

  admissionTest("hands permits on in the order of arrival", 1, 10, (admission) =>
    Effect.gen(function* () {
      const order: Array<number> = []
      yield* begin(hold(admission, 100))
      for (const n of [1, 2, 3]) {
        yield* begin(runThrough(admission, Effect.sleep(100), 60_000, () => order.push(n)))
      }
      assert.strictEqual(admission.waiting(), 3)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(order, [1])
      yield* TestClock.adjust(100)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(order, [1, 2, 3])
      assert.strictEqual(admission.waiting(), 0)
    })
  )

  admissionTest("sheds who finds the line full", 1, 1, (admission) =>
    Effect.gen(function* () {
      yield* begin(hold(admission, 100))
      yield* begin(hold(admission, 100))
      const error = yield* Effect.flip(runThrough(admission, Effect.void, 60_000, nothing))
      assert.strictEqual(error._tag, "Shed")
      assert.strictEqual(admission.waiting(), 1)
    })
  )

  admissionTest("lets nobody wait in the queue longer than the deadline", 1, 10, (admission) =>
    Effect.gen(function* () {
      yield* begin(hold(admission, 1_000))
      const late = yield* begin(Effect.flip(hold(admission, 1, 50)))
      yield* TestClock.adjust(49)
      assert.strictEqual(admission.waiting(), 1)
      yield* TestClock.adjust(10)
      assert.strictEqual((yield* Fiber.join(late))._tag, "WaitedTooLong")
      assert.strictEqual(admission.waiting(), 0)
    })
  )

  admissionTest("hands the permit on when what ran fails, dies or is interrupted", 1, 0, (admission) =>
    Effect.gen(function* () {
      yield* Effect.exit(runThrough(admission, Effect.fail("failed"), 10, nothing))
      yield* Effect.exit(runThrough(admission, Effect.die("died"), 10, nothing))
      const running = yield* begin(hold(admission, 1_000))
      yield* Fiber.interrupt(running)
      assert.strictEqual(yield* runThrough(admission, Effect.succeed("free"), 10, nothing), "free")
    })
  )

  admissionTest("loses no permit and gains none when those in the queue are interrupted", 2, 100, (admission) =>
    Effect.gen(function* () {
      const fibers = yield* Effect.forEach(
        Array.from({ length: 50 }, (_, i) => i),
        (i) => begin(hold(admission, 5 + (i % 7)))
      )
      for (let round = 0; round < 25; round++) {
        const victims = [Fiber.interrupt(fibers[round * 2]!), Fiber.interrupt(fibers[(round * 7) % 50]!)]
        yield* Effect.all(victims, { concurrency: "unbounded" })
        yield* TestClock.adjust(3)
      }
      yield* TestClock.adjust(1_000)
      assert.strictEqual(admission.waiting(), 0)
      yield* begin(hold(admission, 100))
      yield* begin(hold(admission, 100))
      assert.strictEqual(admission.waiting(), 0)
      yield* begin(hold(admission, 100))
      assert.strictEqual(admission.waiting(), 1)
    })
  )

  admissionTest(
    "lets the zones in the queue take turns: one that came by the dozen does not stand in the others' way",
    1,
    100,
    (admission) =>
      Effect.gen(function* () {
        const order: Array<string> = []
        yield* begin(holdOf(admission, "a.big.test", 10))
        for (const name of ["b.big.test", "c.big.test", "d.big.test", "x.small.test"]) {
          yield* begin(holdOf(admission, name, 10, () => order.push(name)))
        }
        for (let i = 0; i < 6; i++) yield* TestClock.adjust(15)
        assert.deepStrictEqual(order, ["b.big.test", "x.small.test", "c.big.test", "d.big.test"])
      })
  )

  admissionTest(
    "sheds the latest of the zone that holds most of a full line, for one of another zone",
    1,
    3,
    (admission) =>
      Effect.gen(function* () {
        yield* begin(holdOf(admission, "a.big.test", 100))
        const [, , last] = yield* Effect.forEach(["b", "c", "d"], (host) =>
          begin(Effect.exit(holdOf(admission, `${host}.big.test`, 1)))
        )
        assert.strictEqual((yield* Effect.flip(holdOf(admission, "e.big.test", 1)))._tag, "Shed")
        const other = yield* begin(Effect.exit(holdOf(admission, "x.small.test", 1)))
        assert.strictEqual((yield* Fiber.join(last!))._tag, "Failure")
        assert.strictEqual(admission.waiting(), 3)
        for (let i = 0; i < 6; i++) yield* TestClock.adjust(100)
        assert.strictEqual((yield* Fiber.join(other))._tag, "Success")
      })
  )

  admissionTest(
    "takes a permit from a zone that holds most of them and has waited long, for one of another zone",
    4,
    4,
    (admission) =>
      Effect.gen(function* () {
        const bogus = yield* Effect.forEach([1, 2, 3, 4], (host) =>
          begin(Effect.exit(holdOf(admission, `n${host}.bogus.test`, 5_000)))
        )
        const early = yield* begin(holdOf(admission, "early.good.test", 1))
        yield* TestClock.adjust(500)
        assert.isUndefined(early.pollUnsafe())
        yield* TestClock.adjust(200)
        const late = yield* begin(holdOf(admission, "late.good.test", 1))
        for (let i = 0; i < 5; i++) yield* TestClock.adjust(10)
        assert.isDefined(early.pollUnsafe())
        assert.isDefined(late.pollUnsafe())
        assert.strictEqual((yield* Fiber.join(bogus[0]!))._tag, "Failure")
        const same = yield* begin(holdOf(admission, "n5.bogus.test", 1))
        assert.isUndefined(bogus[2]!.pollUnsafe())
        yield* Fiber.interrupt(same)
      })
  )

  /** Ten queries of one flow are in the queue when one of another comes, and is second. */
  const takesTurns = (
    admission: Admission,
    many: ReadonlyArray<readonly [client: string, name: string]>,
    [client, name]: readonly [client: string, name: string]
  ) =>
    Effect.gen(function* () {
      const order: Array<string> = []
      yield* begin(holdFor(admission, "192.0.2.9", "other.zone.example", 10))
      for (const [from, to] of many) yield* begin(holdFor(admission, from, to, 10, () => order.push("many")))
      yield* begin(holdFor(admission, client, name, 10, () => order.push("one")))
      for (let i = 0; i < 12; i++) yield* TestClock.adjust(15)
      assert.strictEqual(order.length, 11)
      // Until there were several of them nobody could know which kind they are.
      assert.isAtMost(order.indexOf("one"), 2)
    })
  const ten = Array.from({ length: 10 }, (_, i) => i)

  admissionTest("lets a client that asks for names all over take one turn among the others", 1, 100, (admission) =>
    takesTurns(
      admission,
      ten.map((i) => ["192.0.2.1", `n.z${i}.test`]),
      ["192.0.2.2", "www.example.test"]
    )
  )

  admissionTest("lets a zone that is asked for from everywhere take one turn among the others", 1, 100, (admission) =>
    takesTurns(
      admission,
      ten.map((i) => [`198.51.100.${i}`, `n${i}.big.test`]),
      ["192.0.2.2", "www.example.test"]
    )
  )

  admissionTest("takes all addresses of an IPv6 network of 64 bits for one client", 1, 100, (admission) =>
    takesTurns(
      admission,
      ten.map((i) => [`2001:db8::${i}`, `n.z${i}.test`]),
      ["2001:db8:0:1::1", "www.example.test"]
    )
  )

  admissionTest(
    "sheds the latest of the client that holds most of a full line, for one of another client",
    1,
    3,
    (admission) =>
      Effect.gen(function* () {
        yield* begin(holdFor(admission, "192.0.2.9", "other.test", 100))
        const many = yield* Effect.forEach([1, 2, 3], (i) =>
          begin(Effect.exit(holdFor(admission, "192.0.2.1", `n.z${i}.test`, 1)))
        )
        assert.strictEqual((yield* Effect.flip(holdFor(admission, "192.0.2.1", "n.z4.test", 1)))._tag, "Shed")
        yield* begin(holdFor(admission, "192.0.2.2", "www.example.test", 1))
        assert.strictEqual((yield* Fiber.join(many[2]!))._tag, "Failure")
        assert.strictEqual(admission.waiting(), 3)
      })
  )

  admissionTest(
    "takes a permit from a client that holds most of them and has waited long, for another client",
    4,
    4,
    (admission) =>
      Effect.gen(function* () {
        const flood = yield* Effect.forEach([1, 2, 3, 4], (i) =>
          begin(Effect.exit(holdFor(admission, "192.0.2.1", `n.z${i}.test`, 5_000)))
        )
        const other = yield* begin(holdFor(admission, "192.0.2.2", "www.example.test", 1))
        yield* TestClock.adjust(499)
        assert.isUndefined(other.pollUnsafe())
        for (let i = 0; i < 60; i++) yield* TestClock.adjust(5)
        assert.isDefined(other.pollUnsafe(), "who waits in the queue need not wait for somebody else to come")
        assert.strictEqual((yield* Fiber.join(flood[0]!))._tag, "Failure")
        assert.isUndefined(flood[1]!.pollUnsafe())
      })
  )

  admissionTest(
    "takes no permit from anybody where there are only a few: one slow query is no crowd",
    2,
    4,
    (admission) =>
      Effect.gen(function* () {
        const slow = yield* Effect.forEach([1, 2], (i) =>
          begin(Effect.exit(holdFor(admission, "192.0.2.1", `n${i}.slow.test`, 2_000)))
        )
        const other = yield* begin(holdFor(admission, "192.0.2.2", "www.example.test", 1))
        yield* TestClock.adjust(1_900)
        assert.isUndefined(other.pollUnsafe())
        yield* TestClock.adjust(200)
        for (const fiber of slow) assert.strictEqual((yield* Fiber.join(fiber))._tag, "Success")
        yield* TestClock.adjust(10)
        assert.isDefined(other.pollUnsafe())
      })
  )
})
