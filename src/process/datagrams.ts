/** Which way datagrams are moved: the batched one where it works, the portable one elsewhere or where it is asked for. */
import { Effect, Layer } from "effect"
import type { Settings } from "../config/schema.ts"
import type { DatagramTransport } from "../io/datagram.ts"
import * as Batched from "../io/datagram-batched.ts"
import * as Portable from "../io/datagram-portable.ts"

export const layerDatagrams = (
  choice: Settings["datagrams"]
): Layer.Layer<DatagramTransport, Batched.BatchedUnavailable> => {
  switch (choice) {
    case "batched":
      return Batched.layer
    case "portable":
      return Portable.layer
    case "auto":
      return Layer.catch(Batched.layer, (reason) =>
        Layer.unwrap(
          Effect.as(
            Effect.logInfo(`datagrams go the portable way: batched ones are not possible here: ${reason.message}`),
            Portable.layer
          )
        )
      )
  }
}
