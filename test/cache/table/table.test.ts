import { assert, describe, it } from "@effect/vitest"
import { TableMemory } from "../../../src/cache/table/memory.ts"
import { AnswerTable } from "../../../src/cache/table/table.ts"
import { MAX_MESSAGE_SIZE } from "../../../src/dns/wire.ts"
import { asked, seeded } from "../../support/wire/messages.ts"
import { answerTo, find, isSame, keyOf, octetsOf, questionOf, settableClock, store, tableOf } from "./derived.ts"

const MIB = 1024 * 1024

describe("AnswerTable", () => {
  it("gives back what was stored, whatever its length", () => {
    const table = tableOf(4 * MIB)
    const lengths = [...Array.from({ length: 64 }, (_, i) => 40 + i), 512, 1_232, 4_096, 20_000, MAX_MESSAGE_SIZE]
    for (const [i, length] of lengths.entries()) {
      const question = questionOf(i)
      store(table, question, answerTo(question, length))
    }
    for (const [i, length] of lengths.entries()) {
      const question = questionOf(i)
      assert.deepStrictEqual(octetsOf(find(table, question)!), answerTo(question, length))
    }
  })

  it("keeps the largest answer in the smallest table", () => {
    const table = tableOf(1)
    const question = questionOf(1)
    for (let i = 0; i < 20; i++) {
      const other = questionOf(100 + i)
      store(table, other, answerTo(other, MAX_MESSAGE_SIZE))
      store(table, question, answerTo(question, MAX_MESSAGE_SIZE))
      assert.isTrue(isSame(find(table, question)!, answerTo(question, MAX_MESSAGE_SIZE)))
    }
    assert.isAtMost(table.statistics().capacity, 256 * 1024)
  })

  it("keeps names of every length apart, up to 255 octets", () => {
    const table = tableOf(4 * MIB)
    const names = Array.from({ length: 125 }, (_, i) => `${"a.".repeat(i)}b`)
    const questions = [...names, ...names.map((name) => name.replace(/b$/, "c"))].map((name) => asked(name))
    for (const question of questions) store(table, question, answerTo(question, 400))
    for (const question of questions) assert.isTrue(isSame(find(table, question)!, answerTo(question, 400)))
    assert.isUndefined(find(table, asked(`${"a.".repeat(125)}b`)))
  })

  it("keeps views apart", () => {
    const table = tableOf(MIB)
    const question = questionOf(1)
    store(table, question, answerTo(question, 90, 1), 60, 0)
    store(table, question, answerTo(question, 90, 2), 60, 0x7fff_ffff)
    store(table, question, answerTo(question, 90, 3), 60, -5)
    for (const [view, version] of [
      [0, 1],
      [0x7fff_ffff, 2],
      [-5, 3]
    ] as const) {
      assert.deepStrictEqual(octetsOf(find(table, question, view)!), answerTo(question, 90, version))
    }
    assert.isUndefined(find(table, question, 5))
  })

  it("replaces an answer by a shorter, an equal and a longer one, and counts one answer", () => {
    const table = tableOf(MIB)
    const question = questionOf(1)
    for (const [version, length] of [90, 90, 88, 60, 500, 499, 4_000, 60, 60].entries()) {
      store(table, question, answerTo(question, length, version))
      assert.deepStrictEqual(octetsOf(find(table, question)!), answerTo(question, length, version))
      const { entries, bytes } = table.statistics()
      assert.strictEqual(entries, 1)
      assert.isAtLeast(bytes, length)
      assert.isAtMost(bytes, (length + 40) * 1.34)
    }
  })

  it("leaves an answer in place when its life is over, and takes it for a miss", () => {
    const { clock, advance } = settableClock()
    const table = tableOf(MIB, clock)
    const question = questionOf(1)
    store(table, question, answerTo(question, 90), 10)
    advance(9_900)
    table.refresh()
    assert.deepInclude(find(table, question)!, { ageSeconds: 9, remainingSeconds: 1 })
    advance(100)
    table.refresh()
    assert.deepInclude(find(table, question)!, { ageSeconds: 10, remainingSeconds: 0 })
    advance(86_400_000)
    table.refresh()
    assert.deepInclude(find(table, question)!, { ageSeconds: 86_410, remainingSeconds: -86_400 })
    assert.isTrue(isSame(find(table, question)!, answerTo(question, 90)))
    assert.deepInclude(table.statistics(), { hits: 1, misses: 3, stores: 1, entries: 1 })
  })

  it("lets the turn go round", () => {
    const table = tableOf(MIB)
    const question = questionOf(1)
    store(table, question, answerTo(question, 90))
    const rotations = Array.from({ length: 130 }, () => find(table, question)!.rotation)
    for (const [i, rotation] of rotations.entries()) assert.strictEqual(rotation, (i + 1) % 64)
  })

  it("serves what another thread's table stored in the same memory, by the same hash", () => {
    const { clock, advance } = settableClock()
    const memory = TableMemory.create(MIB, clock)
    const one = new AnswerTable(memory, 1, clock, () => {})
    advance(5_000)
    const two = new AnswerTable(new TableMemory(memory.buffer), 2, clock, () => {})
    const question = questionOf(1)
    assert.strictEqual(keyOf(one, question).hash, keyOf(two, question).hash)
    store(one, question, answerTo(question, 90), 60)
    advance(7_000)
    one.refresh()
    assert.deepInclude(find(two, question)!, { ageSeconds: 7, remainingSeconds: 53 })
    find(one, questionOf(2))
    for (const table of [one, two]) assert.deepInclude(table.statistics(), { hits: 1, misses: 1, stores: 1 })
  })

  it("has hashes of its own: another table's are different", () => {
    assert.notStrictEqual(keyOf(tableOf(MIB), questionOf(1)).hash, keyOf(tableOf(MIB), questionOf(1)).hash)
  })

  it("does not store where another thread is writing, and says so", () => {
    const table = tableOf(MIB)
    const { memory } = table
    for (let shard = 0; shard < memory.shards; shard++) memory.shardMemory(shard).lock[0] = 2
    const question = questionOf(1)
    store(table, question, answerTo(question, 90))
    assert.isUndefined(find(table, question))
    assert.deepInclude(table.statistics(), { stores: 0, unstored: 1 })
    table.recover(2)
    store(table, question, answerTo(question, 90))
    assert.isTrue(isSame(find(table, question)!, answerTo(question, 90)))
  })

  it("serves only what is right when it is full of answers of all sizes, again and again", () => {
    const table = tableOf(MIB)
    const random = seeded(7)
    const versions = new Map<number, { readonly length: number; readonly version: number }>()
    for (let i = 0; i < 60_000; i++) {
      const number = random(random(2) === 0 ? 300 : 30_000)
      const question = questionOf(number)
      const found = find(table, question)
      const known = versions.get(number)
      if (found !== undefined) {
        assert.isTrue(isSame(found, answerTo(question, known!.length, known!.version)), `answer ${number}`)
      }
      if (found === undefined || random(10) === 0) {
        const kept = { length: 40 + random(random(20) === 0 ? 9_000 : 300), version: i }
        versions.set(number, kept)
        store(table, question, answerTo(question, kept.length, kept.version))
        assert.isTrue(isSame(find(table, question)!, answerTo(question, kept.length, kept.version)))
      }
    }
    assert.strictEqual(table.statistics().unstored, 0)
  })
})
