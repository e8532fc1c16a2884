/**
 * Datagrams in batches: the contract that every way of moving them keeps.
 *
 * System calls are what a small UDP server spends most of its time on, so both directions speak in batches: what was
 * there to be received comes together, what is there to be sent goes together. A transport that cannot do better moves
 * one at a time.
 */
import { Context, type Effect, Schema, type Scope } from "effect"
import type { Endpoint } from "./endpoint.ts"

/** A datagram received. It belongs to the transport: what is needed after the handler's return has to be copied. */
export interface Datagram {
  /** The message is `payload[0, length)`. */
  readonly payload: Uint8Array
  readonly length: number
  readonly peer: Endpoint
}

/** A datagram to send. Its payload, from `reserve`, belongs to the socket once it is sent. */
export interface OutgoingDatagram extends Datagram {}

export interface DatagramHandler {
  readonly onBatch: (batch: ReadonlyArray<Datagram>) => void
  /** An error that arrived later than the call it belongs to: ICMP on a connected socket, for one. */
  readonly onError: (error: Error) => void
}

export interface DatagramSocket {
  readonly local: Endpoint
  /** Room to write a datagram of at most `size` octets into. */
  readonly reserve: (size: number) => Uint8Array
  /**
   * Sends the batch without waiting. Where the kernel takes no more, datagrams are dropped, as on any full link.
   *
   * @returns how many were dropped
   */
  readonly send: (batch: ReadonlyArray<OutgoingDatagram>) => number
  /** Receives no more; what is sent still goes, until the scope closes. */
  readonly stopReceiving: () => void
}

/** A socket could not be opened: the port is taken, the address is not ours, or no descriptor is left. */
export class SocketError extends Schema.TaggedError<SocketError>()("SocketError", {
  endpoint: Schema.String,
  message: Schema.String
}) {}

export class DatagramTransport extends Context.Service<
  DatagramTransport,
  {
    /** A socket that receives from anyone at `local`. */
    readonly bind: (
      local: Endpoint,
      handler: DatagramHandler
    ) => Effect.Effect<DatagramSocket, SocketError, Scope.Scope>
    /** A socket with a source port nobody can guess that exchanges datagrams with `remote` only (RFC 5452 §9.2). */
    readonly connect: (
      remote: Endpoint,
      handler: DatagramHandler
    ) => Effect.Effect<DatagramSocket, SocketError, Scope.Scope>
  }
>()("strand/io/DatagramTransport") {}
