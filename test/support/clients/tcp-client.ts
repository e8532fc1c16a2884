/** A TCP connection to the server, for tests that look at the stream itself. */
import { connect, type Socket } from "node:net"
import { Effect, type Scope } from "effect"

export interface TcpClient {
  readonly socket: Socket
  /** The messages that came, in their order. */
  readonly answers: ReadonlyArray<Buffer>
  /** How often octets came. */
  readonly reads: () => number
  readonly isClosed: () => boolean
  /** Waits until so many messages came, or the connection is closed. */
  readonly awaitAnswers: (count: number) => Effect.Effect<void>
  readonly awaitClose: Effect.Effect<void>
}

/** Connected for as long as the scope lives, half-open: the server's end does not end ours. */
export const openTcp = (port: number, from = "127.0.0.1"): Effect.Effect<TcpClient, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<TcpClient>((resume) => {
      const answers: Array<Buffer> = []
      const watchers = new Set<() => void>()
      let rest: Buffer = Buffer.alloc(0)
      let reads = 0
      let isClosed = false
      const socket = connect({ host: "127.0.0.1", port, localAddress: from, noDelay: true, allowHalfOpen: true })
      const notify = (): void => {
        for (const watcher of [...watchers]) watcher()
      }
      const probeLease = (isDone: () => boolean): Effect.Effect<void> =>
        Effect.callback((done) => {
          const check = (): void => {
            if (!isDone()) return
            watchers.delete(check)
            done(Effect.void)
          }
          watchers.add(check)
          check()
          return Effect.sync(() => watchers.delete(check))
        })
      socket.on("data", (chunk: Buffer) => {
        reads++
        rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
        let at = 0
        while (rest.length - at >= 2 && rest.length - at >= 2 + rest.readUInt16BE(at)) {
          const end = at + 2 + rest.readUInt16BE(at)
          answers.push(rest.subarray(at + 2, end))
          at = end
        }
        rest = rest.subarray(at)
        notify()
      })
      const close = (): void => {
        isClosed = true
        notify()
      }
      socket.on("error", () => {})
      socket.on("end", close)
      socket.on("close", close)
      socket.on("connect", () =>
        resume(
          Effect.succeed({
            socket,
            answers,
            reads: () => reads,
            isClosed: () => isClosed,
            awaitAnswers: (count) => probeLease(() => isClosed || answers.length >= count),
            awaitClose: probeLease(() => isClosed)
          })
        )
      )
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )
