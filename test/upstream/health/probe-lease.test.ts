import { assert, describe, it } from "@effect/vitest"
import { LEASE_MS, ProbeLease } from "../../../src/upstream/health/probe-lease.ts"
import { ownState } from "../../../src/upstream/health/shared-state.ts"

const threads = (): { readonly one: ProbeLease; readonly other: ProbeLease; readonly successor: ProbeLease } => {
  const state = ownState()
  return { one: new ProbeLease(state, 1), other: new ProbeLease(state, 2), successor: new ProbeLease(state, 1) }
}

describe("ProbeLease", () => {
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
    assert.isTrue(one.renew(1_500))
    assert.isFalse(other.claim(1_499 + LEASE_MS))
    assert.isTrue(other.claim(1_500 + LEASE_MS))
    assert.isFalse(one.renew(1_500 + LEASE_MS), "a thread that was only slow knows that it has lost it")
  })

  it("is at once that of the thread which takes the dead one's place", () => {
    const { one, successor } = threads()
    one.claim(1_000)
    assert.isTrue(successor.isOurs)
    assert.isTrue(successor.claim(1_001))
  })
})
