/** A port on 127.0.0.1 that nobody listens on, neither by UDP nor by TCP. */
import { createSocket } from "node:dgram"
import { createServer } from "node:net"
import { Effect } from "effect"

const udpPort: Effect.Effect<number> = Effect.callback((resume) => {
  const socket = createSocket("udp4")
  socket.bind(0, "127.0.0.1", () => {
    const { port } = socket.address()
    socket.close(() => resume(Effect.succeed(port)))
  })
})

const isFreeByTcp = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(true))))
  })

export const freePort: Effect.Effect<number> = Effect.gen(function* () {
  for (;;) {
    const port = yield* udpPort
    if (yield* isFreeByTcp(port)) return port
  }
})
