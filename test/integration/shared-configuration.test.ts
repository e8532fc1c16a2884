/** Servers on one Redis that keep their configuration in step. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { redisServer, startRedis } from "../support/external/redis.ts"
import { freePort } from "../support/machine/ports.ts"
import { type Reply, startWithAdmin, untilAdmin } from "../support/servers/admin.ts"
import { addressesOf, ask } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"

interface Settings {
  readonly settings: Readonly<Record<string, { readonly value: unknown; readonly source: string }>>
}

const isSetTo =
  (name: string, value: unknown) =>
  ({ json }: Reply): boolean =>
    (json as Settings).settings[name]!.value === value

describe.skipIf(redisServer === undefined)("servers that share their configuration", () => {
  it.live("change together, whoever is asked, and one that comes later has what they have", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const redis = yield* startRedis()
      const shared = {
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_REDIS_URL: redis.url,
        DNS_SERVER_CONFIG_SHARED: "true"
      }
      const one = yield* startWithAdmin(shared)
      const two = yield* startWithAdmin(shared)
      const alone = yield* startWithAdmin({ ...shared, DNS_SERVER_CONFIG_SHARED: "false" })
      const change = { retries: 1, local_answers: ["nas.home A 192.0.2.9"], admin_hosts: ["one.example"] }
      assert.strictEqual((yield* one.admin("/api/v1/config", { method: "PATCH", body: change })).status, 200)
      const has = yield* untilAdmin(two.admin("/api/v1/config"), isSetTo("retries", "1"))
      assert.deepInclude((has.json as Settings).settings["retries"], { source: "program" })
      // What belongs to a machine stays there.
      assert.deepStrictEqual((has.json as Settings).settings["admin_hosts"]!.value, [])
      assert.deepStrictEqual(addressesOf(yield* ask(two.port, { name: "nas.home" })), ["192.0.2.9"])

      // Given back by the other.
      yield* two.admin("/api/v1/config/local_answers", { method: "DELETE" })
      yield* untilAdmin(one.admin("/api/v1/config"), ({ text }) => !text.includes("nas.home"))
      const late = yield* startWithAdmin(shared)
      yield* untilAdmin(late.admin("/api/v1/config"), isSetTo("retries", "1"))
      const status = (yield* late.admin("/api/v1/status")).json as { readonly sharedConfiguration: object }
      assert.deepInclude(status.sharedConfiguration, { generation: 2, error: null })
      assert.isTrue(isSetTo("retries", "2")(yield* alone.admin("/api/v1/config")))
      const history = yield* late.admin("/api/v1/config/history")
      assert.include(history.text, "by way of Redis")
    })
  )

  it.live("one that cannot make a change makes none of it, says so, and follows the next", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const redis = yield* startRedis()
      const shared = {
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_REDIS_URL: redis.url,
        DNS_SERVER_CONFIG_SHARED: "true"
      }
      const one = yield* startWithAdmin(shared)
      const port = yield* freePort
      const two = yield* startWithAdmin({ ...shared, DNS_SERVER_LISTEN: `127.0.0.1:${port}` })
      // The second cannot ask itself.
      const body = { retries: 1, upstreams: [`127.0.0.1:${port}`, upstream.address] }
      assert.strictEqual((yield* one.admin("/api/v1/config", { method: "PATCH", body })).status, 200)
      while (!two.output().includes("of the shared configuration is not made here")) yield* Effect.sleep(50)
      assert.isTrue(isSetTo("retries", "2")(yield* two.admin("/api/v1/config")))
      const status = (yield* two.admin("/api/v1/status")).json as {
        readonly sharedConfiguration: { readonly error: string }
      }
      assert.include(status.sharedConfiguration.error, "this one listens on")
      yield* one.admin("/api/v1/config/upstreams", { method: "DELETE" })
      yield* untilAdmin(two.admin("/api/v1/config"), isSetTo("retries", "1"))
    })
  )

  it.live("go on without Redis, and are in step again when it is back", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const redis = yield* startRedis({ isDown: true })
      const shared = {
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_REDIS_URL: redis.url,
        DNS_SERVER_CONFIG_SHARED: "true"
      }
      const one = yield* startWithAdmin(shared)
      const two = yield* startWithAdmin(shared)
      assert.strictEqual((yield* one.admin("/api/v1/config", { method: "PATCH", body: { retries: 0 } })).status, 200)
      while (!two.output().includes("the shared configuration cannot be read")) yield* Effect.sleep(50)
      yield* redis.restart
      yield* untilAdmin(two.admin("/api/v1/config"), isSetTo("retries", "0"))
    })
  )
})
