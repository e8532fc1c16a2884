import { assert, describe, it } from "@effect/vitest"
import { FairQueue, Waiter } from "../../../src/query/admission/fair-queue.ts"
import { seeded } from "../../support/wire/messages.ts"

class One extends Waiter {
  readonly number: number

  constructor(number: number) {
    super()
    this.number = number
  }
}

describe("FairLine", () => {
  it("loses nobody and gives nobody twice, whoever comes, leaves and is called in whatever order", () => {
    const random = seeded(1)
    const line = new FairQueue<One>()
    const inLine = new Map<number, One>()
    let last = 0
    for (let step = 0; step < 50_000; step++) {
      const what = random(10)
      if (what < 5 && inLine.size < 300) {
        const one = new One(last++)
        inLine.set(one.number, one)
        line.push(one, random(random(2) === 0 ? 5 : 5_000), random(random(2) === 0 ? 5 : 5_000))
      } else if (what < 8) {
        const next = line.shift()
        assert.strictEqual(next !== undefined, inLine.size > 0)
        if (next !== undefined) assert.isTrue(inLine.delete(next.number))
      } else {
        const [one] = [...inLine.values()].slice(random(Math.max(1, inLine.size)))
        if (one === undefined) continue
        assert.isTrue(line.remove(one))
        assert.isFalse(line.remove(one))
        inLine.delete(one.number)
      }
      assert.strictEqual(line.length, inLine.size)
    }
  })

  it("takes no place from somebody for one who would have as much", () => {
    const line = new FairQueue<One>()
    for (let client = 1; client <= 3; client++) line.push(new One(client), 100 + client, client)
    assert.isUndefined(line.victimFor(109, 9))
    line.push(new One(4), 104, 2)
    assert.strictEqual(line.victimFor(109, 9)?.number, 4)
    assert.isUndefined(line.victimFor(109, 3))
  })
})
