import { assert, describe, it } from "@effect/vitest"
import { usageAt } from "../../../src/cache/table/hash-index.ts"
import { type ShardMemory, TableMemory, UNIT } from "../../../src/cache/table/memory.ts"
import { AnswerTable } from "../../../src/cache/table/table.ts"
import { seeded } from "../../support/wire/messages.ts"
import { answerTo, find, isSame, questionOf, settableClock, store, tableOf } from "./derived.ts"

describe("a damaged table", () => {
  it("serves nothing of an entry of which any octet is wrong", () => {
    const table = tableOf(1)
    const question = questionOf(1)
    const length = 92
    store(table, question, answerTo(question, length))
    const { memory } = table
    const shards = Array.from({ length: memory.shards }, (_, shard) => memory.shardMemory(shard))
    const first = memory.layout.mainStart * UNIT
    const { octets } = shards.find((shard) => shard.octets[first] !== 0)!
    for (let at = first; at < first + 28 + length; at++) {
      for (const flip of [1, 0x80, 0xff]) {
        octets[at]! ^= flip
        assert.isUndefined(find(table, question), `octet ${at - first}`)
        octets[at]! ^= flip
      }
    }
    assert.isTrue(isSame(find(table, question)!, answerTo(question, length)))
  })

  it("serves only what is right, and goes on taking answers, whatever is in the memory", () => {
    const random = seeded(5)
    for (let round = 0; round < 30; round++) {
      const table = tableOf(1)
      const { memory } = table
      const put = (number: number): void => {
        const question = questionOf(number)
        store(table, question, answerTo(question, 40 + random(3_000)))
      }
      for (let i = 0; i < 300; i++) put(i)
      for (let shard = 0; shard < memory.shards; shard++) {
        const { octets, words } = memory.shardMemory(shard)
        // Behind the lock and the count of flushes: positions, slots, usage, ghost queue, entries.
        for (let i = 0; i < 300; i++) octets[8 + random(octets.length - 8)] = random(256)
        // Every entry's size and length, and the usage that lets it move.
        if (round % 3 === 1) {
          for (let slotAt = 32; slotAt < 32 * memory.layout.buckets; slotAt++) {
            const at = (words[slotAt]! & 0x3fffff) << 1
            if (slotAt % 16 >= 12 || at === 0) continue
            words[at + random(2) * 4]! ^= 1 << random(16)
            octets[usageAt(slotAt)] = 3
          }
        }
        if (round % 3 === 0) octets.fill(random(256), 8, 8 + random(octets.length - 8))
      }
      for (let i = 0; i < 300; i++) {
        const found = find(table, questionOf(i))
        if (found !== undefined) assert.isTrue(isSame(found, answerTo(questionOf(i), found.length)))
      }
      for (let i = 0; i < 600; i++) put(random(1_000))
      for (let i = 0; i < 1_000; i++) {
        const found = find(table, questionOf(i))
        if (found !== undefined) assert.isTrue(isSame(found, answerTo(questionOf(i), found.length)))
      }
    }
  })
})

describe("a table whose memory is all one octet behind its locks", () => {
  for (const octet of [0, 1, 0x7f, 0x80, 0xff]) {
    it(`takes answers again, and serves them (${octet})`, () => {
      const table = tableOf(1)
      const { memory } = table
      for (let i = 0; i < 300; i++) store(table, questionOf(i), answerTo(questionOf(i), 300))
      for (let shard = 0; shard < memory.shards; shard++) memory.shardMemory(shard).octets.fill(octet, 8)
      let served = 0
      for (let i = 0; i < 2_000; i++) {
        store(table, questionOf(i), answerTo(questionOf(i), 300))
        const found = find(table, questionOf(i))
        if (found === undefined) continue
        assert.isTrue(isSame(found, answerTo(questionOf(i), 300)))
        served++
      }
      // The first of each shard are written where the damage says.
      assert.isAbove(served, 1_900)
    })
  }
})

describe("a store that ends between any two of its writes", () => {
  it("leaves a table that serves what is right, and takes answers once its lock is freed", () => {
    const { clock } = settableClock()
    const memory = new FailingMemory(TableMemory.create(1, clock).buffer)
    const dying = new AnswerTable(memory, 1, clock, () => {})
    const honest = new AnswerTable(new TableMemory(memory.buffer), 2, clock, () => {})
    const shared = new Uint8Array(memory.buffer)
    const random = seeded(2)
    /** What is kept of each name. */
    const kept = Array.from({ length: 350 }, (_, i) => answerTo(questionOf(i), 300))
    const questions = kept.map((_, i) => questionOf(i))
    const put = (table: AnswerTable, number: number, answer: Uint8Array): boolean =>
      store(table, questions[number]!, answer)

    /** Checks all that is served: as it was stored last, or as the store that ended would have stored it. */
    const served = (number: number, answer: Uint8Array): number => {
      let count = 0
      for (const [i, before] of kept.entries()) {
        const found = find(honest, questions[i]!)
        if (found === undefined) continue
        const isRight = isSame(found, before) || (i === number && isSame(found, answer))
        assert.isTrue(isRight, `name ${i} after a store of ${number}`)
        count++
      }
      return count
    }

    const tryEveryEnd = (number: number, answer: Uint8Array): void => {
      const before = shared.slice()
      const servedBefore = served(number, answer)
      let isDone = false
      for (let writes = 0; !isDone; writes++) {
        memory.writesLeft = writes
        try {
          put(dying, number, answer)
          isDone = true
        } catch (error) {
          assert.instanceOf(error, Died)
        }
        memory.writesLeft = Number.POSITIVE_INFINITY
        // What may be gone is what had to leave for it, and itself.
        assert.isAtLeast(served(number, answer), servedBefore - 30)
        honest.recover(1)
        put(honest, number, answer)
        assert.isTrue(isSame(find(honest, questions[number]!)!, answer))
        if (writes % 8 === 0) {
          for (let i = 0; i < 40; i++) {
            const other = random(kept.length)
            put(honest, other, other === number ? answer : kept[other]!)
          }
          assert.isAbove(served(number, answer), 10)
        }
        shared.set(before)
      }
    }

    for (let step = 0; step < 600; step++) {
      const number = random(2) === 0 ? random(40) : random(kept.length)
      const length = random(3) === 0 ? 40 + random(1_500) : kept[number]!.length
      const answer = answerTo(questions[number]!, length, step + 1)
      if (step === 400) {
        honest.flushAll()
        // What nobody stored: nothing from before may be served.
        for (const [i, question] of questions.entries()) kept[i] = answerTo(question, 300, -1)
      }
      // Most steps only bring the table into another state; of some every end is tried.
      if (step > 200 && step % 32 === 16) tryEveryEnd(number, answer)
      put(honest, number, answer)
      kept[number] = answer
    }
  }, 120_000)
})

class Died extends Error {}

/** Memory in whose shards only so many more writes come to pass. */
class FailingMemory extends TableMemory {
  writesLeft = Number.POSITIVE_INFINITY

  override shardMemory(shard: number): ShardMemory {
    const memory = super.shardMemory(shard)
    return {
      ...memory,
      words: this.guard(memory.words),
      octets: this.guard(memory.octets),
      ghostQueue: this.guard(memory.ghostQueue)
    }
  }

  private guard<A extends Int32Array | Uint8Array | Uint16Array>(cells: A): A {
    return new Proxy(cells, {
      get: (target, property) => Reflect.get(target, property),
      set: (target, property, value) => {
        if (this.writesLeft-- <= 0) throw new Died()
        return Reflect.set(target, property, value)
      }
    })
  }
}
