/**
 * Datagrams in batches: the contract that every way of moving them keeps.
 *
 * System calls are what a small UDP server spends most of its time on, so both directions speak in batches: what was
 * there to be received comes together, what a turn of the event loop has to send goes together. A transport that
 * cannot do better moves one at a time.
 */
import { Context, type Effect, Schema, type Scope } from "effect"
import type { Endpoint } from "./endpoint.ts"
import type { Peer } from "./peer.ts"

/** The largest datagram that is sent: the largest reply (DNS flag day 2020) and a little room. */
export const MAX_SENT = 1280

/** The way back to who sent a datagram, from the address that was asked. */
export interface ReturnPath {
  readonly peer: Peer
}

/**
 * A datagram received.
 *
 * One object serves many datagrams, one after the other: all of it is valid until the handler returns. `keepPath`
 * makes a way back that lasts.
 */
export interface Datagram extends ReturnPath {
  /** The message is `payload[0, length)`. */
  readonly payload: Uint8Array
  readonly length: number
  /** Whether it was larger than there was room for: the rest is lost. */
  readonly isTruncated: boolean
  readonly keepPath: () => ReturnPath
}

export interface DatagramHandler {
  /** Takes `batch[0, count)`. */
  readonly onBatch: (batch: ReadonlyArray<Datagram>, count: number) => void
  /** An error that arrived later than the call it belongs to: ICMP on a connected socket, for one. */
  readonly onError: (error: Error) => void
  /** The kernel did not take so many datagrams: they are lost, as on any full link. */
  readonly onUnsent: (count: number) => void
  /** This client sends a flood: most of that is not received from now on. */
  readonly onFlood?: (client: string) => void
}

export interface DatagramSocket {
  readonly local: Endpoint
  /** Room for one datagram of at most `MAX_SENT` octets, until the next `send`. */
  readonly reserve: () => Uint8Array
  /**
   * Sends the first `length` octets of what `reserve` gave, with the others of this turn and without waiting.
   *
   * @param path the way back to a datagram's sender, on a socket of `bind`; none on one of `connect`
   */
  readonly send: (length: number, path?: ReturnPath) => void
  /** Receives no more; what is sent still goes, until the scope closes. */
  readonly stopReceiving: () => void
  /** Receives again, after `stopReceiving`. */
  readonly resumeReceiving: () => void
  /**
   * A query of this peer's was one too many for its network. Where that becomes a flood by which others are lost, most of
   * what this peer sends is not received any more, until it is over; there is nothing to call where that cannot be done.
   */
  readonly noteLimited?: (peer: Peer) => void
}

/**
 * A socket could not be opened: the port is taken, the address is not ours, or no descriptor is left.
 *
 * **When to use**
 *
 * Use to tell why a server does not start.
 *
 * **Example** (A port that is taken)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { standaloneLayer } from "strand-dns"
 *
 * const server = Layer.launch(standaloneLayer).pipe(
 *   Effect.catchTag("SocketError", (error) => Effect.logError(error.message))
 * )
 * ```
 */
export class SocketError extends Schema.TaggedError<SocketError>()("SocketError", {
  endpoint: Schema.String,
  message: Schema.String,
  /** No descriptor was left: another port would not help. */
  isExhaustion: Schema.optionalKey(Schema.Boolean)
}) {}

/** Where to receive: an address, or a socket that somebody else has bound to it. */
export interface BindTarget extends Endpoint {
  /** The descriptor of a bound socket; it is the transport's from then on. */
  readonly fd?: number | undefined
  /** Whether others bind to the same address and share what comes (SO_REUSEPORT). */
  readonly isShared?: boolean
}

/**
 * How datagrams are moved.
 *
 * **When to use**
 *
 * Use {@link layerDatagrams} to provide it. A layer of one's own is for tests that need a network in memory.
 *
 * **Example** (The portable way)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { layerDatagrams, standaloneLayer } from "strand-dns"
 *
 * const server = standaloneLayer.pipe(Layer.provide(layerDatagrams("portable")))
 * ```
 */
export class DatagramTransport extends Context.Service<
  DatagramTransport,
  {
    /** What is said of it in the log: `batched` or `portable`. */
    readonly name: string
    /** A socket that receives from anyone at `local`. */
    readonly bind: (
      local: BindTarget,
      handler: DatagramHandler
    ) => Effect.Effect<DatagramSocket, SocketError, Scope.Scope>
    /** A socket with a source port nobody can guess that exchanges datagrams with `remote` only (RFC 5452 §9.2). */
    readonly connect: (
      remote: Endpoint,
      handler: DatagramHandler
    ) => Effect.Effect<DatagramSocket, SocketError, Scope.Scope>
  }
>()("strand/io/DatagramTransport") {}
