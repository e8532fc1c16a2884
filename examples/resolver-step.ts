/**
 * A step around the upstreams: names in `numbers.test` are answered by a function, all others are passed on.
 *
 *     npm run build
 *     DNS_SERVER_LISTEN=127.0.0.1:1053 node examples/resolver-step.ts
 *     dig @127.0.0.1 -p 1053 7.numbers.test
 *
 * The answers are cached like those of upstreams, and cost no more when they are asked for again.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import {
  beginBy,
  Configuration,
  formatName,
  formatQuestion,
  isAtOrBelow,
  Listeners,
  layerDatagrams,
  load,
  messageFor,
  parseName,
  type Question,
  Rcode,
  ResolverPool,
  standaloneLayerWith,
  Type
} from "strand-dns"

const ZONE = parseName("numbers.test")!
const TTL_SECONDS = 300

/** `7.numbers.test` is 192.0.2.7; there is no name for what is no number of an octet. */
const answerTo = (question: Question): Uint8Array => {
  if (question.name.length === ZONE.length) return messageFor(question, [])
  const digits = /^(\d{1,3})\.numbers\.test$/.exec(formatName(question.name))?.[1]
  if (digits === undefined || Number(digits) > 255) return messageFor(question, [], Rcode.NXDomain)
  if (question.type !== Type.A) return messageFor(question, [])
  const data = Uint8Array.of(192, 0, 2, Number(digits))
  return messageFor(question, [{ type: Type.A, ttlSeconds: TTL_SECONDS, data }])
}

const numbers = Layer.effect(
  ResolverPool,
  Effect.gen(function* () {
    const upstreams = yield* ResolverPool
    const own = yield* beginBy((question) =>
      Effect.as(Effect.log(`made an answer to ${formatQuestion(question)}`), answerTo(question))
    )
    return ResolverPool.of({
      begin: (question, record, asker) => {
        const begin = isAtOrBelow(question.name, ZONE) ? own : upstreams.begin
        return begin(question, record, asker)
      }
    })
  })
).pipe(Layer.provide(ResolverPool.layer))

const program = Effect.gen(function* () {
  const { settings } = yield* load(undefined)
  const server = standaloneLayerWith({ resolverPool: numbers }).pipe(
    Layer.provide(Layer.mergeAll(Configuration.layer(settings), layerDatagrams(settings.datagrams)))
  )
  return yield* Effect.gen(function* () {
    const listeners = yield* Listeners
    for (const { protocol, endpoint } of listeners.current()) {
      yield* Effect.log(`answers at ${protocol}://${endpoint.address}:${endpoint.port}`)
    }
    return yield* Effect.never
  }).pipe(Effect.provide(server))
})

NodeRuntime.runMain(program)
