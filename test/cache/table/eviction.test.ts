import { assert, describe, it } from "@effect/vitest"
import { seeded } from "../../support/wire/messages.ts"
import { answerTo, find, questionOf, settableClock, store, tableOf } from "./derived.ts"

const MIB = 1024 * 1024
const LENGTH = 90

describe("the table's eviction", () => {
  it("takes no more than 140 octets for an answer of 90, all in", () => {
    const table = tableOf(MIB)
    const { capacity } = table.statistics()
    // In a table as small as this its two shards are not equally full.
    const names = Math.floor(capacity / 140)
    for (let i = 0; i < names; i++) store(table, questionOf(1_000_000 + i), answerTo(questionOf(1_000_000 + i), LENGTH))
    let found = 0
    for (let i = 0; i < names; i++) if (find(table, questionOf(1_000_000 + i)) !== undefined) found++
    assert.isAbove(found / names, 0.98)
  })

  it("gives nine tenths of the memory to answers of 1,200 octets", () => {
    const table = tableOf(4 * MIB)
    for (let i = 0; i < 8_000; i++) store(table, questionOf(i), answerTo(questionOf(i), 1_200))
    const { entries, bytes, capacity } = table.statistics()
    assert.isAbove((entries * 1_200) / capacity, 0.89)
    assert.isAtMost(bytes, capacity)
  })

  it("never takes more octets than it has, and counts who leaves", () => {
    let left = 0
    const table = tableOf(MIB, undefined, () => left++)
    const random = seeded(3)
    for (let i = 0; i < 20_000; i++) {
      store(table, questionOf(i), answerTo(questionOf(i), 40 + random(2_000)))
      assert.isAtMost(table.statistics().bytes, MIB)
    }
    const { entries, evictions, stores } = table.statistics()
    assert.strictEqual(evictions, left)
    assert.strictEqual(stores - evictions, entries)
  })

  it("keeps what is asked for through a scan that is many times as large", () => {
    const table = tableOf(MIB)
    const popular = Array.from({ length: 1_000 }, (_, i) => questionOf(i))
    for (const question of popular) store(table, question, answerTo(question, LENGTH))
    for (let i = 0; i < 80_000; i++) {
      const once = questionOf(1_000 + i)
      store(table, once, answerTo(once, LENGTH))
      find(table, popular[i % popular.length]!)
    }
    const kept = popular.filter((question) => find(table, question) !== undefined)
    assert.isAbove(kept.length, 990)
  })

  it("has a better hit ratio than first in, first out, and far better where names are scanned", () => {
    for (const scanned of [0, 3]) {
      const ratios = hitRatios(scanned)
      assert.isAbove(ratios.table, ratios.fifo + (scanned === 0 ? 0.03 : 0.08))
    }
  })

  it("lets go first of answers whose life is over", () => {
    const { clock, advance } = settableClock()
    const table = tableOf(MIB, clock)
    const dead = Array.from({ length: 500 }, (_, i) => questionOf(i))
    for (const question of dead) store(table, question, answerTo(question, LENGTH), 1)
    for (const question of dead) find(table, question)
    advance(2_000)
    table.refresh()
    // As many rounds through the main ring as their frequency would have earned them.
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 30_000; i++) {
        const question = questionOf(1_000 + (i % 15_000))
        if (find(table, question) === undefined) store(table, question, answerTo(question, LENGTH))
      }
    }
    assert.strictEqual(dead.filter((question) => find(table, question) !== undefined).length, 0)
  })
})

/** Names by Zipf's law, and `scanned` of ten that are asked once and never again. */
const hitRatios = (scanned: number): { readonly table: number; readonly fifo: number } => {
  const names = 50_000
  const queries = 150_000
  const random = seeded(11)
  const zipf = zipfOf(names, random)
  const table = tableOf(MIB)
  const room = Math.floor(MIB / 129)
  const fifo = new Set<number>()
  const order: Array<number> = []
  let asked = 0
  let ofTable = 0
  let ofFifo = 0
  for (let i = 0; i < queries; i++) {
    const isScan = random(10) < scanned
    const number = isScan ? names + i : zipf()
    const question = questionOf(number)
    const isHit = find(table, question) !== undefined
    if (!isHit) store(table, question, answerTo(question, LENGTH))
    const isFifoHit = fifo.has(number)
    if (!isFifoHit) {
      fifo.add(number)
      order.push(number)
      if (order.length > room) fifo.delete(order[order.length - 1 - room]!)
    }
    if (isScan || i < queries / 3) continue
    asked++
    if (isHit) ofTable++
    if (isFifoHit) ofFifo++
  }
  return { table: ofTable / asked, fifo: ofFifo / asked }
}

const zipfOf = (names: number, random: (below: number) => number): (() => number) => {
  const sums = new Float64Array(names)
  let sum = 0
  for (let i = 0; i < names; i++) {
    sum += 1 / (i + 1)
    sums[i] = sum
  }
  return () => {
    const at = (random(2 ** 31) / 2 ** 31) * sum
    let low = 0
    let high = names - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (sums[middle]! < at) low = middle + 1
      else high = middle
    }
    return low
  }
}
