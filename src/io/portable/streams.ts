/** Clients' connections by `node:net`: runs wherever Node does. */
import { closeSync, openSync } from "node:fs"
import type { Socket } from "node:net"
import { devNull } from "node:os"
import type { Duplex } from "node:stream"
import { Effect, Layer, Schedule } from "effect"
import { messageOf } from "../../runtime/error-text.ts"
import { guarded } from "../../runtime/guard.ts"
import { Incidents } from "../../runtime/incidents.ts"
import { type BindTarget, SocketError } from "../datagram.ts"
import { formatEndpoint } from "../endpoint.ts"
import { isExhaustion } from "../exhaustion.ts"
import { type Peer, TextPeer } from "../peer.ts"
import { listen } from "../stream.ts"
import { type StreamHandler, type StreamSocket, StreamTransport } from "../stream-transport.ts"
import type { TlsTerms } from "../tls-server.ts"
import { behindHeader, readAnnounced } from "./announced.ts"
import type { Secured } from "./secured.ts"

class PortableStream implements StreamSocket {
  readonly peer: Peer
  readonly via: Peer
  handler: StreamHandler | undefined
  private readonly socket: Duplex
  private readonly incidents: Incidents
  private readonly onTaken: () => void
  private readonly nameOf: Secured["clientNameOf"]

  constructor(socket: Duplex, peer: Peer, via: Peer, nameOf: Secured["clientNameOf"], incidents: Incidents) {
    this.socket = socket
    this.nameOf = nameOf
    this.incidents = incidents
    this.onTaken = this.guarded(() => {
      if (!socket.destroyed) this.handler?.onWritten()
    })
    this.peer = peer
    this.via = via
  }

  get protocol(): string {
    const { alpnProtocol } = this.socket as Duplex & { readonly alpnProtocol?: string | false | null }
    return typeof alpnProtocol === "string" ? alpnProtocol : ""
  }

  get clientName(): string | undefined {
    return this.nameOf(this.socket)
  }

  get isDestroyed(): boolean {
    return this.socket.destroyed
  }

  get isEnded(): boolean {
    return this.socket.writableEnded
  }

  attach(handler: StreamHandler): void {
    this.handler = handler
    this.socket.on("data", this.guarded(handler.onData))
    this.socket.on("end", this.guarded(handler.onEnd))
    this.socket.on("close", this.guarded(handler.onClose))
  }

  write(octets: Uint8Array): boolean {
    this.socket.write(octets, this.onTaken)
    return false
  }

  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  end(): void {
    this.socket.end()
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** How far its messages were read is not known after a throw: the connection ends. */
  private guarded<Arguments extends ReadonlyArray<unknown>>(callback: (...args: Arguments) => unknown) {
    return guarded(this.incidents, "a socket", callback, () => this.destroy())
  }
}

/** Between two looks at whether a descriptor is left. */
const LOOK_MS = 1_000

/**
 * Where no descriptor is left for a connection, libuv closes it without a report: so a descriptor is opened now and
 * then to see whether one is left.
 */
const watchDescriptors = (incidents: Incidents): Effect.Effect<unknown> =>
  Effect.repeat(
    Effect.sync(() => {
      try {
        closeSync(openSync(devNull, "r"))
      } catch (cause) {
        if (cause instanceof Error && isExhaustion(cause)) incidents.onExhausted("a client's TCP connection")
      }
    }),
    Schedule.spaced(LOOK_MS)
  )

/** Nothing is encrypted: a connection is read and written by itself. */
const plain: Secured = { secure: (socket) => socket, clientNameOf: () => undefined }

/** `node:tls` is loaded where something is encrypted, and nowhere else. */
const securedBy = (local: BindTarget, terms: TlsTerms | undefined): Effect.Effect<Secured, SocketError> =>
  terms === undefined
    ? Effect.succeed(plain)
    : Effect.tryPromise({
        try: async () => (await import("./secured.ts")).secured(terms),
        catch: (cause) => new SocketError({ endpoint: formatEndpoint(local), message: messageOf(cause) })
      })

export const makeStreams = (incidents: Incidents): StreamTransport["Service"] => ({
  listen: (local, onConnection, { announces, terms } = {}) =>
    Effect.gen(function* () {
      const { clientNameOf, secure } = yield* securedBy(local, terms)
      const begin = (socket: Duplex, peer: Peer, via: Peer): void => {
        const stream = new PortableStream(secure(socket), peer, via, clientNameOf, incidents)
        const handler = onConnection(stream)
        if (handler !== undefined) stream.attach(handler)
      }
      const welcome = (socket: Socket): void => {
        const peer = new TextPeer({ address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 })
        if (announces === undefined || !announces(peer)) begin(socket, peer, peer)
        else readAnnounced(socket, (behind, rest) => begin(behindHeader(socket, rest), behind ?? peer, peer))
      }
      const listener = yield* listen(local, (socket) => {
        socket.on("error", () => socket.destroy())
        // Gone before it was here: it has no address any more.
        if (socket.remoteAddress === undefined) socket.destroy()
        else guarded(incidents, "a new connection", welcome, () => socket.destroy())(socket)
      })
      yield* Effect.forkScoped(watchDescriptors(incidents))
      return listener
    })
})

export const layer: Layer.Layer<StreamTransport> = Layer.effect(StreamTransport, Effect.map(Incidents, makeStreams))
