import { assert, describe, it } from "@effect/vitest"
import { isAtOrBelow, isName } from "../../../src/cache/table/flush.ts"
import type { AnswerTable } from "../../../src/cache/table/table.ts"
import type { Question } from "../../../src/dns/question.ts"
import { asked, wireName } from "../../support/wire/messages.ts"
import { answerTo, find, isSame, questionOf, store, tableOf } from "./derived.ts"

const MIB = 1024 * 1024

const isKept = (table: AnswerTable, question: Question, view = 0): boolean => find(table, question, view) !== undefined

/** Runs to the end what works in slices, and says how many they were. */
const run = <A>(slices: Generator<void, A>): { readonly result: A; readonly slices: number } => {
  for (let count = 1; ; count++) {
    const step = slices.next()
    if (step.done === true) return { result: step.value, slices: count }
  }
}

describe("flushing", () => {
  it("forgets a name with all its types, flags and views, and no other name", () => {
    const table = tableOf(MIB)
    const gone = [
      asked("www.example.com"),
      asked("www.example.com", 28),
      asked("www.example.com", 1, { dnssecOk: true }),
      asked("www.example.com", 1, { cd: true })
    ]
    const stays = [asked("example.com"), asked("a.www.example.com"), asked("vvw.example.com"), asked("www.example.org")]
    for (const question of [...gone, ...stays]) store(table, question, answerTo(question, 120))
    store(table, gone[0]!, answerTo(gone[0]!, 120), 60, 77)
    assert.strictEqual(run(table.flush(isName(wireName("www.example.com")))).result, 5)
    for (const question of gone) assert.isFalse(isKept(table, question))
    assert.isFalse(isKept(table, gone[0]!, 77))
    for (const question of stays) assert.isTrue(isKept(table, question))
    assert.strictEqual(table.statistics().entries, stays.length)
  })

  it("forgets a name and all below it", () => {
    const table = tableOf(MIB)
    const gone = [asked("example.com"), asked("www.example.com"), asked("a.b.c.example.com", 28)]
    const stays = [asked("com"), asked("example.org"), asked("badexample.com"), asked("example.com.test"), asked(".")]
    for (const question of [...gone, ...stays]) store(table, question, answerTo(question, 120))
    assert.strictEqual(run(table.flush(isAtOrBelow(wireName("example.com")))).result, gone.length)
    for (const question of gone) assert.isFalse(isKept(table, question))
    for (const question of stays) assert.isTrue(isKept(table, question))
    assert.strictEqual(run(table.flush(isAtOrBelow(wireName(".")))).result, stays.length)
    assert.deepInclude(table.statistics(), { entries: 0, bytes: 0 })
  })

  it("takes a label's octets for what they are, not for the end of another name", () => {
    const table = tableOf(MIB)
    // One label that holds the octets of `\3com\0`.
    const disguised = { ...asked("a"), name: Uint8Array.of(6, 120, 3, 99, 111, 109, 0, 0) }
    store(table, disguised, answerTo(disguised, 60))
    assert.strictEqual(run(table.flush(isAtOrBelow(wireName("com")))).result, 0)
    assert.isTrue(isKept(table, disguised))
  })

  it("goes in slices, and leaves alone what is stored behind them", () => {
    const table = tableOf(16 * MIB)
    for (let i = 0; i < 50_000; i++) store(table, questionOf(i), answerTo(questionOf(i), 120))
    const slices = table.flush(isAtOrBelow(wireName("derived.test")))
    for (let i = 0; i < 15; i++) slices.next()
    for (let i = 0; i < 50; i++) store(table, questionOf(100_000 + i), answerTo(questionOf(100_000 + i), 120))
    assert.isAbove(run(slices).slices, 10)
    for (let i = 0; i < 50_000; i++) assert.isFalse(isKept(table, questionOf(i)))
    const kept = Array.from({ length: 50 }, (_, i) => questionOf(100_000 + i)).filter((q) => isKept(table, q))
    assert.isAbove(kept.length, 5)
  })

  it("waits for a thread that is writing", () => {
    const table = tableOf(MIB)
    const question = questionOf(1)
    store(table, question, answerTo(question, 120))
    const { lock } = table.memory.shardMemory(0)
    lock[0] = 2
    const slices = table.flush(isName(question.name))
    for (let i = 0; i < 10; i++) assert.isFalse(slices.next().done)
    lock[0] = 0
    assert.strictEqual(run(slices).result, 1)
  })

  it("voids all there is at once, and uses its room for what comes", () => {
    const table = tableOf(MIB)
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 20_000; i++) {
        const question = questionOf(i)
        store(table, question, answerTo(question, 120, round))
        assert.isTrue(isSame(find(table, question)!, answerTo(question, 120, round)))
      }
      const { entries } = table.statistics()
      assert.isAbove(entries, 6_000)
      table.flushAll()
      assert.deepInclude(table.statistics(), { entries: 0, bytes: 0 })
      for (let i = 0; i < 20_000; i++) assert.isFalse(isKept(table, questionOf(i)))
    }
  })
})
