import { assert, describe, it } from "@effect/vitest"
import { Rcode, Type } from "../../../src/dns/codes.ts"
import type { Question } from "../../../src/dns/question.ts"
import type { Response } from "../../../src/dns/response.ts"
import { questionFor } from "../../../src/upstream/health/known-question.ts"
import type { Requester } from "../../../src/upstream/requester.ts"
import { NetworkFailure } from "../../../src/upstream/requester.ts"
import { AskedOnce } from "../../../src/upstream/transport/asked-once.ts"
import { type Connection, PendingRequest } from "../../../src/upstream/transport/connection.ts"

const question = (): Question => questionFor(Uint8Array.of(1, 97, 0), Type.A)

/** Notes the failures that it is told of, and the responses. */
const requesterOf = (asked: Question) => {
  const failures: Array<string> = []
  const responses: Array<Response> = []
  const exchange: Requester = {
    question: asked,
    onResponse: (response) => responses.push(response),
    onFailure: (failure) => failures.push(failure._tag),
    onTrouble: () => {},
    onHeld: () => {}
  }
  return { exchange, failures, responses }
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

  it("gives those that joined the answer to the one that was sent, unless they are over by then", () => {
    const asked = question()
    const first = requesterOf(asked)
    const later = [requesterOf(asked), requesterOf(asked), requesterOf(asked)]
    const request = new PendingRequest(first.exchange, true, [])
    const joined = later.map(({ exchange }) => new PendingRequest(exchange, true, []))
    for (const one of joined) request.join(one)
    joined[1]!.abandon()
    const response = { rcode: Rcode.ServFail } as Response
    request.onResponse(response)
    assert.deepStrictEqual(
      [first, ...later].map(({ responses }) => responses),
      [[response], [response], [], [response]]
    )
  })

  it("gives those that joined a request the answer to its copy, and to the copy in the place of that", () => {
    for (const copies of [1, 2]) {
      const asked = question()
      const first = requesterOf(asked)
      const later = [requesterOf(asked), requesterOf(asked)]
      const request = new PendingRequest(first.exchange, true, [])
      request.join(new PendingRequest(later[0]!.exchange, true, []))
      let copy = request.copy(1)
      copy.join(new PendingRequest(later[1]!.exchange, true, []))
      if (copies === 2) copy = copy.copy(2)
      const response = { rcode: Rcode.ServFail } as Response
      copy.onResponse(response)
      assert.isTrue(request.isOver)
      for (const { responses } of [first, ...later]) assert.deepStrictEqual(responses, [response])
    }
  })

  it("gives them the answer to a copy of a copy, where the first was lost; given up, none of them is left", () => {
    for (const isGivenUp of [false, true]) {
      const asked = question()
      const first = requesterOf(asked)
      const later = requesterOf(asked)
      const request = new PendingRequest(first.exchange, true, [])
      request.join(new PendingRequest(later.exchange, true, []))
      const copy = request.copy(1)
      request.onFailure(new NetworkFailure({ message: "its connection ended" }))
      const last = copy.copy(2)
      const response = { rcode: Rcode.ServFail } as Response
      if (isGivenUp) request.abandonAll()
      else last.onResponse(response)
      for (const one of [request, copy, last]) assert.isTrue(one.isOver)
      for (const { failures, responses } of [first, later]) {
        assert.deepStrictEqual(responses, isGivenUp ? [] : [response])
        assert.isEmpty(failures)
      }
    }
  })

  it("lets those that joined fail with the last copy of the one that was sent", () => {
    const asked = question()
    const first = requesterOf(asked)
    const later = requesterOf(asked)
    const request = new PendingRequest(first.exchange, true, [])
    const copy = request.copy(1)
    request.join(new PendingRequest(later.exchange, true, []))
    request.onFailure(new NetworkFailure({ message: "gone" }))
    assert.deepStrictEqual(later.failures, [])
    copy.onFailure(new NetworkFailure({ message: "gone too" }))
    for (const { failures } of [first, later]) assert.deepStrictEqual(failures, ["NetworkFailure"])
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
