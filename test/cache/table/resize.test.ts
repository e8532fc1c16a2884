import { assert, describe, it } from "@effect/vitest"
import { TableMemory } from "../../../src/cache/table/memory.ts"
import { AnswerTable } from "../../../src/cache/table/table.ts"
import { answerTo, find, isSame, keyOf, questionOf, settableClock, store, tableOf } from "./derived.ts"

const MIB = 1024 * 1024

const resize = (table: AnswerTable, octets: number, between = (): void => {}): TableMemory => {
  const slices = table.resized(octets)
  for (;;) {
    const step = slices.next()
    if (step.done === true) return step.value
    between()
  }
}

const fill = (table: AnswerTable, names: number): void => {
  for (let i = 0; i < names; i++) store(table, questionOf(i), answerTo(questionOf(i), 90))
}

describe("a table that gets another size", () => {
  it("keeps everything when it grows: answers, ages, hashes and counts", () => {
    const { clock, advance } = settableClock()
    const table = tableOf(MIB, clock)
    fill(table, 5_000)
    advance(30_000)
    table.refresh()
    const numbers = Array.from({ length: 5_000 }, (_, i) => i)
    const kept = numbers.filter((i) => find(table, questionOf(i)) !== undefined)
    assert.isAbove(kept.length, 4_990)
    const before = table.statistics()
    const { hash } = keyOf(table, questionOf(1))
    table.adopt(resize(table, 8 * MIB))
    advance(5_000)
    table.refresh()
    assert.deepStrictEqual({ ...table.statistics(), capacity: before.capacity }, before)
    assert.isAbove(table.statistics().capacity, 7 * MIB)
    assert.strictEqual(keyOf(table, questionOf(1)).hash, hash)
    for (const i of kept) {
      const found = find(table, questionOf(i))!
      assert.isTrue(isSame(found, answerTo(questionOf(i), 90)))
      assert.deepInclude(found, { ageSeconds: 35, remainingSeconds: 3_565 })
    }
  })

  it("keeps what is asked for most when it shrinks", () => {
    const table = tableOf(4 * MIB)
    fill(table, 30_000)
    for (let i = 0; i < 30_000; i += 10) {
      for (let times = 0; times < 3; times++) find(table, questionOf(i))
    }
    table.adopt(resize(table, MIB))
    let popular = 0
    let others = 0
    for (let i = 0; i < 30_000; i++) {
      const found = find(table, questionOf(i))
      if (found === undefined) continue
      assert.isTrue(isSame(found, answerTo(questionOf(i), 90)))
      if (i % 10 === 0) popular++
      else others++
    }
    assert.isAbove(popular, 2_950)
    assert.isAbove(others, 2_000)
  })

  it("keeps what is past its life only where there is room left", () => {
    const { clock, advance } = settableClock()
    const table = tableOf(4 * MIB, clock)
    for (let i = 0; i < 15_000; i++) store(table, questionOf(i), answerTo(questionOf(i), 90), 10)
    advance(11_000)
    table.refresh()
    for (let i = 15_000; i < 20_000; i++) store(table, questionOf(i), answerTo(questionOf(i), 90))
    table.adopt(resize(table, MIB))
    let stale = 0
    for (let i = 0; i < 15_000; i++) if (find(table, questionOf(i)) !== undefined) stale++
    assert.isAbove(stale, 1_000)
    assert.isBelow(stale, 3_000)
    let alive = 0
    for (let i = 15_000; i < 20_000; i++) if ((find(table, questionOf(i))?.remainingSeconds ?? 0) > 0) alive++
    assert.isAbove(alive, 4_980)
  })

  it("serves and stores while it is carried over, and other threads follow when they like", () => {
    const { clock } = settableClock()
    const table = tableOf(4 * MIB, clock)
    const other = new AnswerTable(new TableMemory(table.memory.buffer), 2, clock, () => {})
    fill(table, 20_000)
    let slices = 0
    const memory = resize(table, 2 * MIB, () => {
      slices++
      const question = questionOf(100_000 + slices)
      store(other, question, answerTo(question, 90))
      assert.isTrue(isSame(find(table, question)!, answerTo(question, 90)))
    })
    assert.isAbove(slices, 10)
    table.adopt(memory)
    for (let i = 0; i < 20_000; i++) {
      for (const each of [table, other]) {
        const found = find(each, questionOf(i))
        if (found !== undefined) assert.isTrue(isSame(found, answerTo(questionOf(i), 90)))
      }
    }
    other.adopt(new TableMemory(memory.buffer))
    store(other, questionOf(200_000), answerTo(questionOf(200_000), 90))
    assert.isTrue(isSame(find(table, questionOf(200_000))!, answerTo(questionOf(200_000), 90)))
    const { hits, misses } = table.statistics()
    assert.strictEqual(hits + misses, slices + 40_000 + 1)
  })

  it("carries over nothing that was flushed meanwhile", () => {
    const table = tableOf(4 * MIB)
    fill(table, 20_000)
    let slices = 0
    table.adopt(
      resize(table, 4 * MIB, () => {
        if (++slices === 10) table.flushAll()
      })
    )
    for (let i = 0; i < 20_000; i++) assert.isUndefined(find(table, questionOf(i)))
  })
})
