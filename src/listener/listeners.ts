/** All sockets that clients may ask at, from the configuration. */
import { Context, Effect, Layer } from "effect"
import { Configuration } from "../config/configuration.ts"
import type { DatagramTransport, SocketError } from "../io/datagram.ts"
import type { Endpoint } from "../io/endpoint.ts"
import type { TimerWheel } from "../io/timer-wheel.ts"
import type { Counters } from "../telemetry/counters.ts"
import type { QueryFibers } from "./query-fibers.ts"
import { listenTcp } from "./tcp.ts"
import { listenUdp } from "./udp.ts"

export interface Listening {
  readonly protocol: "udp" | "tcp"
  readonly endpoint: Endpoint
}

export class Listeners extends Context.Service<Listeners, ReadonlyArray<Listening>>()("strand/listener/Listeners") {
  static readonly layer: Layer.Layer<
    Listeners,
    SocketError,
    Configuration | DatagramTransport | QueryFibers | Counters | TimerWheel
  > = Layer.effect(
    Listeners,
    Effect.gen(function* () {
      const config = yield* Configuration
      const listening: Array<Listening> = []
      for (const { protocols, endpoint } of config.listen) {
        // A port drawn by the kernel (`:0`) for UDP is asked for by TCP too.
        let local = endpoint
        for (const protocol of protocols) {
          const open = protocol === "udp" ? listenUdp(local) : listenTcp(local)
          local = yield* open
          listening.push({ protocol, endpoint: local })
        }
      }
      return listening
    })
  )
}
