/**
 * Listens at duplicates of the sockets of another worker while that worker is away, so that its clients are answered.
 */
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { Configuration } from "../config/configuration.ts"
import type { BindTarget, DatagramTransport, SocketError } from "../io/datagram.ts"
import type { StreamTransport } from "../io/stream-transport.ts"
import type { LoopClock } from "../runtime/loop-clock.ts"
import type { Counters } from "../telemetry/counters.ts"
import type { GivenSocket } from "./inherited-sockets.ts"
import type { Listening } from "./listening.ts"
import { QueryFibers } from "./query-fibers.ts"
import { makeSpeech } from "./spoken.ts"
import { listenStream, StreamClients } from "./stream/listen.ts"
import { listenUdp } from "./udp.ts"

type Requirements = Configuration | DatagramTransport | StreamTransport | QueryFibers | Counters | LoopClock

/** Beyond a query's deadline: its answer has left by then. */
const LAST_ANSWERS_MS = 1_000

interface Standing {
  readonly listening: ReadonlyArray<Listening>
  readonly scope: Scope.Closeable
}

export class StandIn extends Context.Service<
  StandIn,
  {
    /** Answers at the sockets of a worker, beside this thread's own. */
    readonly begin: (worker: number, sockets: ReadonlyArray<GivenSocket>) => Effect.Effect<void, SocketError>
    /** Takes nothing more from them; what is under way is answered. */
    readonly end: (worker: number) => Effect.Effect<void>
  }
>()("strand/listener/StandIn") {
  static readonly layer: Layer.Layer<StandIn, never, Requirements> = Layer.effect(
    StandIn,
    Effect.gen(function* () {
      const configuration = yield* Configuration
      const fibers = yield* QueryFibers
      const speech = yield* makeSpeech
      const context = yield* Effect.context<Requirements>()
      const layerScope = yield* Effect.scope
      const standing = new Map<number, Standing>()

      const end = (worker: number): Effect.Effect<void> =>
        Effect.suspend(() => {
          const stood = standing.get(worker)
          if (stood === undefined) return Effect.void
          standing.delete(worker)
          for (const { stop } of stood.listening) stop()
          const closing = Effect.delay(
            Scope.close(stood.scope, Exit.void),
            configuration.current().queryTimeoutSecs * 1000 + LAST_ANSWERS_MS
          )
          return Effect.asVoid(Effect.forkIn(closing, layerScope))
        })

      const begin = Effect.fnUntraced(function* (worker: number, sockets: ReadonlyArray<GivenSocket>) {
        yield* end(worker)
        const scope = yield* Scope.fork(layerScope)
        // The absent thread's clients have its share of connections, not this one's.
        const clients = new StreamClients()
        const opening = Effect.gen(function* () {
          const listening: Array<Listening> = []
          for (const { protocol, endpoint, fd } of sockets) {
            const local: BindTarget = { ...endpoint, fd }
            const opened =
              protocol === "udp"
                ? listenUdp(local, speech.announces)
                : Effect.flatMap(speech.at(protocol, endpoint), (spoken) => listenStream(local, clients, spoken))
            listening.push(yield* opened)
          }
          return listening
        })
        const listening = yield* opening.pipe(
          Scope.provide(scope),
          Effect.provideContext(context),
          Effect.onError(() => Scope.close(scope, Exit.void))
        )
        standing.set(worker, { listening, scope })
      })

      // As with this thread's own: no more queries come in, and those under way are answered before the sockets close.
      yield* Effect.addFinalizer(() => {
        for (const { listening } of standing.values()) for (const { stop } of listening) stop()
        return standing.size === 0 ? Effect.void : Effect.andThen(fibers.drain, Effect.yieldNow)
      })
      return StandIn.of({ begin, end })
    })
  )
}
