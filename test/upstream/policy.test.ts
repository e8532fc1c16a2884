import { assert, describe, it } from "@effect/vitest"
import { nextUpstream, rank } from "../../src/upstream/policy.ts"
import { Upstream } from "../../src/upstream/upstream.ts"

const upstream = (last: number, inFlight = 0): Upstream => {
  const made = new Upstream({ protocol: "udp", endpoint: { address: `192.0.2.${last}`, port: 53 } }, false)
  made.inFlight = inFlight
  return made
}

describe("rank", () => {
  it("keeps the order when it is ordered", () => {
    const all = [upstream(1, 9), upstream(2), upstream(3)]
    for (const turn of [0, 1, 2]) assert.deepStrictEqual(rank("ordered", all, turn), all)
  })

  it("begins with the next one each turn when it is round-robin", () => {
    const all = [upstream(1, 9), upstream(2), upstream(3)]
    const heads = [0, 1, 2, 3].map((turn) => rank("round-robin", all, turn)[0])
    assert.deepStrictEqual(heads, [all[0], all[1], all[2], all[0]])
  })

  it("begins with who has least under way, among equals by turn", () => {
    const all = [upstream(1, 2), upstream(2), upstream(3)]
    assert.deepStrictEqual(rank("least-busy", all, 1), [all[1]!, all[2]!, all[0]!])
    assert.deepStrictEqual(rank("least-busy", all, 2), [all[2]!, all[1]!, all[0]!])
  })
})

describe("nextUpstream", () => {
  it("asks each once before it asks any twice, none more than three times (RFC 9520 §3.1)", () => {
    const all = [upstream(1), upstream(2)]
    const asked = new Map<Upstream, number>()
    const order = Array.from({ length: 7 }, () => {
      const next = nextUpstream(all, { timesAsked: (upstream) => asked.get(upstream) ?? 0 }, 0)
      if (next !== undefined) asked.set(next, (asked.get(next) ?? 0) + 1)
      return next?.endpoint.address.at(-1)
    })
    assert.deepStrictEqual(order, ["1", "2", "1", "2", "1", "2", undefined])
  })

  it("passes over an upstream whose breaker is open", () => {
    const all = [upstream(1), upstream(2)]
    for (let i = 0; i < 5; i++) all[0]!.breaker.onFailure(0, String(i))
    assert.strictEqual(nextUpstream(all, { timesAsked: () => 0 }, 0), all[1])
    for (let i = 0; i < 5; i++) all[1]!.breaker.onFailure(0, String(i))
    assert.isUndefined(nextUpstream(all, { timesAsked: () => 0 }, 0))
  })
})
