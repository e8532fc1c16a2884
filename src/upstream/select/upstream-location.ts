/** Where upstreams are, by their addresses. */
import { isNamed } from "../../config/codec/upstream-address.ts"
import type { Coordinates } from "../../dns/client-context.ts"
import type { Geography } from "../../geo/geography.ts"
import { TextPeer } from "../../io/peer.ts"
import type { Upstream } from "../upstream.ts"

/** Looked up once in each version of the database. Unknown for an upstream that is configured by name. */
export const coordinatesOfServer = (
  geography: Geography["Service"],
  { address, endpoint }: Upstream
): (() => Coordinates | undefined) => {
  if (isNamed(address)) return () => undefined
  const words = new Uint32Array(4)
  const isIPv4 = new TextPeer(endpoint).readWords(words)
  let generation = -1
  let coordinates: Coordinates | undefined
  return () => {
    if (generation !== geography.generation()) {
      generation = geography.generation()
      coordinates = geography.locationOf(words, isIPv4).coordinates
    }
    return coordinates
  }
}
