/**
 * An upstream of one's own in place of all others: names are looked up in an inventory, here a `Map` behind a function
 * that takes its time like a request over HTTP. No other server is asked, and none has to be there.
 *
 *     npm run build
 *     DNS_SERVER_LISTEN=127.0.0.1:1053 node examples/own-upstream.ts
 *     dig @127.0.0.1 -p 1053 printer.inventory.test
 *
 * Settings change while it runs: each line on standard input, such as `cache_max_ttl_secs=5`, sets one.
 */
import { createInterface } from "node:readline"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Stream } from "effect"
import {
  beginBy,
  Configuration,
  formatName,
  Listeners,
  layerDatagrams,
  layerStandaloneControl,
  load,
  messageFor,
  Rcode,
  ResolverPool,
  ServerControl,
  standaloneLayerWith,
  Type,
  UpstreamsFailed
} from "strand-dns"

const TTL_SECONDS = 300

const inventory: ReadonlyMap<string, Uint8Array> = new Map([
  ["printer.inventory.test", Uint8Array.of(192, 0, 2, 10)],
  ["scanner.inventory.test", Uint8Array.of(192, 0, 2, 11)]
])

/** What a request to the inventory would be; it does not know names outside of its zone. */
const addressOf = async (name: string): Promise<Uint8Array | undefined> => {
  await new Promise((resolve) => setTimeout(resolve, 20))
  if (!name.endsWith(".inventory.test")) throw new Error(`${name} is not in the inventory's zone`)
  return inventory.get(name)
}

const inventoryUpstream = Layer.effect(
  ResolverPool,
  Effect.gen(function* () {
    const begin = yield* beginBy((question) =>
      Effect.tryPromise({
        try: () => addressOf(formatName(question.name)),
        catch: (cause) => new UpstreamsFailed({ isOfQuestion: false, message: String(cause) })
      }).pipe(
        Effect.map((address) => {
          if (address === undefined) return messageFor(question, [], Rcode.NXDomain)
          const records = question.type === Type.A ? [{ type: Type.A, ttlSeconds: TTL_SECONDS, data: address }] : []
          return messageFor(question, records)
        })
      )
    )
    return ResolverPool.of({ begin })
  })
)

/** Sets a setting by a line such as `cache_max_ttl_secs=5`. What is wrong with it is logged, and changes nothing. */
const change = Effect.fn("change")(function* (line: string) {
  const control = yield* ServerControl
  const [name = "", value = ""] = line.split("=")
  yield* Effect.ignore(control.set({ [name]: value }, "standard input"))
})

const program = Effect.gen(function* () {
  const first = yield* load(undefined)
  const { settings } = first
  const server = layerStandaloneControl({ first, file: undefined }).pipe(
    Layer.provideMerge(standaloneLayerWith({ resolverPool: inventoryUpstream })),
    Layer.provide(Layer.mergeAll(Configuration.layer(settings), layerDatagrams(settings.datagrams)))
  )
  return yield* Effect.gen(function* () {
    const listeners = yield* Listeners
    for (const { protocol, endpoint } of listeners.current()) {
      yield* Effect.log(`answers at ${protocol}://${endpoint.address}:${endpoint.port}`)
    }
    const lines = Stream.fromAsyncIterable(createInterface({ input: process.stdin }), String)
    yield* Stream.runForEach(lines, change)
    return yield* Effect.never
  }).pipe(Effect.provide(server))
})

NodeRuntime.runMain(program)
