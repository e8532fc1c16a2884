import { assert, describe, it } from "@effect/vitest"
import { OpenTable } from "../../src/runtime/open-table.ts"
import { seeded } from "../support/wire/messages.ts"

interface Item {
  readonly id: number
  readonly hash: number
}

const table = (): OpenTable<Item, number> =>
  new OpenTable<Item, number>(
    ({ hash }) => hash,
    (item, id) => item.id === id
  )

describe("OpenTable", () => {
  it("holds what a Map holds, however items come and go", () => {
    const random = seeded(7)
    const items = table()
    const model = new Map<number, Item>()
    for (let step = 0; step < 50_000; step++) {
      const id = random(600)
      const hash = id % 97
      const present = model.get(id)
      assert.strictEqual(items.get(hash, id), present)
      if (present === undefined) {
        const item = { id, hash }
        items.add(item)
        model.set(id, item)
      } else if (random(3) > 0) {
        assert.isTrue(items.delete(present))
        model.delete(id)
      }
      assert.strictEqual(items.size, model.size)
    }
    const byId = (all: Iterable<Item>) => [...all].sort((a, b) => a.id - b.id)
    assert.deepStrictEqual(byId(items.values()), byId(model.values()))
  })

  it("finds all of many items with one hash", () => {
    const items = table()
    const all = Array.from({ length: 100 }, (_, id) => ({ id, hash: 5 }))
    for (const item of all) items.add(item)
    for (const item of all.filter(({ id }) => id % 2 === 0)) items.delete(item)
    for (const item of all) assert.strictEqual(items.get(5, item.id), item.id % 2 === 0 ? undefined : item)
  })

  it("does not mind the deletion of what is not there", () => {
    const items = table()
    assert.isFalse(items.delete({ id: 1, hash: 1 }))
    assert.strictEqual(items.size, 0)
  })
})
