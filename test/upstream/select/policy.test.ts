import { assert, describe, it } from "@effect/vitest"
import { policies } from "../../../src/config/codec/policy.ts"
import type { Coordinates } from "../../../src/dns/client-context.ts"
import { stableHash } from "../../../src/runtime/stable-hash.ts"
import { type Candidate, Ranker } from "../../../src/upstream/select/policy.ts"
import { losing, quantile, sharesOf, simulate, steady, until } from "../../support/upstreams/simulated-upstreams.ts"

const candidate = (salt: number, fields: Partial<Candidate> = {}): Candidate => ({
  weight: 1,
  inFlight: 0,
  costMs: 10,
  observedMs: 0,
  salt,
  coordinates: undefined,
  ...fields
})

const first = (ranker: Ranker<Candidate>, name = "example"): number =>
  ranker.rank(0, () => stableHash(Buffer.from(name))).order[0]!.salt

const chance = (): number => 0.5

describe("ordered", () => {
  it("keeps the order, whoever is fast or busy", () => {
    const ranker = new Ranker("ordered", [candidate(1, { costMs: 900, inFlight: 9 }), candidate(2)], 2, chance)
    for (let i = 0; i < 5; i++) assert.strictEqual(first(ranker), 1)
  })
})

describe("round-robin", () => {
  it("gives each its weight, and spreads a heavy one's turns among the others'", () => {
    const ranker = new Ranker("round-robin", [candidate(1, { weight: 4 }), candidate(2), candidate(3)], 2, chance)
    const turns = Array.from({ length: 12 }, () => first(ranker))
    assert.deepStrictEqual(turns, [1, 1, 2, 1, 3, 1, 1, 1, 2, 1, 3, 1])
  })
})

describe("least-busy", () => {
  it("begins with who has least under way for its weight, among equals in turn", () => {
    const idle = [candidate(1), candidate(2), candidate(3)]
    const ranker = new Ranker("least-busy", idle, 2, chance)
    assert.deepStrictEqual([1, 2, 3].map(() => first(ranker)).sort(), [1, 2, 3])
    const busy = [
      candidate(1, { inFlight: 2 }),
      candidate(2, { inFlight: 3, weight: 4 }),
      candidate(3, { inFlight: 1 })
    ]
    assert.strictEqual(first(new Ranker("least-busy", busy, 2, chance)), 2)
  })
})

describe("hash", () => {
  const all = [1, 2, 3, 4].map((place) => candidate(stableHash(Buffer.from(`upstream ${place}`))))
  const names = Array.from({ length: 20_000 }, (_, i) => `host${i}.example`)
  const homes = (candidates: ReadonlyArray<Candidate>): ReadonlyArray<number> => {
    const ranker = new Ranker("hash", candidates, 2, chance)
    return names.map((name) => first(ranker, name))
  }

  it("sends one name to one upstream, and names evenly to all", () => {
    const once = homes(all)
    assert.deepStrictEqual(homes(all), once)
    for (const { salt } of all) {
      const share = once.filter((home) => home === salt).length / names.length
      assert.isTrue(share > 0.24 && share < 0.26, String(share))
    }
  })

  it("moves only the names of an upstream that leaves", () => {
    const before = homes(all)
    const after = homes(all.slice(1))
    before.forEach((home, i) => {
      if (home !== all[0]!.salt) assert.strictEqual(after[i], home)
    })
  })

  it("gives a heavy one its share", () => {
    const heavy = [{ ...all[0]!, weight: 3 }, all[1]!]
    const share = homes(heavy).filter((home) => home === all[0]!.salt).length / names.length
    assert.isTrue(share > 0.735 && share < 0.765, String(share))
  })
})

describe("geo", () => {
  const berlin = { latitude: 52.5, longitude: 13.4 }
  const tokyo = { latitude: 35.7, longitude: 139.7 }
  const denver = { latitude: 39.7, longitude: -105 }
  const order = (ranker: Ranker<Candidate>, client?: Coordinates): ReadonlyArray<number> =>
    ranker.rank(0, () => 0, client).order.map(({ salt }) => salt)

  it("asks the nearest first, then the next nearest, those of no known place last", () => {
    const candidates = [
      candidate(0),
      candidate(1, { coordinates: tokyo }),
      candidate(2, { coordinates: berlin }),
      candidate(3, { coordinates: denver })
    ]
    const ranker = new Ranker("geo", candidates, 2, chance)
    assert.deepStrictEqual(order(ranker, { latitude: 48.2, longitude: 16.4 }), [2, 3, 1, 0])
    assert.deepStrictEqual(order(ranker, { latitude: 34, longitude: -118 }), [3, 1, 2, 0])
    // Over the date line.
    assert.deepStrictEqual(order(ranker, { latitude: 52, longitude: -176 })[0], 1)
  })

  it("asks the fastest of those that are equally near", () => {
    const coordinates = { ...berlin, latitude: 52.501 }
    const candidates = [candidate(1, { coordinates: berlin, costMs: 30 }), candidate(2, { coordinates, costMs: 10 })]
    assert.deepStrictEqual(order(new Ranker("geo", candidates, 2, chance), berlin), [2, 1])
  })

  it("asks the fastest where the client is not known to be anywhere, or no upstream is", () => {
    const slowAndNear = [
      candidate(1, { coordinates: berlin, costMs: 900 }),
      candidate(2, { coordinates: tokyo, costMs: 5 })
    ]
    assert.strictEqual(order(new Ranker("geo", slowAndNear, 2, chance))[0], 2)
    const unknownLocation = [candidate(1, { costMs: 900 }), candidate(2, { costMs: 5 })]
    assert.strictEqual(order(new Ranker("geo", unknownLocation, 2, chance), berlin)[0], 2)
  })
})

describe("fastest, over simulated upstreams", () => {
  const COUNT = 20_000
  const PER_SECOND = 1_000
  const options = { count: COUNT, perSecond: PER_SECOND }

  it("asks the fast one of three, and the slow ones now and then beside it", () => {
    const { asked, sent } = simulate("fastest", [steady(150), steady(10), steady(80)], options)
    assert.isAbove(sharesOf(asked.slice(2_000), 3)[1]!, 0.9)
    assert.isBelow(quantile(asked.slice(2_000), 0.99), 20)
    for (const count of sent) assert.isAbove(count, 30)
  })

  it("shares questions among equals", () => {
    const shares = sharesOf(simulate("fastest", [steady(20), steady(20)], options).asked, 2)
    for (const share of shares) assert.isAbove(share, 0.25)
  })

  it("leaves one that has become slow, and finds one that has become fast", () => {
    const [half, whole] = [10_000, 20_000]
    const { asked } = simulate(
      "fastest",
      [until(half, steady(10), steady(300)), until(half, steady(300), steady(10))],
      { count: whole, perSecond: PER_SECOND }
    )
    assert.isAbove(sharesOf(asked.slice(5_000, 10_000), 2)[0]!, 0.9)
    assert.isAbove(sharesOf(asked.slice(15_000), 2)[1]!, 0.9)
    assert.isBelow(quantile(asked.slice(15_000), 0.99), 20)
  })

  it("prefers one that answers always to a faster one that loses a third", () => {
    const { asked } = simulate("fastest", [losing(0.33, steady(5)), steady(12)], options)
    assert.isAbove(sharesOf(asked.slice(2_000), 2)[1]!, 0.7)
  })

  it("leaves one that stalls before the first answer is overdue, for what is under way counts", () => {
    const { asked } = simulate("fastest", [until(5_000, steady(10), () => undefined), steady(12)], options)
    const stalled = asked.filter(({ atMs }) => atMs >= 5_000 && atMs < 6_000)
    assert.isBelow(stalled.filter(({ first }) => first === 0).length, 150)
  })

  it("finds one that recovers although few ask", () => {
    const { asked } = simulate("fastest", [until(60_000, steady(400), steady(5)), steady(40)], {
      count: 4_000,
      perSecond: 10
    })
    const shares = sharesOf(asked.slice(2_000), 2)
    assert.isAbove(shares[0]!, 0.8)
  })
})

describe("parallel, over simulated upstreams", () => {
  it("is as quick as the quicker of two, each time", () => {
    const spiky = (nowMs: number, random: () => number): number => (random() < 0.1 ? 400 : steady(10)(nowMs, random)!)
    const alone = simulate("ordered", [spiky, spiky], { count: 10_000, perSecond: 500 }).asked
    const both = simulate("parallel", [spiky, spiky], { count: 10_000, perSecond: 500 }).asked
    assert.isAbove(quantile(alone, 0.95), 20)
    assert.isBelow(quantile(both, 0.95), 13)
  })
})

describe("every policy", () => {
  for (const policy of policies) {
    it(`ranks each upstream once, and answers all while one of three is silent (${policy})`, () => {
      const candidates = [1, 2, 3].map((salt) => candidate(salt))
      const ranker = new Ranker(policy, candidates, 2, Math.random)
      for (let n = 0; n < 200; n++) {
        const { order } = ranker.rank(n * 1000, () => n)
        assert.deepStrictEqual(order.map(({ salt }) => salt).sort(), [1, 2, 3])
      }
      const { asked } = simulate(policy, [() => undefined, steady(10), steady(20)], { count: 5_000, perSecond: 500 })
      assert.isBelow(Math.max(...asked.map(({ tookMs }) => tookMs)), 5_000)
    })
  }
})
