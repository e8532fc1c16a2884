import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { KnownQuestion } from "../../src/upstream/health/known-question.ts"
import { ownState, Time } from "../../src/upstream/health/shared-state.ts"
import { Trials } from "../../src/upstream/health/trials.ts"
import { rcodeOf } from "../support/servers/server.ts"
import { memoryServer } from "../support/servers/timed-server.ts"
import type { WireBehaviour } from "../support/upstreams/fake-upstream.ts"
import { mirrorReply, questionEnd } from "../support/upstreams/mirror.ts"
import { asked, wireName } from "../support/wire/messages.ts"

const nameOf = (query: Buffer): string => query.toString("latin1", 12, questionEnd(query) - 4)

/** Answers names that end in `zone` and is silent about all else, the root's name servers too. */
const only =
  (zone: string): WireBehaviour =>
  (query) =>
    nameOf(query).endsWith(Buffer.from(wireName(zone)).toString("latin1"))
      ? [{ reply: mirrorReply(query), delayMs: 4 }]
      : []

describe("the only upstream, silent about all but its own zone", () => {
  for (const [how, first] of [
    ["from the start", "good"],
    ["though the first hundred questions are about others", "bad"],
    ["though nothing of its own is asked for a while", "pause"]
  ] as const) {
    it.effect(`has every question about that zone answered, ${how}`, () =>
      Effect.gen(function* () {
        const upstream = { behaviour: only("site.example"), queries: 0 }
        const server = yield* memoryServer({ DNS_SERVER_ENABLE_CACHING: "false" }, [upstream])
        let n = 0
        const bad = () => server.send({ name: `n${++n}.z${n % 7}.elsewhere${n % 3}.test` })
        if (first === "bad") {
          for (let i = 0; i < 100; i++) {
            yield* bad()
            yield* server.pass(100)
          }
        }
        for (let i = 0; i < 400; i++) {
          if (first === "pause" && i > 100 && i < 200) {
            yield* bad()
            yield* server.pass(200)
            continue
          }
          yield* bad()
          const { answer, tookMs } = yield* server.ask({ name: `n${++n}.site.example` })
          assert.strictEqual(rcodeOf(answer), "NOERROR", `question ${i}`)
          assert.isAtMost(tookMs, 20)
          yield* server.pass(190)
        }
        if (first !== "bad") assert.strictEqual(server.counters.read("upstream.opened"), 0)
      }).pipe(Effect.scoped)
    )
  }
})

describe("the question that an upstream is known to answer", () => {
  it("is the last that was noted, one a second at most, for all threads", () => {
    const state = ownState()
    const [one, other] = [new KnownQuestion(state), new KnownQuestion(state)]
    assert.isUndefined(other.read())
    one.note(asked("www.example.com", 28), 5_000)
    one.note(asked("too.soon.example"), 5_999)
    assert.deepInclude(other.read(), { name: wireName("www.example.com"), type: 28, clientContext: undefined })
    other.note(asked("x.example", 15), 6_000)
    assert.deepInclude(one.read(), { name: wireName("x.example"), type: 15 })
  })

  it("may be as long as a name can be, and is none where it was written half", () => {
    const state = ownState()
    const known = new KnownQuestion(state)
    const label = "x".repeat(63)
    const longest = `${label}.${label}.${label}.${"y".repeat(61)}`
    known.note(asked(longest), 1_000)
    assert.deepStrictEqual(known.read()?.name, wireName(longest))
    state.question[40]! ^= 1
    assert.isUndefined(known.read())
    state.times[Time.Noted] = 0
    known.note(asked("whole.example"), 2_000)
    assert.deepStrictEqual(known.read()?.name, wireName("whole.example"))
  })
})

describe("trials of an upstream of which all is bad", () => {
  const name = (zone: number): Uint8Array => wireName(`www.z${zone}.test`)
  const SEED = 1

  it("are eight at once, whatever they are about", () => {
    const trials = new Trials(SEED)
    let begun = 0
    for (let zone = 0; zone < 500; zone++) {
      if (!trials.mayBegin(name(zone), 1_000)) continue
      trials.begin(name(zone), 1_000)
      begun++
    }
    assert.strictEqual(begun, 8)
  })

  it("of one zone keep no other from its own, however many there are", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const trials = new Trials(seed)
      for (let zone = 0; zone < 900; zone++) {
        trials.begin(name(zone), 1_000)
        trials.end(name(zone), false, 1_000)
      }
      assert.isTrue(trials.mayBegin(wireName("www.site.example"), 1_100), `seed ${seed}`)
      assert.isFalse(trials.mayBegin(name(0), 1_100))
    }
  })

  it("remember no more zones than they have room for", () => {
    const trials = new Trials(SEED)
    for (let zone = 0; zone < 5_000; zone++) {
      trials.begin(name(zone), 1_000)
      trials.end(name(zone), false, 1_000)
    }
    assert.isTrue(trials.mayBegin(name(0), 1_100))
    assert.isFalse(trials.mayBegin(name(4_999), 1_100))
  })

  it("are one for a zone at a time, none for a while after one in vain, and free after an answer", () => {
    const trials = new Trials(SEED)
    trials.begin(name(1), 1_000)
    assert.isFalse(trials.mayBegin(name(1), 1_100))
    trials.end(name(1), false, 1_800)
    assert.isFalse(trials.mayBegin(name(1), 4_200))
    assert.isTrue(trials.mayBegin(name(1), 4_400))
    trials.begin(name(1), 4_400)
    trials.end(name(1), true, 4_410)
    assert.isTrue(trials.mayBegin(name(1), 4_411))
  })
})
