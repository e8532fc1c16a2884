import { assert, describe, it } from "@effect/vitest"
import { SHAPE, sizeOf } from "../../../src/cache/table/entry.ts"
import { Ring } from "../../../src/cache/table/ring.ts"
import { seeded } from "../../support/wire/messages.ts"

const START = 10
const END = 510

const ringOf = (): { readonly words: Int32Array; readonly ring: Ring } => {
  const words = new Int32Array(END * 2)
  words.fill(START, 0, 2)
  return { words, ring: new Ring(words, 0, 1, START, END) }
}

describe("Ring", () => {
  it("holds entries of all sizes in order, never over one another, and lets go the oldest", () => {
    const { words, ring } = ringOf()
    const random = seeded(9)
    const held: Array<{ readonly unit: number; readonly units: number }> = []
    for (let i = 0; i < 20_000; i++) {
      const units = 1 + random(random(20) === 0 ? ring.largest : 40)
      let unit = ring.place(units)
      while (unit === 0) {
        const oldest = ring.oldest()
        if (oldest !== 0) {
          const { unit: expected } = held.shift()!
          assert.strictEqual(oldest, expected)
          assert.isTrue(ring.contains(oldest))
          ring.drop(oldest)
        }
        unit = ring.place(units)
      }
      assert.isAtLeast(unit, START)
      assert.isAtMost(unit + units, END)
      for (const other of held) assert.isTrue(unit + units <= other.unit || other.unit + other.units <= unit)
      words[(unit << 1) + SHAPE] = (1 << 16) | units
      ring.push(unit, units)
      held.push({ unit, units })
    }
    for (const { unit, units } of held) {
      assert.strictEqual(ring.oldest(), unit)
      assert.strictEqual(sizeOf(words[(unit << 1) + SHAPE]!), units)
      ring.drop(unit)
    }
    assert.strictEqual(ring.oldest(), 0)
  })

  it("begins anew when a size in it can only be damage", () => {
    const { words, ring } = ringOf()
    for (let i = 0; i < 4; i++) {
      const unit = ring.place(20)
      words[(unit << 1) + SHAPE] = (1 << 16) | 20
      ring.push(unit, 20)
    }
    for (const size of [0, 81, 60_000]) {
      words[(START << 1) + SHAPE] = (1 << 16) | size
      const copy = words.slice()
      ring.drop(ring.oldest())
      assert.strictEqual(ring.oldest(), 0)
      assert.strictEqual(ring.place(ring.largest), START)
      words.set(copy)
    }
  })

  it("is filling until it has been full once", () => {
    const { words, ring } = ringOf()
    let count = 0
    while (ring.isFilling(30)) {
      const unit = ring.place(30)
      words[(unit << 1) + SHAPE] = (1 << 16) | 30
      ring.push(unit, 30)
      count++
    }
    assert.strictEqual(count, 16)
    ring.drop(ring.oldest())
    assert.isFalse(ring.isFilling(1))
    ring.clear()
    assert.isTrue(ring.isFilling(30))
  })
})
