/** Whether one can connect. */
import { connect } from "node:net"
import { Effect } from "effect"

/** The code of the error with which connecting fails; undefined where it does not. */
export const refusalAt = (port: number): Effect.Effect<string | undefined> =>
  Effect.callback((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.on("connect", () => resume(Effect.undefined))
    socket.on("error", ({ code }: NodeJS.ErrnoException) => resume(Effect.succeed(code)))
    return Effect.sync(() => socket.destroy())
  })
