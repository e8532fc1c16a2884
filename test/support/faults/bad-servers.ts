/** Servers that behave badly whatever they are taken for, on real sockets: collectors, Redis, upstreams. */
import { spawn } from "node:child_process"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { Effect, type Scope } from "effect"

export interface BadServer {
  readonly url: string
  /** Connections that asked something. */
  readonly asked: () => number
}

/** Accepts, and does this with each connection once something was asked. */
const serverThat = (answers: (socket: Socket) => void): Effect.Effect<BadServer, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const sockets = new Set<Socket>()
        let asked = 0
        const server = createServer((socket) => {
          sockets.add(socket)
          socket.on("error", () => {})
          socket.once("data", () => {
            asked++
            socket.resume()
            answers(socket)
          })
        })
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
        return { server, sockets, asked: () => asked }
      }),
      ({ server, sockets }) =>
        Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
          server.close()
        })
    ),
    ({ server, asked }) => ({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked })
  )

export const silentServer = serverThat(() => {})

/** Sends octet after octet, for minutes: of its headers, or of the answer behind them. */
export const drippingServer = (what: "headers" | "body") =>
  serverThat((socket) => {
    socket.write(what === "body" ? "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" : "HTTP/1.1 200 OK\r\nx-drip: ")
    const timer = setInterval(() => socket.write("x"), 200)
    socket.on("close", () => clearInterval(timer))
  })

/** A program that listens and accepts nothing: it stands still, and its queue is full. */
const LISTENER = `
const server = require("node:net").createServer()
server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(server.address().port))
`

/** Does not even accept: a connection to it is never there. */
export const refusingToAccept: Effect.Effect<BadServer, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn(process.execPath, ["-e", LISTENER], { stdio: ["ignore", "pipe", "ignore"] })
      const port = await new Promise<number>((resolve) => child.stdout.once("data", (chunk) => resolve(Number(chunk))))
      child.kill("SIGSTOP")
      const sockets: Array<Socket> = []
      // Until one is left waiting: then the queue is full.
      for (let isFull = false; !isFull && sockets.length < 16; ) {
        const socket = connect(port, "127.0.0.1").on("error", () => {})
        sockets.push(socket)
        isFull = await new Promise<boolean>((resolve) => {
          socket.once("connect", () => resolve(false))
          setTimeout(() => resolve(true), 300)
        })
      }
      return { child, sockets, port }
    }),
    ({ child, sockets }) =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        child.kill("SIGKILL")
      })
  ),
  ({ port }) => ({ url: `http://127.0.0.1:${port}`, asked: () => 0 })
)
