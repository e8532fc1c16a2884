import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Logger } from "effect"
import { Configuration, Listeners, layerDatagrams, load, standaloneLayer } from "../src/index.ts"
import { addressesOf, ask } from "./support/servers/server.ts"
import { address, fakeUpstream } from "./support/upstreams/fake-upstream.ts"

describe("a program that embeds the server", () => {
  it.live("needs nothing but what the package exports", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const env = { DNS_SERVER_LISTEN: "127.0.0.1:0", DNS_SERVER_UPSTREAMS: upstream.address }
      const { settings } = yield* Effect.provideService(
        load(undefined),
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnv({ env })
      )
      const server = standaloneLayer.pipe(
        Layer.provide(
          Layer.mergeAll(Configuration.layer(settings), layerDatagrams(settings.datagrams), Logger.layer([]))
        )
      )
      const answer = yield* Effect.provide(
        Effect.flatMap(Listeners, ({ current }) => ask(current()[0]!.endpoint.port, { name: "www.example.test" })),
        server
      )
      assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
    })
  )
})
