import { assert, describe, it } from "@effect/vitest"
import { RetryBudget } from "../../../src/upstream/attempt/retry-budget.ts"
import { Latency, MIN_PATIENCE_MS } from "../../../src/upstream/select/latency.ts"
import { UNKNOWN_COST } from "../../../src/upstream/select/policy.ts"
import { wireName } from "../../support/wire/messages.ts"

const LIMIT = 800

/** After so many answers, a hundred a second. */
const answering = (answers: ReadonlyArray<number>): Latency => {
  const latency = new Latency()
  answers.forEach((elapsedMs, i) => {
    latency.onAnswer(elapsedMs, i * 10)
  })
  return latency
}

describe("Latency", () => {
  it("waits the limit while nothing is known", () => {
    assert.strictEqual(new Latency().patienceMs(LIMIT), LIMIT)
    assert.strictEqual(new Latency().costMs, UNKNOWN_COST)
  })

  it("takes mean and variation as RFC 6298 §2 does", () => {
    assert.strictEqual(answering([100]).patienceMs(LIMIT), 100 + 4 * 50)
    const twice = answering([100, 180])
    assert.strictEqual(twice.answerMs, 110)
    assert.strictEqual(twice.patienceMs(LIMIT), 110 + 4 * (50 + (80 - 50) / 4))
  })

  it("comes close to what is steady, never below the floor, never above the limit", () => {
    const many = (ms: number): Latency => answering(Array.from({ length: 200 }, () => ms))
    assert.strictEqual(many(3).patienceMs(LIMIT), MIN_PATIENCE_MS)
    assert.approximately(many(300).patienceMs(LIMIT), 325, 5)
    assert.strictEqual(many(5_000).patienceMs(LIMIT), LIMIT)
  })

  it("leaves the granularity of clocks between what is steady and what is late (RFC 6298 §2)", () => {
    for (const ms of [1, 27, 60, 85, 140, 200, 410]) {
      const latency = answering(Array.from({ length: 300 }, () => ms))
      assert.isAtLeast(latency.patienceMs(LIMIT), ms + 25)
      assert.isAtLeast(latency.hedgeMs, ms + 25)
    }
  })

  it("calls a connection silent after thrice what an answer may take, and never at once", () => {
    const many = (ms: number): Latency => answering(Array.from({ length: 200 }, () => ms))
    assert.strictEqual(new Latency().silenceMs(600), 600)
    assert.strictEqual(many(5).silenceMs(600), 250)
    assert.approximately(many(120).silenceMs(600), 435, 10)
    assert.strictEqual(many(300).silenceMs(600), 600)
    assert.strictEqual(many(5).silenceMs(150), 250)
  })

  it("lets silence and faults raise the cost and not the wait for answers", () => {
    const latency = answering(Array.from({ length: 100 }, () => 20))
    const patience = latency.patienceMs(LIMIT)
    latency.onSilence(10, 1_000)
    assert.approximately(latency.costMs, 20, 1)
    latency.onSilence(60, 1_010)
    assert.isAbove(latency.costMs, 24)
    latency.onFault(1_020)
    assert.isAbove(latency.costMs, 100)
    assert.strictEqual(latency.patienceMs(LIMIT), patience)
  })

  it("believes what it sees now more, the longer it saw nothing", () => {
    const latency = answering(Array.from({ length: 100 }, () => 400))
    latency.onAnswer(10, 1_000 + 60_000)
    assert.isBelow(latency.costMs, 80)
  })
})

describe("RetryBudget", () => {
  const names = Array.from({ length: 50 }, (_, i) => wireName(`www.z${i}.test`))
  const nameAt = (i: number): Uint8Array => names[i % names.length]!
  const bogus = wireName("www.bogus.test")

  it("spends its burst and no more while nothing is answered", () => {
    const budget = new RetryBudget()
    let retries = 0
    for (let i = 0; i < 10_000; i++) {
      budget.onQuestion()
      if (budget.takeRetry(nameAt(i))) retries++
    }
    assert.strictEqual(retries, 500)
  })

  it("repairs the loss of every other datagram as long as the rest is answered", () => {
    const budget = new RetryBudget()
    let withheld = 0
    for (let i = 0; i < 10_000; i++) {
      budget.onQuestion()
      if (i % 2 === 0 && !budget.takeRetry(nameAt(i))) withheld++
      budget.onAnswer(nameAt(i))
    }
    assert.strictEqual(withheld, 0)
  })

  it("gives a zone that is never answered no more than half of it, and the others what they lose", () => {
    // With this seed none of the others shares its bucket.
    const budget = new RetryBudget(1)
    let ofBogus = 0
    let withheld = 0
    for (let i = 0; i < 10_000; i++) {
      for (let n = 0; n < 10; n++) if (budget.takeRetry(bogus)) ofBogus++
      if (i % 2 === 0 && !budget.takeRetry(nameAt(i))) withheld++
      budget.onAnswer(nameAt(i))
    }
    assert.strictEqual(ofBogus, 250)
    assert.strictEqual(withheld, 0)
    assert.isFalse(budget.takeHedge(bogus))
    budget.onAnswer(bogus)
    assert.isTrue(budget.takeRetry(bogus))
  })

  it("lets a tenth of the questions be hedged, and a burst", () => {
    const budget = new RetryBudget()
    let hedges = 0
    for (let i = 0; i < 10_000; i++) {
      budget.onQuestion()
      if (budget.takeHedge(nameAt(i))) hedges++
    }
    assert.approximately(hedges, 1_100, 5)
  })
})
