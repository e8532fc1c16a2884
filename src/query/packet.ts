/**
 * A message from a client and the way back to it: what every listener makes of what it receives.
 */
import type { Peer } from "../io/peer.ts"
import type { Transport } from "./transport.ts"

/**
 * The way back to a client. Used once; it never fails: a reply to a client that is gone is dropped.
 *
 * **When to use**
 *
 * Use in a step before the cache that answers later than it is asked.
 */
export interface ReplyPath {
  readonly client: Peer
  readonly transport: Transport
  /** Room for a reply of at most `size` octets. */
  readonly reserve: (size: number) => Uint8Array
  /**
   * Sends the first `length` octets of what `reserve` gave.
   *
   * @param ttlSeconds the smallest TTL of what is sent, or less: how long others on the way may keep it (RFC 8484 §5.1);
   *   0 for errors
   */
  readonly send: (length: number, ttlSeconds: number) => void
  /** The packet gets no answer. */
  readonly drop: () => void
}

/**
 * A message from a client. All of it is valid until the pipeline suspends or returns: the listener reuses it for the next
 * message.
 *
 * **When to use**
 *
 * Use in a step before the cache, as what {@link Pipeline} handles.
 */
export interface Packet extends ReplyPath {
  /** The message is `wire[0, length)`. */
  readonly wire: Uint8Array
  readonly length: number
  /** It is a query: well-formed, and of a client that may ask. */
  readonly noteQuery: () => void
  /** It is one too many for its client's network; for listeners that can keep floods away. */
  readonly noteLimited?: () => void
  /** A way back for an answer that comes later. */
  readonly keepPath: () => ReplyPath
}
