import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { AnswerCache } from "../../src/cache/answer-cache.ts"
import { Configuration } from "../../src/config/configuration.ts"
import type { Question } from "../../src/dns/question.ts"
import {
  ALONE,
  NOWHERE,
  OPTED_OUT,
  prefixOf,
  SCOPE_OF_SOURCE,
  type Subnet,
  subnetOfAddress,
  widen
} from "../../src/dns/subnet.ts"
import { Counters } from "../../src/telemetry/counters.ts"
import { settingsOf } from "../support/servers/settings.ts"
import { asked, message, octets, record, seeded, wireName, question as wireQuestion } from "../support/wire/messages.ts"

const VIEW = 77

const cacheLayer = AnswerCache.layer.pipe(
  Layer.provideMerge(Counters.layer),
  Layer.provide(Configuration.layer(settingsOf({ DNS_SERVER_CACHE_SIZE_MB: "4" })))
)

/** An answer that carries a number. */
const numbered = (name: string, number: number): Uint8Array =>
  message({
    questions: [wireQuestion(name)],
    answers: [record(wireName(name), 16, 300, octets(4, number >>> 24, number >>> 16, number >>> 8, number))]
  })

const numberOf = (wire: Uint8Array, length: number): number =>
  ((wire[length - 4]! << 24) | (wire[length - 3]! << 16) | (wire[length - 2]! << 8) | wire[length - 1]!) >>> 0

const from = (name: string, subnet: Subnet): Question => ({
  ...asked(name),
  view: VIEW,
  clientContext: { subnet, coordinates: undefined }
})

const ipv4 = (address: number, prefix: number): Subnet =>
  subnetOfAddress(Uint32Array.of(0, 0, 0, address >>> 0), true, prefix)

const holds = (network: Subnet, other: Subnet): boolean => {
  const wider = new Uint8Array(18)
  widen(other, wider, prefixOf(network))
  return prefixOf(other) >= prefixOf(network) && wider.every((octet, i) => octet === network[i])
}

const lookup = (cache: AnswerCache["Service"], question: Question): number | undefined => {
  const found = cache.peekStale(question)
  return found === undefined ? undefined : numberOf(found.wire, found.length)
}

describe("answers that differ by network", () => {
  it.effect("are never given to a client outside of their scope, whatever was stored for whom (RFC 7871 §7.3.1)", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      for (let seed = 1; seed <= 20; seed++) {
        const random = seeded(seed)
        const name = `n${seed}.example`
        /** Networks of few bits at the front, so that many of them overlap. */
        const randomSubnet = (): Subnet => {
          const subnet = ipv4((random(4) << 30) | (random(4) << 22) | (random(4) << 12) | (random(4) << 8), 24)
          const kind = random(12)
          if (kind === 0) return NOWHERE
          if (kind === 1) return OPTED_OUT
          if (kind < 4) {
            widen(subnet, subnet, 8 + random(16))
            subnet[0]! |= ALONE
          } else if (kind < 6) {
            return subnetOfAddress(Uint32Array.of(0x2a000000 | random(2), random(2) << 31, 0, 0), false, 56)
          }
          return subnet
        }
        const stored: Array<{ readonly subnet: Subnet; readonly scope: number }> = []
        let hits = 0
        for (let step = 0; step < 1_500; step++) {
          const subnet = randomSubnet()
          const number = lookup(cache, from(name, subnet))
          if (number !== undefined) {
            hits++
            const { subnet: whose, scope } = stored[number]!
            const isOwn = whose.every((octet, i) => octet === subnet[i])
            const source = prefixOf(whose)
            const isForAll = scope === 0 && source > 0
            const network = new Uint8Array(18)
            widen(whose, network, Math.min(scope, source))
            // Beyond the source only where it is the usual one: then the same network is the same octets.
            const isInScope = source > 0 && scope <= source && prefixOf(subnet) > 0 && holds(network, subnet)
            assert.isTrue(isOwn || isForAll || isInScope, `${seed}/${step}: ${whose} scope ${scope} for ${subnet}`)
          }
          if (random(3) > 0) continue
          const whose = randomSubnet()
          const scope = random(40) === 0 ? 0 : random(10) === 0 ? SCOPE_OF_SOURCE : 1 + random(32)
          stored.push({ subnet: whose, scope })
          const wire = numbered(name, stored.length - 1)
          cache.store(from(name, whose), wire, 300, scope)
        }
        assert.isAbove(hits, 100)
      }
    }).pipe(Effect.provide(cacheLayer))
  )

  it.effect("are found by every client in their scope, the narrowest first, and for everybody last", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const store = (subnet: Subnet, scope: number, number: number): void =>
        cache.store(from("a.example", subnet), numbered("a.example", number), 300, scope)
      store(ipv4(0x08010100, 24), 0, 1)
      store(ipv4(0x08020200, 24), 16, 2)
      store(ipv4(0x08020300, 24), 24, 3)
      const find = (address: number): number | undefined => lookup(cache, from("a.example", ipv4(address, 24)))
      assert.strictEqual(find(0x09000000), 1)
      assert.strictEqual(find(0x08020400), 2)
      assert.strictEqual(find(0x08020300), 3)
      assert.strictEqual(find(0x08030000), 1)
      // Nobody's who is not told of, and no other question's.
      assert.isUndefined(lookup(cache, { ...asked("a.example"), view: 0 }))
      assert.isUndefined(lookup(cache, from("b.example", ipv4(0x08020300, 24))))
    }).pipe(Effect.provide(cacheLayer))
  )

  it.effect("give way to a wider one that the same network gets later; those of other networks stay", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      for (const [name, scope] of [
        ["wider.example", 16],
        ["widest.example", 0]
      ] as const) {
        const [one, other] = [ipv4(0x08020300, 24), ipv4(0x08020400, 24)]
        cache.store(from(name, one), numbered(name, 1), 300, 24)
        cache.store(from(name, other), numbered(name, 2), 300, 24)
        yield* TestClock.adjust("2 seconds")
        cache.store(from(name, one), numbered(name, 3), 300, scope)
        assert.strictEqual(lookup(cache, from(name, one)), 3)
        assert.strictEqual(lookup(cache, from(name, other)), 2)
      }
    }).pipe(Effect.provide(cacheLayer))
  )

  it.effect("keep the scope that they came with", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const question = from("s.example", ipv4(0x08020300, 24))
      cache.store(question, numbered("s.example", 9), 300, 32)
      assert.strictEqual(cache.peekStale(question)?.scope, 32)
    }).pipe(Effect.provide(cacheLayer))
  )

  it.effect("stay apart when the table gets another size, and are forgotten with their name", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const ecsAnswers = Array.from({ length: 50 }, (_, i) => ipv4((8 << 24) | (i << 8), 24))
      ecsAnswers.forEach((subnet, i) => {
        cache.store(from("r.example", subnet), numbered("r.example", i), 300, 24)
      })
      yield* cache.resize(8 << 20)
      ecsAnswers.forEach((subnet, i) => {
        assert.strictEqual(lookup(cache, from("r.example", subnet)), i)
      })
      assert.strictEqual(yield* cache.flushName(wireName("r.example")), 50)
      for (const subnet of ecsAnswers) assert.isUndefined(lookup(cache, from("r.example", subnet)))
    }).pipe(Effect.provide(cacheLayer))
  )
})
