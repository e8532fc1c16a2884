/** Clients' connections by `node:net`: runs wherever Node does. */
import type { Socket } from "node:net"
import { Layer } from "effect"
import { type Peer, TextPeer } from "./peer.ts"
import { listen } from "./stream.ts"
import { type StreamHandler, type StreamSocket, StreamTransport } from "./stream-transport.ts"

class PortableStream implements StreamSocket {
  readonly peer: Peer
  handler: StreamHandler | undefined
  private readonly socket: Socket

  constructor(socket: Socket) {
    this.socket = socket
    this.peer = new TextPeer({ address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 })
  }

  get isDestroyed(): boolean {
    return this.socket.destroyed
  }

  get isEnded(): boolean {
    return this.socket.writableEnded
  }

  attach(handler: StreamHandler): void {
    this.handler = handler
    this.socket.on("data", handler.onData)
    this.socket.on("end", handler.onEnd)
    this.socket.on("close", handler.onClose)
  }

  write(octets: Uint8Array): boolean {
    this.socket.write(octets, () => {
      if (!this.socket.destroyed) this.handler?.onWritten()
    })
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
}

export const layer: Layer.Layer<StreamTransport> = Layer.succeed(StreamTransport, {
  listen: (local, onConnection) =>
    listen(local, (socket) => {
      socket.on("error", () => socket.destroy())
      // Gone before it was here: it has no address any more.
      if (socket.remoteAddress === undefined) {
        socket.destroy()
        return
      }
      const stream = new PortableStream(socket)
      const handler = onConnection(stream)
      if (handler !== undefined) stream.attach(handler)
    })
})
