import { assert, describe, it } from "@effect/vitest"
import { ErrorReply } from "redis"
import { RedisRefusals } from "../../../../src/cache/shared/redis/refusals.ts"

describe("what Redis refuses", () => {
  it("is said when it begins and when nothing was refused for five seconds, however often it goes to and fro", () => {
    let nowMs = 0
    const said: Array<string> = []
    const refusals = new RedisRefusals(
      "take answers",
      (line, isOver) => said.push(`${isOver} ${line}`),
      () => nowMs
    )
    refusals.onTaken()
    for (const code of ["OOM no room", "READONLY", "OOM no room"]) {
      refusals.onRefused(new ErrorReply(code))
      nowMs += 4_000
      refusals.onTaken()
    }
    const begins = "false Redis refuses to take answers: OOM no room"
    assert.deepStrictEqual(said, [begins])
    nowMs += 1_000
    refusals.onTaken()
    refusals.onTaken()
    assert.deepStrictEqual(said, [begins, "true Redis no longer refuses to take answers"])
    refusals.onRefused(new ErrorReply("OOM no room"))
    assert.strictEqual(said.length, 3)
  })

  it("is Redis's word only: the end of a connection is said elsewhere", () => {
    const said: Array<string> = []
    const refusals = new RedisRefusals("give answers", (line) => said.push(line))
    refusals.onRefused(new Error("Socket closed unexpectedly"))
    refusals.onRefused(undefined)
    assert.deepStrictEqual(said, [])
  })

  it("is one line, whatever Redis says", () => {
    const said: Array<string> = []
    const refusals = new RedisRefusals("give answers", (line) => said.push(line))
    refusals.onRefused(new ErrorReply(`NOPERM \u001b[31m\n${"x".repeat(100_000)}`))
    assert.match(said[0]!, /^Redis refuses to give answers: NOPERM \?\[31m\?x{100,200}$/)
  })
})
