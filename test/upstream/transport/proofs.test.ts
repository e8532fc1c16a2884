/** What is remembered of how upstreams prove their replies. */
import { assert, describe, it } from "@effect/vitest"
import { CaseSupport, mixesCase } from "../../../src/upstream/transport/case-support.ts"
import { CookieJar } from "../../../src/upstream/transport/cookie-jar.ts"
import { ForgeryAlarm } from "../../../src/upstream/transport/forgery-alarm.ts"

const MINUTE_MS = 60_000

describe("letters that do not come back", () => {
  it("count three times in a row, then for a minute, two, four, up to an hour", () => {
    const support = new CaseSupport()
    let nowMs = 0
    support.onLost(nowMs)
    support.onLost(nowMs)
    support.onKept()
    support.onLost(nowMs)
    support.onLost(nowMs)
    assert.isTrue(support.isKept(nowMs))
    support.onLost(nowMs)
    for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
      assert.isFalse(support.isKept(nowMs + minutes * MINUTE_MS - 1), `${minutes} minutes`)
      nowMs += minutes * MINUTE_MS
      assert.isTrue(support.isKept(nowMs), `${minutes} minutes`)
      support.onLost(nowMs)
    }
  })

  it("of many questions that were under way at once count as those of three", () => {
    const support = new CaseSupport()
    for (let i = 0; i < 50; i++) support.onLost(0)
    assert.isFalse(support.isKept(MINUTE_MS - 1))
    assert.isTrue(support.isKept(MINUTE_MS))
  })
})

describe("a cookie", () => {
  it("is another one after a day", () => {
    const jar = new CookieJar(1_000)
    assert.isFalse(jar.isOld(1_000 + 86_399_999))
    assert.isTrue(jar.isOld(1_000 + 86_400_000))
  })

  it("is expected from who has given one, until that is forgotten", () => {
    const jar = new CookieJar(0)
    const ours = jar.options[0]!.data
    assert.strictEqual(jar.judge(undefined), "proven")
    assert.strictEqual(jar.judge(ours), "proven")
    assert.isFalse(jar.isSupported)
    const whole = Uint8Array.from([...ours, 1, 2, 3, 4, 5, 6, 7, 8])
    assert.strictEqual(jar.judge(whole), "proven")
    assert.deepStrictEqual(jar.options[0]!.data, whole)
    assert.strictEqual(jar.judge(undefined), "unproven")
    assert.strictEqual(jar.judge(ours), "unproven")
    assert.strictEqual(jar.judge(whole.map((octet, i) => (i === 7 ? octet ^ 1 : octet))), "forged")
    assert.strictEqual(jar.judge(Uint8Array.from([...ours, ...new Uint8Array(40)])), "forged")
    jar.forget()
    assert.strictEqual(jar.judge(undefined), "proven")
  })
})

describe("the alarm for forged replies", () => {
  it("is raised by twenty in ten seconds, said once, and over ten seconds after the last", () => {
    const alarm = new ForgeryAlarm()
    for (let i = 0; i < 19; i++) assert.isFalse(alarm.onForged(i))
    assert.isFalse(alarm.isRaised(19))
    assert.isTrue(alarm.onForged(19))
    assert.isFalse(alarm.onForged(20))
    assert.isTrue(alarm.isRaised(10_019))
    assert.isFalse(alarm.isRaised(10_020))
  })

  it("is not raised by a few now and then", () => {
    const alarm = new ForgeryAlarm()
    for (let i = 0; i < 1_000; i++) assert.isFalse(alarm.onForged(i * 600))
  })
})

describe("the letters of questions", () => {
  it("are mixed for all upstreams but those on loopback, unless it is said otherwise", () => {
    assert.deepStrictEqual(
      (["auto", "on", "off"] as const).map((mixing) => [mixesCase(mixing, false), mixesCase(mixing, true)]),
      [
        [true, false],
        [true, true],
        [false, false]
      ]
    )
  })
})
