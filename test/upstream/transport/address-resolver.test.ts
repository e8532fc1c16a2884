import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { ownState, type UpstreamState } from "../../../src/upstream/health/shared-state.ts"
import {
  type AddressContext,
  AddressResolver,
  type Found,
  LookupFailed
} from "../../../src/upstream/transport/address-resolver.ts"

const remote = { address: "dns.example", port: 853 }

/** Of a thread of its own; time is the test's. */
const context = (state: UpstreamState = ownState(), time = { nowMs: 0 }): AddressContext => ({
  nowMs: () => time.nowMs,
  words: state.words
})

/** Servers that say what they are told to say; undefined: that they cannot. */
class Servers {
  says: Found | undefined
  asked = 0

  readonly find = (): Effect.Effect<Found, LookupFailed> =>
    Effect.suspend(() => {
      this.asked++
      return this.says === undefined ? Effect.fail(new LookupFailed("ECONNREFUSED")) : Effect.succeed(this.says)
    })
}

const found = (ttlSeconds: number, ...addresses: ReadonlyArray<string>): Found => ({ addresses, ttlSeconds })

describe("AddressResolver", () => {
  it.effect("are asked for again when their TTL has run out", () =>
    Effect.gen(function* () {
      const servers = new Servers()
      servers.says = found(300, "192.0.2.1")
      const addressResolver = yield* AddressResolver.followed(remote, context(), servers.find)
      assert.deepStrictEqual(yield* addressResolver.current, ["192.0.2.1"])
      servers.says = found(300, "192.0.2.2", "2001:db8::2")
      yield* TestClock.adjust("299 seconds")
      assert.deepStrictEqual(yield* addressResolver.current, ["192.0.2.1"])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* addressResolver.current, ["192.0.2.2", "2001:db8::2"])
    })
  )

  it.effect("are asked for at most twice a minute, and at least once an hour, whatever their TTL", () =>
    Effect.gen(function* () {
      const servers = new Servers()
      servers.says = found(0, "192.0.2.1")
      yield* Effect.flatMap(AddressResolver.followed(remote, context(), servers.find), ({ current }) => current)
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(servers.asked, 3)
      servers.says = found(1_000_000, "192.0.2.1")
      yield* TestClock.adjust("30 seconds")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(servers.asked, 5)
    })
  )

  it.effect("that were good are kept while no others are to be had", () =>
    Effect.gen(function* () {
      const servers = new Servers()
      servers.says = found(60, "192.0.2.1")
      const addressResolver = yield* AddressResolver.followed(remote, context(), servers.find)
      yield* addressResolver.current
      servers.says = undefined
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* addressResolver.current, ["192.0.2.1"])
      servers.says = found(60, "192.0.2.9")
      yield* TestClock.adjust("61 seconds")
      assert.deepStrictEqual(yield* addressResolver.current, ["192.0.2.9"])
    })
  )

  it.effect("that cannot be had at the start are asked for at growing pauses", () =>
    Effect.gen(function* () {
      const servers = new Servers()
      const addressResolver = yield* AddressResolver.followed(remote, context(), servers.find)
      const { message } = yield* Effect.flip(addressResolver.current)
      assert.include(message, "ECONNREFUSED")
      yield* TestClock.adjust("10 seconds")
      // At 0, 0.5, 1.5, 3.5 and 7.5 seconds.
      assert.strictEqual(servers.asked, 5)
      yield* TestClock.adjust("10 minutes")
      assert.isBelow(servers.asked, 20)
      servers.says = found(60, "192.0.2.1")
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(yield* addressResolver.current, ["192.0.2.1"])
    })
  )

  it.effect("are waited for while the first answer is on its way", () =>
    Effect.gen(function* () {
      const slow = Effect.delay(Effect.succeed(found(60, "192.0.2.1")), "1 second")
      const addressResolver = yield* AddressResolver.followed(remote, context(), () => slow)
      const waiting = yield* Effect.forkChild(addressResolver.current)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(waiting), ["192.0.2.1"])
    })
  )

  it.effect("begin with the address that was found to work", () =>
    Effect.gen(function* () {
      const servers = new Servers()
      servers.says = found(60, "192.0.2.1", "192.0.2.2")
      const addressResolver = yield* AddressResolver.followed(remote, context(), servers.find)
      yield* addressResolver.current
      addressResolver.prefer("192.0.2.2")
      assert.deepStrictEqual(yield* addressResolver.current, ["192.0.2.2", "192.0.2.1"])
      yield* TestClock.adjust("61 seconds")
      assert.deepStrictEqual(yield* addressResolver.current, ["192.0.2.2", "192.0.2.1"])
    })
  )

  const addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]

  const known = Effect.fnUntraced(function* (shared: AddressContext) {
    const servers = new Servers()
    servers.says = found(60, ...addresses)
    const addressResolver = yield* AddressResolver.followed(remote, shared, servers.find)
    yield* addressResolver.current
    return addressResolver
  })

  it.effect(
    "leave an address that is silent: at the first question that has to be asked again, where it never answered",
    () =>
      Effect.gen(function* () {
        const time = { nowMs: 1_000 }
        const addressResolver = yield* known(context(ownState(), time))
        addressResolver.asked()
        assert.isFalse(addressResolver.isSilent(800, true))
        time.nowMs += 50
        assert.isFalse(addressResolver.isSilent(800, false))
        assert.isTrue(addressResolver.isSilent(800, true))
        addressResolver.heard("192.0.2.1")
        addressResolver.asked()
        time.nowMs += 799
        assert.isFalse(addressResolver.isSilent(800, true))
        time.nowMs += 1
        assert.isTrue(addressResolver.isSilent(800, false))
      })
  )

  it.effect("go on with those that have answered before, and then with the others", () =>
    Effect.gen(function* () {
      const addressResolver = yield* known(context())
      addressResolver.heard("192.0.2.3")
      addressResolver.demote("192.0.2.1")
      assert.deepStrictEqual(yield* addressResolver.current, ["192.0.2.3", "192.0.2.2", "192.0.2.1"])
      // Only the one that is asked can be found silent.
      addressResolver.demote("192.0.2.1")
      assert.strictEqual(addressResolver.first, "192.0.2.3")
    })
  )

  it.effect("are the same for all threads: where one has gone the others go", () =>
    Effect.gen(function* () {
      const state = ownState()
      const one = yield* known(context(state))
      const other = yield* known(context(state))
      one.demote("192.0.2.1")
      assert.strictEqual(other.first, "192.0.2.2")
      const later = yield* known(context(state))
      assert.strictEqual(later.first, "192.0.2.2")
      other.prefer("192.0.2.3")
      assert.strictEqual(one.first, "192.0.2.3")
      assert.strictEqual(later.first, "192.0.2.3")
    })
  )
})
