/** A way between client and server that can swallow what goes over it, as a router does that has forgotten it. */
import { connect, createServer, type Socket } from "node:net"
import { Effect, type Scope } from "effect"
import { listening, stop } from "../upstreams/stream-upstream.ts"

export interface Proxy {
  readonly port: number
  /** The clients' connections, all that there ever were. */
  readonly connections: ReadonlyArray<Socket>
  /** From now on, what comes on the connections that are open goes nowhere, in either direction. */
  readonly swallow: () => void
}

/** Forwards connections to a port of loopback until the scope closes. */
export const proxyTo = (port: number): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const connections: Array<Socket> = []
      const swallowed = new Set<Socket>()
      const sockets = new Set<Socket>()
      const server = createServer((client) => {
        connections.push(client)
        const onward = connect(port, "127.0.0.1")
        const carry = (from: Socket, to: Socket): void => {
          from.on("data", (chunk: Buffer) => {
            if (!swallowed.has(client)) to.write(chunk)
          })
          from.on("error", () => {})
          from.on("close", () => to.destroy())
        }
        carry(client, onward)
        carry(onward, client)
      })
      const swallow = (): void => {
        for (const client of connections) swallowed.add(client)
      }
      return { proxy: { port: await listening(server, sockets), connections, swallow }, server, sockets }
    }),
    ({ server, sockets }) => Effect.sync(() => stop(server, sockets))
  ).pipe(Effect.map(({ proxy }) => proxy))
