/** A socket at which clients ask. */
import type { Endpoint } from "../io/endpoint.ts"
import type { ListenProtocol } from "../io/protocols.ts"

/**
 * A socket at which clients ask.
 *
 * **When to use**
 *
 * Use as what {@link Listeners} lists.
 */
export interface Listening {
  readonly protocol: ListenProtocol
  readonly endpoint: Endpoint
  /** Takes no more queries; those under way still get their answers. */
  readonly stop: () => void
  /** Takes queries again, after `stop`; undefined where the socket is closed by then. */
  readonly resume?: () => void
}
