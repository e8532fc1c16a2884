import { assert, describe, it } from "@effect/vitest"
import { retryAfterMs } from "../../../src/upstream/transport/retry-after.ts"

const NOW_MS = Date.UTC(2026, 10, 26, 12, 0, 0)

describe("Retry-After (RFC 9110 §10.2.3)", () => {
  it("is a number of seconds", () => {
    assert.strictEqual(retryAfterMs("0", NOW_MS), 0)
    assert.strictEqual(retryAfterMs("120", NOW_MS), 120_000)
    assert.strictEqual(retryAfterMs(" 7 ", NOW_MS), 7_000)
  })

  it("is a date, in each of its three forms", () => {
    for (const text of [
      "Thu, 26 Nov 2026 12:01:30 GMT",
      "Thursday, 26-Nov-26 12:01:30 GMT",
      "Thu Nov 26 12:01:30 2026 GMT"
    ]) {
      assert.strictEqual(retryAfterMs(text, NOW_MS), 90_000, text)
    }
  })

  it("that is past is no wait", () => {
    assert.strictEqual(retryAfterMs("Thu, 26 Nov 2026 11:00:00 GMT", NOW_MS), 0)
  })

  it("that is neither says nothing", () => {
    for (const text of [undefined, "", "soon", "-5", "1.5", "Thu, 99 Foo", "2026-11-26"]) {
      assert.strictEqual(retryAfterMs(text, NOW_MS), undefined, text)
    }
  })
})
