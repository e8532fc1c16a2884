import { assert, describe, it } from "@effect/vitest"
import { Breaker, SILENCE } from "../../../src/upstream/health/breaker.ts"
import { ownState } from "../../../src/upstream/health/shared-state.ts"

const SERVFAIL = 2

/** Whether the last of so many failures made it suspect. */
const fail = (breaker: Breaker, times: number, nowMs: number, fault = SILENCE): boolean => {
  let isSuspect = false
  for (let i = 0; i < times; i++) isSuspect = breaker.onFailure(nowMs, fault)
  return isSuspect
}

const opened = (nowMs: number, fault = SILENCE): Breaker => {
  const breaker = new Breaker()
  fail(breaker, 5, nowMs, fault)
  breaker.open(nowMs)
  return breaker
}

describe("Breaker", () => {
  it("is suspect when five questions failed in a row, and stays closed until it was checked", () => {
    const breaker = new Breaker()
    assert.isFalse(fail(breaker, 4, 1_000))
    assert.isTrue(fail(breaker, 1, 1_000))
    assert.isTrue(breaker.isClosed)
    breaker.open(1_000)
    assert.isFalse(breaker.isClosed)
  })

  it("is not suspect while something was answered well a moment ago", () => {
    const breaker = new Breaker()
    breaker.onGoodAnswer(1_000)
    assert.isFalse(fail(breaker, 50, 1_500))
    assert.isTrue(fail(breaker, 1, 1_501))
  })

  it("begins to count anew after a good answer", () => {
    const breaker = new Breaker()
    fail(breaker, 4, 1_000)
    breaker.onGoodAnswer(1_000)
    assert.isFalse(fail(breaker, 4, 9_000))
  })

  it("takes an error that is nobody's fault for a sign of life, and not for a good answer", () => {
    const silent = new Breaker()
    fail(silent, 4, 1_000)
    silent.onError(1_000)
    assert.isFalse(fail(silent, 1, 1_000))
    const wrong = new Breaker()
    fail(wrong, 4, 1_000, SERVFAIL)
    wrong.onError(1_000)
    assert.isTrue(fail(wrong, 1, 1_000, SERVFAIL))
  })

  it("is tried no more once a trial finds it silent", () => {
    const breaker = opened(1_000, SERVFAIL)
    breaker.beginTrial(2_500)
    breaker.onFailure(3_300, SILENCE)
    for (let nowMs = 3_300; nowMs < 60_000; nowMs += 100) assert.isFalse(breaker.mayTry(nowMs))
    // Silence in a trial is no word on the error that it was opened for.
    assert.strictEqual(breaker.fault, SERVFAIL)
    breaker.onHeard()
    assert.isTrue(breaker.mayTry(60_000))
  })

  it("is tried with a client's question while it answers with errors, every now and then", () => {
    const breaker = opened(1_000, SERVFAIL)
    assert.isFalse(breaker.mayTry(2_499))
    assert.isTrue(breaker.mayTry(2_500))
    breaker.beginTrial(2_500)
    assert.isFalse(breaker.mayTry(2_500))
    breaker.onFailure(2_510, SERVFAIL)
    assert.isFalse(breaker.mayTry(4_009))
    assert.isTrue(breaker.mayTry(4_010))
  })

  it("is left to the probes while it is silent", () => {
    const breaker = opened(1_000)
    for (const nowMs of [1_000, 3_500, 9_000, 90_000]) assert.isFalse(breaker.mayTry(nowMs))
  })

  it("closes when the trial is answered, stays open when it fails or ends undecided", () => {
    const good = opened(1_000)
    good.beginTrial(2_600)
    good.onGoodAnswer(2_600)
    assert.isTrue(good.isClosed)
    const bad = opened(1_000)
    bad.beginTrial(2_600)
    bad.onFailure(2_600, SILENCE)
    assert.strictEqual(bad.state, "Open")
    const undecided = opened(1_000, SERVFAIL)
    undecided.beginTrial(2_600)
    undecided.onUndecided()
    assert.isTrue(undecided.mayTry(3_600))
  })
})

describe("a breaker that threads have in common", () => {
  /** Two threads' views of one upstream, and what each was told to publish. */
  const shared = (): { readonly one: Breaker; readonly other: Breaker; readonly said: ReadonlyArray<string> } => {
    const state = ownState()
    const said: Array<string> = []
    return {
      one: new Breaker(state, (to) => said.push(`one ${to}`)),
      other: new Breaker(state, (to) => said.push(`other ${to}`)),
      said
    }
  }

  it("counts the failures that all of them see", () => {
    const { one, other } = shared()
    assert.isFalse(fail(one, 3, 1_000))
    assert.isFalse(fail(other, 1, 1_000))
    assert.isTrue(fail(one, 1, 1_000))
    other.onGoodAnswer(1_000)
    assert.isFalse(fail(one, 4, 9_000))
  })

  it("is open, and closed, for all of them at once; who made it so publishes it, once", () => {
    const { one, other, said } = shared()
    one.open(1_000)
    assert.isFalse(other.isClosed)
    other.open(1_001)
    other.onGoodAnswer(2_000)
    one.onGoodAnswer(2_001)
    assert.isTrue(one.isClosed)
    assert.deepStrictEqual(said, ["one Open", "other Closed"])
  })

  it("stays closed where one finds it broken that another has just found well", () => {
    const { one, other } = shared()
    one.open(1_000)
    other.onGoodAnswer(2_000)
    one.remainOpen(2_000)
    assert.isTrue(one.isClosed)
  })

  it("lets one of them send a trial at a time", () => {
    const { one, other } = shared()
    fail(one, 5, 1_000, SERVFAIL)
    one.open(1_000)
    assert.isTrue(other.mayTry(2_500))
    one.beginTrial(2_500)
    assert.isFalse(other.mayTry(2_500))
  })

  it("is tried again after a trial whose end nobody tells: the thread that began it has died", () => {
    const { one, other, said } = shared()
    fail(one, 5, 1_000, SERVFAIL)
    one.open(1_000)
    one.beginTrial(4_000)
    assert.isFalse(other.mayTry(8_999))
    assert.isTrue(other.mayTry(9_000))
    other.beginTrial(9_000)
    assert.isFalse(other.mayTry(9_000))
    other.onGoodAnswer(9_010)
    assert.isTrue(one.isClosed)
    assert.deepStrictEqual(said, ["one Open", "other Closed"])
  })
})
