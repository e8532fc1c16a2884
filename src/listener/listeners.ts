/** All sockets that clients may ask at, from the configuration. */
import { Context, Effect, Exit, Layer, Scope } from "effect"
import type { ListenAddress } from "../config/codec/listen-address.ts"
import { Configuration } from "../config/configuration.ts"
import type { BindTarget, DatagramTransport, SocketError } from "../io/datagram.ts"
import type { StreamTransport } from "../io/stream-transport.ts"
import type { LoopClock } from "../runtime/loop-clock.ts"
import type { Counters } from "../telemetry/counters.ts"
import { InheritedSockets, SharesPorts, socketName } from "./inherited-sockets.ts"
import type { Listening } from "./listening.ts"
import { QueryFibers } from "./query-fibers.ts"
import { listenTcp, TcpClients } from "./stream/tcp.ts"
import { listenUdp } from "./udp.ts"

type Requirements =
  | Configuration
  | DatagramTransport
  | StreamTransport
  | QueryFibers
  | Counters
  | LoopClock
  | Scope.Scope

/** How often the kernel is asked for a port that is free for both UDP and TCP. */
const MAX_PORT_DRAWS = 16

/**
 * All sockets of one address. A port that the kernel draws (`:0`) for the first protocol is asked for by the next too.
 */
const open = (
  address: ListenAddress,
  index: number,
  tcpClients: TcpClients,
  draws: number
): Effect.Effect<ReadonlyArray<Listening>, SocketError, Requirements> =>
  Effect.gen(function* () {
    const { protocols, endpoint } = address
    const inherit = yield* InheritedSockets
    const isShared = yield* SharesPorts
    const scope = yield* Scope.fork(yield* Effect.scope)
    const opening = Effect.gen(function* () {
      const opened: Array<Listening> = []
      for (const protocol of protocols) {
        const local: BindTarget = {
          address: endpoint.address,
          port: opened[0]?.endpoint.port ?? endpoint.port,
          fd: inherit(socketName(index, protocol, address)),
          isShared
        }
        opened.push(yield* protocol === "udp" ? listenUdp(local) : listenTcp(local, tcpClients))
      }
      return opened
    })
    return yield* opening.pipe(
      Scope.provide(scope),
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
  }).pipe(
    Effect.catchTag("SocketError", (error) =>
      address.endpoint.port === 0 && draws > 1 ? open(address, index, tcpClients, draws - 1) : Effect.fail(error)
    )
  )

export class Listeners extends Context.Service<Listeners, ReadonlyArray<Listening>>()("strand/listener/Listeners") {
  static readonly layer: Layer.Layer<Listeners, SocketError, Exclude<Requirements, Scope.Scope>> = Layer.effect(
    Listeners,
    Effect.gen(function* () {
      const config = yield* Configuration
      const fibers = yield* QueryFibers
      const listening: Array<Listening> = []
      const tcpClients = new TcpClients()
      for (const [index, address] of config.listen.entries()) {
        listening.push(...(yield* open(address, index, tcpClients, MAX_PORT_DRAWS)))
      }
      // Registered last, so that it runs first: no more queries come in, those under way are answered, and only then
      // the sockets close.
      yield* Effect.addFinalizer(() => {
        for (const { stop } of listening) stop()
        // The last answers leave in the turn after their fibers' end.
        return Effect.andThen(fibers.drain, Effect.yieldNow)
      })
      return listening
    })
  )
}
