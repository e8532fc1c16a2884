/** An upstream in a process of its own, so that it can be killed and stopped: it answers as `mirror` does. */
import { spawn } from "node:child_process"
import { createSocket } from "node:dgram"
import { fileURLToPath } from "node:url"
import { Effect, type Scope } from "effect"
import { mirrorReply } from "./mirror.ts"

export interface UpstreamProcess {
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
}

/** Starts it on the port; killed with the scope, however it is. */
export const upstreamProcess = (port: number): Effect.Effect<UpstreamProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<UpstreamProcess & { readonly end: () => void }>((resume) => {
      const child = spawn(process.execPath, [fileURLToPath(import.meta.url), String(port)], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      child.once("exit", (code) => resume(Effect.die(new Error(`the upstream ended with ${code}`))))
      child.stdout.once("data", () =>
        resume(
          Effect.succeed({
            signal: (signal) => Effect.sync(() => void child.kill(signal)),
            end: () => void child.kill("SIGKILL")
          })
        )
      )
    }),
    ({ end }) => Effect.sync(end)
  )

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 })
  socket.on("message", (query, peer) => socket.send(mirrorReply(query), peer.port, peer.address))
  const bind = (): void => void socket.bind(Number(process.argv[2]), "127.0.0.1")
  socket.on("listening", () => process.stdout.write("ready\n"))
  // Somebody's random source port may be this one; not for long.
  socket.on("error", () => setTimeout(bind, 20))
  bind()
}
