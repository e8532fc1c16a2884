/**
 * Connections that clients make: the contract that every way of serving them keeps.
 *
 * A connection is half-open: a client that has sent its last query and shut its side still reads our answers
 * (RFC 7766 §6.2.4).
 */
import { Context, type Effect, type Scope } from "effect"
import type { BindTarget, SocketError } from "./datagram.ts"
import type { Endpoint } from "./endpoint.ts"
import type { Peer } from "./peer.ts"
import type { TlsTerms } from "./tls-server.ts"

export interface StreamSocket {
  readonly peer: Peer
  /** Who made the connection: the peer, or a proxy that has said who is behind it. */
  readonly via: Peer
  /** What was chosen by ALPN, once octets have come; empty where nothing was, or nothing is encrypted. */
  readonly protocol: string
  /** What the client calls itself in the name of the server that it asked for (SNI), once octets have come. */
  readonly clientName: string | undefined
  readonly isDestroyed: boolean
  /** Nothing more will be written. */
  readonly isEnded: boolean
  /**
   * Writes the octets; not to be called again before they are taken.
   *
   * @returns whether the kernel has taken them all; if not, `onWritten` is called when it has
   */
  readonly write: (octets: Uint8Array) => boolean
  /** Reads no more until `resume`. */
  readonly pause: () => void
  readonly resume: () => void
  /** Shuts our side behind what was written. */
  readonly end: () => void
  readonly destroy: () => void
}

export interface StreamHandler {
  /** The chunk is the handler's to keep. Returns how many messages it was the end of. */
  readonly onData: (chunk: Buffer) => number
  /** The client has shut its side. */
  readonly onEnd: () => void
  readonly onWritten: () => void
  /** Called once, whoever closed it. */
  readonly onClose: () => void
}

export interface StreamListener {
  readonly endpoint: Endpoint
  /** Accepts no more. */
  readonly stop: () => void
}

/** How connections begin. */
export interface StreamOptions {
  /** By which they are encrypted; none are where it is undefined. */
  readonly terms?: TlsTerms | undefined
  /** Whether a peer is a proxy that says first who is behind it (`proxy-header.ts`). */
  readonly announces?: ((peer: Peer) => boolean) | undefined
}

/**
 * How connections of clients are served.
 *
 * **When to use**
 *
 * Use {@link layerDatagrams} to provide it, together with `DatagramTransport`. A layer of one's own is for tests that need
 * a network in memory.
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
export class StreamTransport extends Context.Service<
  StreamTransport,
  {
    /**
     * Accepts connections at `local`. Closing the scope stops accepting; the connections are their owner's to close.
     *
     * @param onConnection returns who is told what happens on the connection; undefined where it was refused, and
     *   destroyed
     */
    readonly listen: (
      local: BindTarget,
      onConnection: (socket: StreamSocket) => StreamHandler | undefined,
      options?: StreamOptions
    ) => Effect.Effect<StreamListener, SocketError, Scope.Scope>
  }
>()("strand/io/StreamTransport") {}
