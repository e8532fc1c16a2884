/**
 * Which way datagrams are moved: the batched one where it works, the portable one elsewhere or where it is asked for.
 */
import { Effect, Layer } from "effect"
import type { Settings } from "../config/schema/settings.ts"
import type { DatagramTransport } from "../io/datagram.ts"
import * as Batched from "../io/linux/batched.ts"
import { libc } from "../io/linux/libc.ts"
import * as PortableDatagrams from "../io/portable/datagrams.ts"
import * as PortableStreams from "../io/portable/streams.ts"
import type { StreamTransport } from "../io/stream-transport.ts"
import { Counters } from "../telemetry/counters.ts"
import { layerIncidents } from "../telemetry/incidents.ts"

const portable = Layer.mergeAll(PortableDatagrams.layer, PortableStreams.layer)
const batched = Batched.layerOver(libc, PortableStreams.makeStreams)

/**
 * The ways to move datagrams, and octets of connections, that this machine allows.
 *
 * **When to use**
 *
 * Use to provide the network to {@link standaloneLayer}.
 *
 * **Example** (By the setting)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Configuration, layerDatagrams, load, standaloneLayer } from "strand-dns"
 *
 * const server = Layer.unwrap(
 *   Effect.map(load(undefined), ({ settings }) =>
 *     standaloneLayer.pipe(
 *       Layer.provide(Layer.mergeAll(Configuration.layer(settings), layerDatagrams(settings.datagrams)))
 *     )
 *   )
 * )
 * ```
 *
 * @param counters where what happens to sockets is counted: by default, those of a server of one thread
 */
export const layerDatagrams = (
  choice: Settings["datagrams"],
  counters: Layer.Layer<Counters> = Counters.layer
): Layer.Layer<DatagramTransport | StreamTransport, Batched.BatchedUnavailable> =>
  Layer.provide(layerOf(choice), Layer.provide(layerIncidents, counters))

const layerOf = (
  choice: Settings["datagrams"]
): Layer.Layer<DatagramTransport | StreamTransport, Batched.BatchedUnavailable> => {
  switch (choice) {
    case "batched":
      return batched
    case "portable":
      return portable
    case "auto":
      return Layer.catch(batched, (reason) =>
        Layer.unwrap(
          Effect.as(
            Effect.logInfo(`datagrams go the portable way: batched ones are not possible here: ${reason.message}`),
            portable
          )
        )
      )
  }
}
