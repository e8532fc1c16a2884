/**
 * A message from a client and the way back to it: what every listener makes of what it receives.
 */
import type { Endpoint } from "../io/endpoint.ts"

export interface Packet {
  /** The message is `wire[0, length)`; it belongs to the listener once the pipeline has suspended or returned. */
  readonly wire: Uint8Array
  readonly length: number
  readonly client: Endpoint
  readonly transport: "udp" | "tcp"
  /** The reply's way. Used once, at any later time; it never fails: a client that is gone gets nothing. */
  readonly responder: Responder
}

export interface Responder {
  /** Room for a reply of at most `size` octets. */
  readonly reserve: (size: number) => Uint8Array
  /** Sends `message[0, length)`, written into what `reserve` gave. */
  readonly send: (message: Uint8Array, length: number) => void
  /** The packet gets no answer. */
  readonly drop: () => void
}
