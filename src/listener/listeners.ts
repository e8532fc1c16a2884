/**
 * All sockets that clients may ask at, as the configuration has them.
 *
 * A socket whose address stays is the same through a change. One whose address is gone takes no more queries from the
 * change on, and is closed when those under way are answered.
 */
import { Context, Effect, Exit, Layer, RcMap, Scope } from "effect"
import type { ListenAddress } from "../config/codec/listen-address.ts"
import { Configuration } from "../config/configuration.ts"
import type { BindTarget, DatagramTransport, SocketError } from "../io/datagram.ts"
import { formatEndpoint } from "../io/endpoint.ts"
import type { StreamTransport } from "../io/stream-transport.ts"
import type { LoopClock } from "../runtime/loop-clock.ts"
import type { Counters } from "../telemetry/counters.ts"
import { Gauges } from "../telemetry/gauges.ts"
import { InheritedSockets, SharesPorts, socketName } from "./inherited-sockets.ts"
import type { Listening } from "./listening.ts"
import { QueryFibers } from "./query-fibers.ts"
import { makeSpeech, type Speech } from "./spoken.ts"
import { listenStream, StreamClients } from "./stream/listen.ts"
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
  clients: StreamClients,
  speech: Speech,
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
          fd: inherit(socketName(protocol, endpoint)),
          isShared
        }
        opened.push(
          yield* protocol === "udp"
            ? listenUdp(local, speech.announces)
            : Effect.flatMap(speech.at(protocol, endpoint, address.path), (spoken) =>
                listenStream(local, clients, spoken)
              )
        )
      }
      return opened
    })
    return yield* opening.pipe(
      Scope.provide(scope),
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
  }).pipe(
    Effect.catchTag("SocketError", (error) =>
      address.endpoint.port === 0 && draws > 1 ? open(address, clients, speech, draws - 1) : Effect.fail(error)
    )
  )

/** What is opened and closed as one: a socket, or those for which the kernel draws one port. */
const apart = (address: ListenAddress): ReadonlyArray<ListenAddress> =>
  address.endpoint.port === 0 ? [address] : address.protocols.map((protocol) => ({ ...address, protocols: [protocol] }))

const keyOf = ({ protocols, endpoint }: ListenAddress): string => `${protocols.join("+")}://${formatEndpoint(endpoint)}`

/**
 * All sockets that clients may ask at.
 *
 * **When to use**
 *
 * Use to learn where the server listens, above all where the kernel chose the port (`127.0.0.1:0`).
 *
 * **Example** (The port that the kernel chose)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Listeners } from "strand-dns"
 *
 * const port = Effect.map(Listeners, ({ current }) => current()[0]?.endpoint.port)
 * ```
 */
export class Listeners extends Context.Service<
  Listeners,
  {
    /** In the order of the configuration. */
    readonly current: () => ReadonlyArray<Listening>
  }
>()("strand/listener/Listeners") {
  static readonly layer: Layer.Layer<Listeners, SocketError, Exclude<Requirements, Scope.Scope>> = Layer.effect(
    Listeners,
    Effect.gen(function* () {
      const configuration = yield* Configuration
      const fibers = yield* QueryFibers
      const clients = new StreamClients()
      const speech = yield* makeSpeech
      const gauges = yield* Gauges
      gauges.register("tcp.connections", () => clients.clients.size)
      const addresses = new Map<string, ListenAddress>()
      const sockets = yield* RcMap.make({
        lookup: (key: string) => Effect.suspend(() => open(addresses.get(key)!, clients, speech, MAX_PORT_DRAWS))
      })
      const live = yield* configuration.derive(["listen"], ({ listen }) =>
        Effect.forEach(listen.flatMap(apart), (address) => {
          const key = keyOf(address)
          addresses.set(key, address)
          return RcMap.get(sockets, key).pipe(
            Effect.map((listening) => ({ key, listening })),
            Effect.ensuring(Effect.sync(() => addresses.delete(key)))
          )
        })
      )
      let inUse = live.current
      yield* configuration.follow(["listen"], () => {
        const stays = new Set(live.current.map(({ key }) => key))
        for (const { key, listening } of inUse) {
          if (stays.has(key)) continue
          // What cannot go on is opened anew when it is asked for again.
          if (listening.some(({ resume }) => resume === undefined)) Effect.runSync(RcMap.invalidate(sockets, key))
          for (const { stop } of listening) stop()
        }
        const was = new Set(inUse.map(({ key }) => key))
        for (const { key, listening } of live.current) {
          if (!was.has(key)) for (const { resume } of listening) resume?.()
        }
        inUse = live.current
      })
      const current = (): ReadonlyArray<Listening> => inUse.flatMap(({ listening }) => listening)
      // Registered last, so that it runs first: no more queries come in, those under way are answered, and only then
      // the sockets close.
      yield* Effect.addFinalizer(() => {
        for (const { stop } of current()) stop()
        // The last answers leave in the turn after their fibers' end.
        return Effect.andThen(fibers.drain, Effect.yieldNow)
      })
      return Listeners.of({ current })
    })
  )
}
