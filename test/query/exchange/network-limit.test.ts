import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { TestClock } from "effect/testing"
import { AnswerCache } from "../../../src/cache/answer-cache.ts"
import { Configuration } from "../../../src/config/configuration.ts"
import type { Question } from "../../../src/dns/question.ts"
import { type Subnet, subnetOfAddress } from "../../../src/dns/subnet.ts"
import { limitNetworks } from "../../../src/query/exchange/network-limit.ts"
import { LoopClock } from "../../../src/runtime/loop-clock.ts"
import { TimerWheel } from "../../../src/runtime/timer-wheel.ts"
import { Counters } from "../../../src/telemetry/counters.ts"
import type { Abandonable, Answer, Asker, Outcome } from "../../../src/upstream/answer.ts"
import { settingsOf } from "../../support/servers/settings.ts"
import { asked, message, question as wireQuestion } from "../../support/wire/messages.ts"

const network = (number: number): Subnet =>
  subnetOfAddress(Uint32Array.of(0, 0, 0, (8 << 24) | (number << 8)), true, 24)
const from = (number: number, name = "www.example.test", options = {}): Question => ({
  ...asked(name, 1, options),
  clientContext: { subnet: network(number), coordinates: undefined }
})
const answerTo = ({ name }: Question): Answer => ({
  wire: message({ flags: 0x8180, questions: [wireQuestion(name)] }),
  ttlSeconds: 60,
  continuesAt: undefined,
  scope: 24
})

interface Begun {
  readonly question: Question
  readonly asker: Asker
  isAbandoned: boolean
}

const setUp = (throws: (question: Question) => boolean = () => false) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      Layer.mergeAll(AnswerCache.layer, Layer.provide(TimerWheel.layer, LoopClock.layer)).pipe(
        Layer.provideMerge(Layer.mergeAll(Counters.layer, Configuration.layer(settingsOf({}))))
      )
    )
    const begun: Array<Begun> = []
    const cache = yield* Effect.provideContext(AnswerCache, context)
    const inner = yield* limitNetworks((question, _record, asker) => {
      if (throws(question)) throw new Error("a bug")
      const exchange: Begun = { question, asker, isAbandoned: false }
      begun.push(exchange)
      const abandon = (): void => {
        exchange.isAbandoned = true
      }
      return { abandon }
    }).pipe(Effect.provideContext(context))
    const told = new Map<Question, Outcome>()
    const begin = (question: Question): Abandonable =>
      inner(
        question,
        { startedMs: 0, endedMs: 0, attempts: [] },
        { onOutcome: (outcome) => told.set(question, outcome) }
      )
    const end = (index: number): void => begun[index]!.asker.onOutcome(Exit.succeed(answerTo(begun[index]!.question)))
    return { begin, begun, cache, end, told }
  })

describe("exchanges of one question for different client networks", () => {
  it.effect("are four at once; the next begins when one is over, in the order in which they came", () =>
    Effect.gen(function* () {
      const { begin, begun, end, told } = yield* setUp()
      const questions = Array.from({ length: 1_200 }, (_, i) => from(i))
      for (const question of questions) begin(question)
      for (let i = 0; i < 1_200; i++) {
        assert.isAtMost(begun.length, i + 4)
        assert.strictEqual(begun[i]!.question, questions[i])
        end(i)
      }
      assert.strictEqual(told.size, 1_200)
      begin(from(5_000))
      assert.strictEqual(begun.length, 1_201, "room is there again")
    }).pipe(Effect.scoped)
  )

  it.effect("do not wait for other names, types, DO and CD, nor for those that are everybody's", () =>
    Effect.gen(function* () {
      const { begin, begun } = yield* setUp()
      for (let i = 0; i < 10; i++) begin(from(i))
      begin(from(1, "ww.example.test"))
      begin(from(1, "www.example.test", { dnssecOk: true }))
      begin(from(1, "www.example.test", { cd: true }))
      begin({ ...from(1), view: 3 })
      for (let i = 0; i < 10; i++) begin({ ...asked("www.example.test"), clientContext: undefined })
      assert.strictEqual(begun.length, 4 + 4 + 10)
    }).pipe(Effect.scoped)
  )

  it.effect("are not begun where an answer has come that is for them too: all have it, with its TTL aged", () =>
    Effect.gen(function* () {
      const { begin, begun, cache, end, told } = yield* setUp()
      for (let i = 0; i < 500; i++) begin(from(i))
      const { question } = begun[0]!
      cache.store(question, answerTo(question).wire, 60, 0)
      yield* TestClock.adjust(3_000)
      end(0)
      // In slices: what else there is to do comes between.
      assert.isBelow(told.size, 100)
      yield* Effect.promise(async () => {
        while (told.size < 497) await new Promise((resolve) => setImmediate(resolve))
      })
      assert.strictEqual(begun.length, 4)
      const last = [...told.values()].at(-1)!
      assert.isTrue(Exit.isSuccess(last) && last.value.ttlSeconds === 57 && last.value.scope === 0)
    }).pipe(Effect.scoped)
  )

  it.effect("that nobody wants any more leave the line, or their place to the next", () =>
    Effect.gen(function* () {
      const { begin, begun, told } = yield* setUp()
      const exchanges = Array.from({ length: 8 }, (_, i) => begin(from(i)))
      exchanges[4]!.abandon()
      exchanges[5]!.abandon()
      exchanges[0]!.abandon()
      exchanges[0]!.abandon()
      assert.isTrue(begun[0]!.isAbandoned)
      assert.deepStrictEqual(
        begun.map(({ question }) => question.clientContext!.subnet![4]),
        [0, 1, 2, 3, 6]
      )
      // What is over says no more.
      begun[0]!.asker.onOutcome(Exit.die("late"))
      assert.strictEqual(told.size, 0)
      assert.strictEqual(begun.length, 5)
    }).pipe(Effect.scoped)
  )

  it.effect("wait in the queue for as long as a query may take, and are told then", () =>
    Effect.gen(function* () {
      const { begin, begun, told } = yield* setUp()
      for (let i = 0; i < 6; i++) begin(from(i))
      yield* TestClock.adjust(5_010)
      assert.strictEqual(told.size, 2)
      for (const outcome of told.values()) assert.isTrue(Exit.isFailure(outcome) && !Exit.hasDies(outcome))
      begin(from(9))
      for (const { asker } of begun.slice(0, 4)) asker.onOutcome(Exit.die("over"))
      assert.strictEqual(begun.length, 5)
    }).pipe(Effect.scoped)
  )

  it.effect("that fail by a throw are told so, and those behind them go on, however many they are", () =>
    Effect.gen(function* () {
      const { begin, begun, end, told } = yield* setUp((question) => question.clientContext!.subnet![4]! > 3)
      for (let i = 0; i < 12; i++) begin(from(i))
      assert.strictEqual(told.size, 0)
      end(0)
      assert.strictEqual(told.size, 9)
      assert.strictEqual([...told.values()].filter(Exit.hasDies).length, 8)
      begin(from(2))
      assert.strictEqual(begun.length, 5)
    }).pipe(Effect.scoped)
  )
})
