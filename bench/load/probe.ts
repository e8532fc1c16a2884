/** How long it takes until a server answers: asked again and again until an answer comes. */
import { createSocket } from "node:dgram"
import packet from "dns-packet"
import { Effect } from "effect"
import { BenchProblem } from "../problem.ts"

const INTERVAL_MS = 2
const LIMIT_MS = 20_000

/** Milliseconds from now until `name A` is answered with an address on this port of 127.0.0.1. */
export const timeUntilAnswer = (port: number, name: string): Effect.Effect<number, BenchProblem> =>
  firstAnswer(port, name).pipe(
    Effect.timeoutOrElse({
      duration: LIMIT_MS,
      orElse: () => Effect.fail(new BenchProblem({ message: `no answer on port ${port} within ${LIMIT_MS / 1000} s` }))
    })
  )

const firstAnswer = (port: number, name: string): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const since = performance.now()
    const query = packet.encode({
      type: "query",
      id: 1,
      flags: packet.RECURSION_DESIRED,
      questions: [{ name, type: "A" }]
    })
    const socket = createSocket("udp4")
    const ask = (): void => socket.send(query, port, "127.0.0.1")
    const timer = setInterval(ask, INTERVAL_MS)
    const stop = (): void => {
      clearInterval(timer)
      socket.close()
    }
    socket.on("message", (message) => {
      if ((packet.decode(message).answers ?? []).length === 0) return
      const elapsedMs = performance.now() - since
      stop()
      resume(Effect.succeed(elapsedMs))
    })
    // Nobody listens there yet.
    socket.on("error", () => {})
    ask()
    return Effect.sync(stop)
  })
