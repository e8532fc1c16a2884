import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readGroup } from "../../src/config/codec/group.ts"
import { readRule, viewBy } from "../../src/config/codec/rule.ts"
import { readWeightedUpstream } from "../../src/config/codec/weighted-upstream.ts"

const rule = (text: string) => Result.getOrThrow(readRule(text))
const wrong = (text: string): string => Result.getOrThrow(Result.flip(readRule(text)))

describe("readRule", () => {
  it("reads countries and continents, one or several, beside all else", () => {
    const read = rule("cdn.example !x.cdn.example country:de|AT continent:EU client:10.0.0.0/8 -> near ecs")
    assert.deepStrictEqual(read.countries, ["DE", "AT"])
    assert.deepStrictEqual(read.continents, ["EU"])
    assert.deepStrictEqual(read.ecs, { ipv4: 24, ipv6: 56 })
    assert.strictEqual(read.except.length, 1)
    assert.deepStrictEqual(rule("country:US -> us").suffix, Uint8Array.of(0))
    assert.deepStrictEqual(rule(". -> near ecs=20/48").ecs, { ipv4: 20, ipv6: 48 })
    assert.isUndefined(rule(". -> near").ecs)
  })

  it("says what is wrong", () => {
    assert.include(wrong("country:GERMANY -> a"), "ISO 3166")
    assert.include(wrong("continent:XX -> a"), "AF, AN, AS, EU, NA, OC, SA")
    assert.include(wrong(". -> a ecs=33/56"), "prefix lengths")
    assert.include(wrong(". -> a told"), "ecs=24/56")
    assert.include(wrong("-> a"), "a country")
    assert.include(wrong("country:DE country:AT -> a"), "| between several")
    // It would match nothing but the name of the asterisk itself.
    for (const text of ["*.corp.example -> a", "* -> a", "corp.example !*.public.corp.example -> a"]) {
      assert.include(wrong(text), "a name without *, for it means all below it", text)
    }
    assert.doesNotThrow(() => rule("x.*.corp.example -> a"))
  })

  it("tells answers to those who are told of clients from all others of the group", () => {
    const group = Result.getOrThrow(readGroup("near=192.0.2.1"))
    const views = [". -> near", ". -> near ecs", ". -> near ecs=20/48"].map((text) => viewBy(rule(text), group))
    assert.strictEqual(new Set(views).size, 3)
    assert.strictEqual(views[0], group.view)
  })
})

describe("an upstream's place", () => {
  it("stands behind @, in degrees north and east", () => {
    const read = Result.getOrThrow(readWeightedUpstream("tls://192.0.2.1#dns.example*3@-33.9/151.2"))
    assert.deepStrictEqual(read.spot, { latitude: -33.9, longitude: 151.2 })
    assert.strictEqual(read.weight, 3)
    assert.isTrue(Result.isFailure(readWeightedUpstream("192.0.2.1@91/0")))
    assert.isTrue(Result.isFailure(readWeightedUpstream("192.0.2.1@berlin/0")))
  })
})
