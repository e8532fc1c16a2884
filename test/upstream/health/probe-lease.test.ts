import { assert, describe, it } from "@effect/vitest"
import { WATCH_MS, Watch } from "../../../src/upstream/health/probe-lease.ts"
import { ownCells } from "../../../src/upstream/health/shared-state.ts"

const threads = (): { readonly one: Watch; readonly other: Watch; readonly successor: Watch } => {
  const cells = ownCells()
  return { one: new Watch(cells, 1), other: new Watch(cells, 2), successor: new Watch(cells, 1) }
}

describe("Watch", () => {
  it("is one thread's at a time, until that gives it back", () => {
    const { one, other } = threads()
    assert.isTrue(one.claim(1_000))
    assert.isFalse(other.claim(1_000))
    other.release()
    assert.isTrue(one.isOurs)
    one.release()
    assert.isTrue(other.claim(1_000))
    assert.isFalse(one.isOurs)
  })

  it("goes to another thread when its holder has shown no sign of life for a second", () => {
    const { one, other } = threads()
    one.claim(1_000)
    assert.isTrue(one.keep(1_500))
    assert.isFalse(other.claim(1_499 + WATCH_MS))
    assert.isTrue(other.claim(1_500 + WATCH_MS))
    assert.isFalse(one.keep(1_500 + WATCH_MS), "a thread that was only slow knows that it has lost it")
  })

  it("is at once that of the thread which takes the dead one's place", () => {
    const { one, successor } = threads()
    one.claim(1_000)
    assert.isTrue(successor.isOurs)
    assert.isTrue(successor.claim(1_001))
  })
})
