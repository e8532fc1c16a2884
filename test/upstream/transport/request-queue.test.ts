import { assert, describe, it } from "@effect/vitest"
import type { PendingRequest } from "../../../src/upstream/transport/connection.ts"
import { RequestQueue } from "../../../src/upstream/transport/request-queue.ts"

const request = (n: number): PendingRequest => ({ n, isOver: false }) as unknown as PendingRequest

describe("RequestQueue", () => {
  it("keeps the order, and not what has left it, however long it is never empty", () => {
    const queue = new RequestQueue()
    for (let n = 0; n < 10; n++) queue.add(request(n))
    for (let n = 10; n < 100_000; n++) {
      queue.add(request(n))
      assert.strictEqual((queue.take() as unknown as { n: number }).n, n - 10)
    }
    assert.strictEqual(queue.size, 10)
    assert.isBelow((queue as unknown as { requests: ReadonlyArray<unknown> }).requests.length, 4_000)
    assert.lengthOf(queue.takeAll(), 10)
    assert.isTrue(queue.isEmpty)
  })
})
