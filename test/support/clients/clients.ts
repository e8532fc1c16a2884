/** Many clients, each with a port of its own: the kernel spreads them over the threads of a server. */
import { createSocket, type Socket } from "node:dgram"
import { Effect, type Scope } from "effect"

export interface Client {
  /** Answers that came. */
  readonly answers: () => number
  /** Sends a message and waits for whatever comes next. */
  readonly ask: (message: Uint8Array) => Effect.Effect<Buffer>
  /** Sends the message again as soon as it is answered, until there are so many answers. Nothing is sent twice. */
  readonly askUntil: (message: Uint8Array, answers: number) => Effect.Effect<void>
}

export const openClients = (port: number, count: number): Effect.Effect<ReadonlyArray<Client>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(() => Promise.all(Array.from({ length: count }, () => connected(port)))),
      (sockets) =>
        Effect.sync(() => {
          for (const socket of sockets) socket.close()
        })
    ),
    (sockets) => sockets.map(clientKeyOf)
  )

const connected = (port: number): Promise<Socket> =>
  new Promise((resolve) => {
    const socket = createSocket("udp4")
    socket.on("error", () => {})
    socket.bind(0, "127.0.0.1", () => socket.connect(port, "127.0.0.1", () => resolve(socket)))
  })

const clientKeyOf = (socket: Socket): Client => {
  let answers = 0
  let onAnswer = (): void => {}
  socket.on("message", () => {
    answers++
    onAnswer()
  })
  return {
    answers: () => answers,
    ask: (message) =>
      Effect.callback((resume) => {
        socket.once("message", (answer) => resume(Effect.succeed(answer)))
        socket.send(message)
      }),
    askUntil: (message, wanted) =>
      Effect.callback((resume) => {
        const next = (): void => {
          if (answers >= wanted) resume(Effect.void)
          else socket.send(message)
        }
        onAnswer = next
        next()
      })
  }
}
