import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { Coalescer, Follower } from "../../../src/query/exchange/coalescer.ts"
import { LoopClock } from "../../../src/runtime/loop-clock.ts"
import { TimerWheel } from "../../../src/runtime/timer-wheel.ts"
import { Counters } from "../../../src/telemetry/counters.ts"
import type { Answer, Asker, Begin, ResolveError } from "../../../src/upstream/answer.ts"
import { Reported } from "../../support/servers/incidents.ts"
import { follow } from "../../support/servers/waiting.ts"
import { asked, WWW } from "../../support/wire/messages.ts"

const answer: Answer = { wire: Uint8Array.of(1, 2, 3), ttlSeconds: 60, continuesAt: undefined, scope: 0 }
const LONG = 60_000
/** What the cache would make of the question: here all have one. */
const HASH = 7
const nobody = (): void => {}

/** The coalescer in front of exchanges that end when the test says so; `begun` counts them. */
const withCoalescer = (
  name: string,
  use: (tools: {
    readonly coalescer: Coalescer["Service"]
    readonly begun: () => number
    /** Ends the exchange that was begun last. */
    readonly land: (exit: Exit.Exit<Answer, ResolveError>) => Effect.Effect<void>
    /** How many exchanges were given up. */
    readonly abandoned: () => number
  }) => Effect.Effect<void, ResolveError, Scope.Scope>
): void =>
  it.effect(name, () => {
    const exchanges: Array<Asker> = []
    let abandoned = 0
    const beginExchange: Begin = (_question, _record, asker) => {
      exchanges.push(asker)
      return { abandon: () => abandoned++ }
    }
    const layer = Coalescer.layer(() => Effect.succeed(beginExchange)).pipe(
      Layer.provideMerge(Layer.mergeAll(Layer.provide(TimerWheel.layer, LoopClock.layer), Counters.layer))
    )
    return Effect.gen(function* () {
      const coalescer = yield* Coalescer
      yield* use({
        coalescer,
        begun: () => exchanges.length,
        land: (exit) => Effect.sync(() => exchanges.at(-1)!.onOutcome(exit)),
        abandoned: () => abandoned
      })
    }).pipe(Effect.provide(layer))
  })

const begin = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })

describe("Coalescer", () => {
  withCoalescer("lets equal questions share one exchange, and says who joined whom", ({ coalescer, begun, land }) =>
    Effect.gen(function* () {
      const shared: Array<boolean> = []
      const fibers = yield* Effect.forEach([1, 2, 3], () =>
        begin(follow(coalescer, WWW, HASH, LONG, (_record, isShared) => shared.push(isShared)))
      )
      assert.strictEqual(begun(), 1)
      assert.deepStrictEqual(shared, [false, true, true])
      yield* land(Exit.succeed(answer))
      for (const fiber of fibers) assert.strictEqual(yield* Fiber.join(fiber), answer)
    })
  )

  withCoalescer("begins an exchange for each different question: name, type, DO and CD", ({ coalescer, begun }) =>
    Effect.gen(function* () {
      const name = "www.example.com"
      const questions = [
        WWW,
        asked("w.example.com"),
        asked(name, 28),
        asked(name, 1, { dnssecOk: true }),
        asked(name, 1, { cd: true })
      ]
      for (const question of questions) yield* begin(follow(coalescer, question, HASH, LONG, nobody))
      assert.strictEqual(begun(), questions.length)
    })
  )

  withCoalescer("keeps each one's own deadline: who came late is not given up with the first", ({ coalescer, land }) =>
    Effect.gen(function* () {
      const first = yield* begin(Effect.exit(follow(coalescer, WWW, HASH, 100, nobody)))
      yield* TestClock.adjust(50)
      const second = yield* begin(Effect.exit(follow(coalescer, WWW, HASH, 200, nobody)))
      yield* TestClock.adjust(100)
      const given = yield* Fiber.join(first)
      assert.isTrue(Exit.isFailure(given))
      assert.isUndefined(second.pollUnsafe())
      yield* land(Exit.succeed(answer))
      assert.deepStrictEqual(yield* Fiber.join(second), Exit.succeed(answer))
    })
  )

  withCoalescer("goes on when the one who asked first goes away", ({ coalescer, begun, land }) =>
    Effect.gen(function* () {
      const first = yield* begin(follow(coalescer, WWW, HASH, LONG, nobody))
      const second = yield* begin(follow(coalescer, WWW, HASH, LONG, nobody))
      yield* Fiber.interrupt(first)
      const third = yield* begin(follow(coalescer, WWW, HASH, LONG, nobody))
      assert.strictEqual(begun(), 1)
      yield* land(Exit.succeed(answer))
      assert.strictEqual(yield* Fiber.join(second), answer)
      assert.strictEqual(yield* Fiber.join(third), answer)
    })
  )

  withCoalescer("goes on when nobody waits any more: who comes next has it", ({ coalescer, begun, abandoned, land }) =>
    Effect.gen(function* () {
      yield* Fiber.interrupt(yield* begin(follow(coalescer, WWW, HASH, LONG, nobody)))
      const next = yield* begin(follow(coalescer, WWW, HASH, LONG, nobody))
      assert.deepStrictEqual([begun(), abandoned()], [1, 0])
      yield* land(Exit.succeed(answer))
      assert.strictEqual(yield* Fiber.join(next), answer)
    })
  )

  withCoalescer(
    "gives a failure, and a defect, to all who wait, and begins anew for who asks after it",
    ({ coalescer, begun, land }) =>
      Effect.gen(function* () {
        const fibers = yield* Effect.forEach([1, 2], () =>
          begin(Effect.exit(follow(coalescer, WWW, HASH, LONG, nobody)))
        )
        yield* land(Exit.die("a bug"))
        for (const fiber of fibers) assert.isTrue(Exit.hasDies(yield* Fiber.join(fiber)))
        const next = yield* begin(follow(coalescer, WWW, HASH, LONG, nobody))
        assert.strictEqual(begun(), 2)
        yield* land(Exit.succeed(answer))
        assert.strictEqual(yield* Fiber.join(next), answer)
      })
  )

  withCoalescer(
    "wakes a thousand in slices: what else there is to do has its turn between them",
    ({ coalescer, land }) =>
      Effect.gen(function* () {
        let woken = 0
        const fibers = yield* Effect.replicateEffect(
          begin(Effect.tap(follow(coalescer, WWW, HASH, LONG, nobody), () => Effect.sync(() => woken++))),
          1000
        )
        const seen: Array<number> = []
        const look = (): void => {
          seen.push(woken)
          if (woken < 1000) setImmediate(look)
        }
        setImmediate(look)
        yield* land(Exit.succeed(answer))
        for (const fiber of fibers) yield* Fiber.join(fiber)
        assert.strictEqual(woken, 1000)
        assert.isAbove(seen.filter((count) => count > 0 && count < 1000).length, 2)
      })
  )

  withCoalescer("bounds how many share: the next begins another exchange", ({ coalescer, begun }) =>
    Effect.gen(function* () {
      yield* Effect.replicateEffect(begin(follow(coalescer, WWW, HASH, LONG, nobody)), 10_001, { discard: true })
      assert.strictEqual(begun(), 2)
    })
  )
})

describe("an exchange that throws when it is begun", () => {
  const WIDE = { ...WWW, type: 28 }

  it.effect("ends there: who asked is told, and an equal question begins another", () => {
    let begun = 0
    const beginExchange: Begin = (_question, _record, asker) => {
      if (++begun === 1) throw new Error("not to be begun")
      asker.onOutcome(Exit.succeed(answer))
      return { abandon: () => {} }
    }
    const layer = Coalescer.layer(() => Effect.succeed(beginExchange)).pipe(
      Layer.provideMerge(Layer.mergeAll(Layer.provide(TimerWheel.layer, LoopClock.layer), Counters.layer))
    )
    return Effect.gen(function* () {
      const coalescer = yield* Coalescer
      const first = yield* Effect.exit(follow(coalescer, WWW, HASH, LONG, nobody))
      assert.isTrue(Exit.isFailure(first) && Cause.hasDies(first.cause))
      assert.strictEqual(yield* follow(coalescer, WWW, HASH, LONG, nobody), answer)
      assert.strictEqual(yield* follow(coalescer, WIDE, HASH, LONG, nobody), answer)
      assert.strictEqual(begun, 3)
    }).pipe(Effect.provide(layer))
  })

  it.effect("one of those who wait that throws does not keep the outcome from the others", () => {
    const reported = new Reported()
    let asker: Asker | undefined
    const beginExchange: Begin = (_question, _record, told) => {
      asker = told
      return { abandon: () => {} }
    }
    const layer = Coalescer.layer(() => Effect.succeed(beginExchange)).pipe(
      Layer.provideMerge(Layer.mergeAll(Layer.provide(TimerWheel.layer, LoopClock.layer), Counters.layer)),
      Layer.provide(reported.layer)
    )
    class Bad extends Follower {
      readonly question = WWW
      readonly hash = HASH
      override joined(): void {}
      override onOutcome(): void {
        throw new Error("not taken")
      }
    }
    return Effect.gen(function* () {
      const coalescer = yield* Coalescer
      const before = yield* begin(follow(coalescer, WWW, HASH, LONG, nobody))
      coalescer.join(new Bad(), LONG)
      const behind = yield* begin(follow(coalescer, WWW, HASH, LONG, nobody))
      asker!.onOutcome(Exit.succeed(answer))
      assert.strictEqual(yield* Fiber.join(before), answer)
      assert.strictEqual(yield* Fiber.join(behind), answer)
      assert.deepStrictEqual(reported.defects, ["an exchange's outcome: not taken"])
    }).pipe(Effect.provide(layer))
  })
})
