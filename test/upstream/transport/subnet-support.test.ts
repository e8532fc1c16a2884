import { assert, describe, it } from "@effect/vitest"
import { SubnetSupport } from "../../../src/upstream/transport/subnet-support.ts"

const HOUR_MS = 3_600_000

const without = (support: SubnetSupport, times: number, nowMs = 0): void => {
  for (let i = 0; i < times; i++) support.onAnswer(false, nowMs)
}

describe("whether an upstream takes account of clients' networks", () => {
  it("is not known at first; ten answers in a row without the option say that it does not", () => {
    const support = new SubnetSupport()
    assert.isFalse(support.areUnknown)
    without(support, 9)
    assert.isFalse(support.areUnknown)
    without(support, 1)
    assert.isTrue(support.areUnknown)
  })

  it("is known of one that has given the option back once, whatever comes without it within an hour", () => {
    const support = new SubnetSupport()
    without(support, 50)
    support.onAnswer(true, 1_000)
    assert.isFalse(support.areUnknown)
    without(support, 1_000, 1_000 + HOUR_MS - 1)
    assert.isFalse(support.areUnknown)
    support.onAnswer(true, HOUR_MS)
    without(support, 1_000, 2 * HOUR_MS - 1)
    assert.isFalse(support.areUnknown)
    without(support, 9, 2 * HOUR_MS)
    assert.isFalse(support.areUnknown)
    without(support, 1, 2 * HOUR_MS)
    assert.isTrue(support.areUnknown)
  })
})
