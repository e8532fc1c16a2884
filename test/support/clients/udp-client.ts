/** Messages by UDP, octet for octet, from any address of loopback. */
import { createSocket, type Socket } from "node:dgram"
import { Effect, Option, type Scope } from "effect"

export const socketAt = (address: string): Effect.Effect<Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback((resume) => {
      const socket = createSocket("udp4")
      socket.bind(0, address, () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.close())
  )

/**
 * Takes what comes from this port of the server's, and not what others send: a forger of another test sends to every port.
 *
 * @returns what ends it
 */
export const onReply = (socket: Socket, port: number, take: (reply: Buffer) => void): (() => void) => {
  const listen = (reply: Buffer, from: { readonly port: number }): void => {
    if (from.port === port) take(reply)
  }
  socket.on("message", listen)
  return () => socket.off("message", listen)
}

/** Sends a query and waits for what the server says next. */
export const exchange = (socket: Socket, port: number, query: Uint8Array): Effect.Effect<Buffer> =>
  Effect.callback<Buffer>((resume) => {
    const stop = onReply(socket, port, (answer) => {
      stop()
      resume(Effect.succeed(answer))
    })
    socket.send(query, port, "127.0.0.1")
  }).pipe(Effect.timeout(60_000), Effect.orDie)

/** The same where nothing may come: undefined after so long. */
export const exchangeWithin = (
  socket: Socket,
  port: number,
  query: Uint8Array,
  withinMs: number
): Effect.Effect<Buffer | undefined> =>
  Effect.map(
    Effect.timeoutOption(
      Effect.callback<Buffer>((resume) => {
        const stop = onReply(socket, port, (answer) => {
          stop()
          resume(Effect.succeed(answer))
        })
        socket.send(query, port, "127.0.0.1")
        return Effect.sync(stop)
      }),
      withinMs
    ),
    Option.getOrUndefined
  )
