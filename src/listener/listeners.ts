/** All sockets that clients may ask at, from the configuration. */
import { Context, Effect, Layer } from "effect"
import { Configuration } from "../config/configuration.ts"
import type { DatagramTransport, SocketError } from "../io/datagram.ts"
import type { Turn } from "../io/turn.ts"
import type { Counters } from "../telemetry/counters.ts"
import type { Listening } from "./listening.ts"
import { QueryFibers } from "./query-fibers.ts"
import { listenTcp, TcpClients } from "./tcp.ts"
import { listenUdp } from "./udp.ts"

export class Listeners extends Context.Service<Listeners, ReadonlyArray<Listening>>()("strand/listener/Listeners") {
  static readonly layer: Layer.Layer<
    Listeners,
    SocketError,
    Configuration | DatagramTransport | QueryFibers | Counters | Turn
  > = Layer.effect(
    Listeners,
    Effect.gen(function* () {
      const config = yield* Configuration
      const fibers = yield* QueryFibers
      const listening: Array<Listening> = []
      const tcpClients = new TcpClients()
      for (const { protocols, endpoint } of config.listen) {
        // A port drawn by the kernel (`:0`) for UDP is asked for by TCP too.
        let local = endpoint
        for (const protocol of protocols) {
          const opened: Listening = yield* protocol === "udp" ? listenUdp(local) : listenTcp(local, tcpClients)
          local = opened.endpoint
          listening.push(opened)
        }
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
