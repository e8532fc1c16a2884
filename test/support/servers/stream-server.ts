/** A listener by itself, and the connections that came to it. */
import { connect, type Socket } from "node:net"
import { type ConnectionOptions, connect as connectByTls, type TLSSocket } from "node:tls"
import { Effect, type Scope } from "effect"
import type { Endpoint } from "../../../src/io/endpoint.ts"
import type { Peer } from "../../../src/io/peer.ts"
import type { StreamHandler, StreamSocket, StreamTransport } from "../../../src/io/stream-transport.ts"
import type { TlsTerms } from "../../../src/io/tls-server.ts"

const LOOPBACK = { address: "127.0.0.1", port: 0 }

/** What a server sees of one connection. */
export class Seen implements StreamHandler {
  readonly socket: StreamSocket
  readonly events: Array<"end" | "written" | "close"> = []
  /** How many octets came. */
  received = 0
  private readonly chunks: Array<Buffer> = []
  private readonly onChange: () => void

  constructor(socket: StreamSocket, onChange: () => void) {
    this.socket = socket
    this.onChange = onChange
  }

  get octets(): Buffer {
    return Buffer.concat(this.chunks)
  }

  onData = (chunk: Buffer): number => {
    this.chunks.push(chunk)
    this.received += chunk.length
    this.onChange()
    return 0
  }

  onEnd = (): void => this.note("end")

  onWritten = (): void => this.note("written")

  onClose = (): void => this.note("close")

  private note(event: "end" | "written" | "close"): void {
    this.events.push(event)
    this.onChange()
  }
}

/** A listener and the connections that came to it. */
export class Server {
  readonly connections: Array<Seen> = []
  endpoint: Endpoint = LOOPBACK
  stop = (): void => {}
  isWelcoming = true
  private watchers: Array<() => void> = []

  static at(
    transport: StreamTransport["Service"],
    local: Endpoint,
    terms?: TlsTerms,
    announces?: (peer: Peer) => boolean
  ): Effect.Effect<Server, unknown, Scope.Scope> {
    return Effect.gen(function* () {
      const server = new Server()
      const listener = yield* transport.listen(local, (socket) => server.accept(socket), { terms, announces })
      server.endpoint = listener.endpoint
      server.stop = listener.stop
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          for (const { socket } of server.connections) socket.destroy()
        })
      )
      return server
    })
  }

  /** Waits until `test` holds; it is tried whenever something has happened here. */
  until(test: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const look = (): void => {
        if (!test()) return
        this.watchers = this.watchers.filter((watcher) => watcher !== look)
        resume(Effect.void)
      }
      this.watchers.push(look)
      look()
    })
  }

  private accept(socket: StreamSocket): StreamHandler | undefined {
    if (!this.isWelcoming) {
      socket.destroy()
      return undefined
    }
    const seen = new Seen(socket, () => this.notify())
    this.connections.push(seen)
    this.notify()
    return seen
  }

  private notify(): void {
    for (const watcher of [...this.watchers]) watcher()
  }
}

/** A client that Node connects; over when it is connected, or refused. */
export const client = ({ address, port }: Endpoint): Effect.Effect<Socket, never, Scope.Scope> =>
  opened("connect", () => connect({ host: address, port, allowHalfOpen: true }))

/** What carries each client's octets. */
const carriers = new WeakMap<Socket, Socket>()

/** The same by TLS, whoever the server is. */
export const clientByTls = (
  { address, port }: Endpoint,
  options: ConnectionOptions = {}
): Effect.Effect<TLSSocket, never, Scope.Scope> =>
  opened("secureConnect", () => {
    const carrier = connect({ host: address, port, allowHalfOpen: true })
    carrier.on("error", () => {})
    const socket = connectByTls({ socket: carrier, rejectUnauthorized: false, ...options })
    socket.allowHalfOpen = true
    carriers.set(socket, carrier)
    return socket
  })

/** Ends a client's connection by a reset. */
export const reset = (socket: Socket): void => void (carriers.get(socket) ?? socket).resetAndDestroy()

const opened = <A extends Socket>(event: string, open: () => A): Effect.Effect<A, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<A>((resume) => {
      const socket = open()
      const done = (): void => resume(Effect.succeed(socket))
      socket.on("error", () => {})
      socket.once(event, done)
      socket.once("close", done)
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )
