import { assert, describe, it } from "@effect/vitest"
import { Type } from "../../../src/dns/codes.ts"
import type { Question } from "../../../src/dns/question.ts"
import { questionFor } from "../../../src/upstream/health/known-question.ts"
import type { Requester } from "../../../src/upstream/requester.ts"
import { NetworkFailure } from "../../../src/upstream/requester.ts"
import { AskedOnce } from "../../../src/upstream/transport/asked-once.ts"
import { type Connection, PendingRequest } from "../../../src/upstream/transport/connection.ts"

const question = (): Question => questionFor(Uint8Array.of(1, 97, 0), Type.A)

/** Notes the failures that it is told of. */
const requesterOf = (asked: Question) => {
  const failures: Array<string> = []
  const exchange: Requester = {
    question: asked,
    onResponse: () => {},
    onFailure: (failure) => failures.push(failure._tag),
    onTrouble: () => {},
    onHeld: () => {}
  }
  return { exchange, failures }
}

const connection = { forget: () => {} } as unknown as Connection

describe("AskedOnce", () => {
  it("finds the request that asks the same for the same query, until that is over", () => {
    const once = new AskedOnce()
    const asked = question()
    const first = new PendingRequest(requesterOf(asked).exchange, true, [])
    const again = new PendingRequest(requesterOf(asked).exchange, true, [])
    assert.isUndefined(once.find(again))
    once.add(first)
    assert.strictEqual(once.find(again), first)
    assert.isUndefined(once.find(new PendingRequest(requesterOf(question()).exchange, true, [])))
    first.abandon()
    assert.isUndefined(once.find(again))
  })

  it("does not find one that was sent otherwise: without EDNS it may be answered", () => {
    const once = new AskedOnce()
    const asked = question()
    const first = new PendingRequest(requesterOf(asked).exchange, true, [])
    once.add(first)
    const plain = new PendingRequest(requesterOf(asked).exchange, false, [])
    assert.strictEqual(once.find(plain), first)
    first.connection = connection
    assert.isUndefined(once.find(plain))
  })

  it("keeps no more than a few that are over", () => {
    const once = new AskedOnce()
    const calls = Array.from({ length: 1000 }, () => new PendingRequest(requesterOf(question()).exchange, true, []))
    for (const request of calls) {
      once.add(request)
      request.abandon()
    }
    assert.isBelow((once as unknown as { requests: Map<unknown, unknown> }).requests.size, 70)
  })

  it("lets those that joined fail with the one that was sent", () => {
    const asked = question()
    const first = requesterOf(asked)
    const later = [requesterOf(asked), requesterOf(asked)]
    const request = new PendingRequest(first.exchange, true, [])
    for (const { exchange } of later) request.join(new PendingRequest(exchange, true, []))
    request.onFailure(new NetworkFailure({ message: "gone" }))
    for (const { failures } of [first, ...later]) assert.deepStrictEqual(failures, ["NetworkFailure"])
  })
})
