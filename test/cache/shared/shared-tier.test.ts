import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import {
  FlushLog,
  formatFlush,
  MAX_FLUSHES,
  readFlush,
  readNumberedFlush
} from "../../../src/cache/shared/flush-log.ts"
import { fingerprintsOf } from "../../../src/cache/shared/group-fingerprint.ts"
import { RedisBreaker } from "../../../src/cache/shared/redis/breaker.ts"
import { redisKeyOf } from "../../../src/cache/shared/redis/key.ts"
import { decodeEntry, encodeEntry, encodeSuperseded } from "../../../src/cache/shared/shared-entry.ts"
import { readGroup } from "../../../src/config/codec/group.ts"
import { viewBy } from "../../../src/config/codec/rule.ts"
import type { Question } from "../../../src/dns/question.ts"
import { settingsOf } from "../../support/servers/settings.ts"
import { wireName } from "../../support/wire/messages.ts"

const question = (changes: Partial<Question> = {}): Question => ({
  name: wireName("www.example.test"),
  type: 1,
  class: 1,
  dnssecOk: false,
  checkingDisabled: false,
  view: 0,
  clientContext: undefined,
  ...changes
})
const fingerprint = Buffer.from("12345678")

describe("a key in Redis", () => {
  it("differs for whatever an answer depends on, and begins with the format's version", () => {
    const keys = [
      redisKeyOf(question(), fingerprint),
      redisKeyOf(question({ name: wireName("ww.example.test") }), fingerprint),
      redisKeyOf(question({ type: 28 }), fingerprint),
      redisKeyOf(question({ class: 3 }), fingerprint),
      redisKeyOf(question({ dnssecOk: true }), fingerprint),
      redisKeyOf(question({ checkingDisabled: true }), fingerprint),
      redisKeyOf(question(), Buffer.from("87654321"))
    ].map((key) => key.toString("latin1"))
    assert.strictEqual(new Set(keys).size, keys.length)
    assert.isTrue(keys.every((key) => key.startsWith("strand:1:")))
  })
})

describe("a group's fingerprint", () => {
  const commonOf = (settings: Record<string, string>): string =>
    fingerprintsOf(settingsOf(settings))(0)!.toString("hex")
  const base = { DNS_SERVER_UPSTREAMS: "192.0.2.1,tls://192.0.2.2#one.test,https://192.0.2.3/a" }

  it("has 64 bits, and does not depend on order, weights and policy", () => {
    const same = commonOf(base)
    assert.strictEqual(same.length, 16)
    for (const other of [
      { DNS_SERVER_UPSTREAMS: "https://192.0.2.3/a,tls://192.0.2.2#one.test,192.0.2.1" },
      { DNS_SERVER_UPSTREAMS: "192.0.2.1*3,192.0.2.1,tls://192.0.2.2#one.test,https://192.0.2.3/a" },
      { ...base, DNS_SERVER_UPSTREAM_POLICY: "hash" },
      { ...base, DNS_SERVER_CACHE_MAX_TTL_SECS: "60" }
    ]) {
      assert.strictEqual(commonOf(other), same)
    }
  })

  it("depends on who is asked, how, who they have to be, and what is believed of them", () => {
    const prints = [
      base,
      { DNS_SERVER_UPSTREAMS: "192.0.2.1,tls://192.0.2.2#one.test" },
      { DNS_SERVER_UPSTREAMS: "192.0.2.1:54,tls://192.0.2.2#one.test,https://192.0.2.3/a" },
      { DNS_SERVER_UPSTREAMS: "tcp://192.0.2.1,tls://192.0.2.2#one.test,https://192.0.2.3/a" },
      { DNS_SERVER_UPSTREAMS: "192.0.2.1,tls://192.0.2.2#two.test,https://192.0.2.3/a" },
      { DNS_SERVER_UPSTREAMS: "192.0.2.1,tls://192.0.2.2#one.test,https://192.0.2.3/b" },
      { ...base, DNS_SERVER_TRUST_UPSTREAM_AD: "true" },
      { ...base, DNS_SERVER_CACHE_MIN_TTL_SECS: "60" }
    ].map(commonOf)
    assert.strictEqual(new Set(prints).size, prints.length)
  })

  it("is a group's own, by its upstreams and not by its name", () => {
    const groups = { DNS_SERVER_GROUPS: "corp=192.0.2.9,branch=192.0.2.9 policy=ordered", ...base }
    const of = fingerprintsOf(settingsOf(groups))
    const [corp, branch] = ["corp=192.0.2.9", "branch=192.0.2.9 policy=ordered"].map(
      (text) => Result.getOrThrow(readGroup(text)).view
    )
    assert.deepStrictEqual(of(corp!), of(branch!))
    assert.notDeepEqual(of(corp!), of(0))
    assert.strictEqual(of(corp!)!.toString("hex"), commonOf({ DNS_SERVER_UPSTREAMS: "192.0.2.9" }))
    const told = settingsOf({ ...groups, DNS_SERVER_RULES: "example.test -> corp ecs" })
    const view = viewBy(told.rules[0]!, told.groups[0]!)
    assert.notDeepEqual(fingerprintsOf(told)(view), fingerprintsOf(told)(corp!), "told of clients")
    assert.notDeepEqual(fingerprintsOf(told)(view), fingerprintsOf(told)(0))
    // A group that left the configuration is not the common one.
    assert.isUndefined(fingerprintsOf(told)(view + 1))
  })
})

describe("an entry of the shared tier", () => {
  it.effect.prop(
    "is read as it was written, octet for octet",
    { octets: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))) },
    ({ octets }) =>
      Effect.sync(() => {
        const wire = Uint8Array.from([...new Array(12).fill(0), ...octets])
        const read = decodeEntry(encodeEntry({ generation: 0xfffffffe, storedSeconds: 0xf0000000, wire }))!
        assert.strictEqual(read.generation, 0xfffffffe)
        assert.strictEqual(read.storedSeconds, 0xf0000000)
        assert.deepStrictEqual([...read.wire], [...wire])
      })
  )

  it("that holds no answer says that what was there is superseded", () => {
    const read = decodeEntry(encodeSuperseded(7, 9))!
    assert.deepStrictEqual([read.generation, read.storedSeconds, read.wire.length], [7, 9, 0])
  })

  it("is none where it is too short to hold a header, or longer than any answer", () => {
    assert.isUndefined(decodeEntry(new Uint8Array(7)))
    assert.isUndefined(decodeEntry(new Uint8Array(9)))
    assert.isUndefined(decodeEntry(new Uint8Array(65_544)))
    assert.isDefined(decodeEntry(new Uint8Array(65_543)))
    assert.isUndefined(decodeEntry(new Uint8Array(19)))
    assert.isDefined(decodeEntry(new Uint8Array(20)))
  })
})

describe("a flush", () => {
  it("is read from what a person writes, and nothing else is", () => {
    const read = (text: string): string | undefined => {
      const flush = readFlush(text)
      return flush === undefined ? undefined : formatFlush(flush)
    }
    assert.strictEqual(read("name WWW.Example.test."), "name www.example.test")
    assert.strictEqual(read(" tree  . "), "tree .")
    assert.strictEqual(read("all"), "all")
    for (const text of ["", "name", "all of it", "tree a b", "name a..b", "flush a.test"])
      assert.isUndefined(read(text))
    assert.strictEqual(readNumberedFlush("17 tree a.test")?.number, 17)
    assert.isUndefined(readNumberedFlush("tree a.test"))
  })

  const www = wireName("www.example.test")
  const other = wireName("other.test")
  const numbered = (text: string) => readNumberedFlush(text)!

  it("voids what was asked for before it, of its names alone", () => {
    const log = new FlushLog()
    assert.isFalse(log.isVoid(0, www))
    assert.isTrue(log.add(numbered("1 tree example.test")))
    assert.isTrue(log.isVoid(0, www))
    assert.isFalse(log.isVoid(0, other))
    assert.isFalse(log.isVoid(1, www))
    assert.isTrue(log.add(numbered("2 all")))
    assert.isTrue(log.isVoid(1, other))
    assert.isFalse(log.isVoid(2, other))
  })

  it("is not taken before the one before it is known; the log says what was missed", () => {
    const log = new FlushLog()
    assert.isFalse(log.add(numbered("2 name www.example.test")))
    const missed = log.adopt(2, ["2 name www.example.test", "1 name other.test"].map(numbered))
    assert.deepStrictEqual(missed.map(formatFlush), ["name other.test", "name www.example.test"])
    assert.isTrue(log.isVoid(1, www))
    assert.isFalse(log.isVoid(1, other))
    assert.deepStrictEqual(log.adopt(2, ["2 name www.example.test"].map(numbered)), [])
  })

  it("is one of everything where the log does not go back far enough", () => {
    const log = new FlushLog()
    assert.deepStrictEqual(log.adopt(9, ["9 name a.test", "8 name b.test"].map(numbered)), [{ kind: "all" }])
    assert.isTrue(log.isVoid(7, other))
    assert.isFalse(log.isVoid(9, other))
  })

  it("that stands in the log with a number above the count was entered by nobody", () => {
    const log = new FlushLog()
    assert.deepStrictEqual(log.adopt(0, ["7 all", "3 name a.test"].map(numbered)), [])
    assert.isFalse(log.isVoid(0, other))
    assert.deepStrictEqual(log.adopt(1, ["7 all", "1 name other.test"].map(numbered)).map(formatFlush), [
      "name other.test"
    ])
  })

  it("is forgotten with all that is older than it when there are many", () => {
    const log = new FlushLog()
    for (let number = 1; number <= MAX_FLUSHES + 10; number++) log.add(numbered(`${number} name n${number}.test`))
    assert.isTrue(log.isVoid(5, other))
    assert.isFalse(log.isVoid(20, other))
    assert.isTrue(log.isVoid(20, wireName("n30.test")))
  })

  it("of which nobody here has heard makes an entry that knows of it void until it is heard of", () => {
    assert.isTrue(new FlushLog().isVoid(1, www))
  })
})

describe("the breaker of Redis", () => {
  it("opens after three failures in a row, and closes after a trial in time only", () => {
    const breaker = new RedisBreaker()
    assert.isFalse(breaker.isClosed, "until it has answered")
    breaker.beginTrial()
    breaker.endTrial(false)
    assert.isFalse(breaker.isClosed)
    breaker.beginTrial()
    breaker.endTrial(true)
    assert.isTrue(breaker.isClosed)
    breaker.onFailure()
    breaker.onFailure()
    breaker.onAnswer()
    breaker.onFailure()
    breaker.onFailure()
    assert.isTrue(breaker.isClosed)
    breaker.onFailure()
    assert.isFalse(breaker.isClosed)
    breaker.endTrial(true)
    assert.isFalse(breaker.isClosed, "what was no trial closes nothing")
  })
})
