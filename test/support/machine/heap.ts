/** What a Node process keeps alive, asked for by its inspector: garbage that waits to be collected does not count. */
import { Effect } from "effect"

/** Lets a process that is started with it be asked; the address stands in its output. */
export const inspectable = { NODE_OPTIONS: "--inspect=127.0.0.1:0" }

const addressIn = (output: string): string | undefined => /ws:\/\/127\.0\.0\.1:\d+\/\S+/.exec(output)?.[0]

const commands = ["HeapProfiler.enable", "HeapProfiler.collectGarbage", "Runtime.getHeapUsage"]

/** Mebibytes of heap in use after a collection. */
export const liveHeapMib = (output: string): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const socket = new WebSocket(addressIn(output)!)
    const send = (index: number): void => socket.send(JSON.stringify({ id: index, method: commands[index] }))
    socket.addEventListener("open", () => send(0))
    socket.addEventListener("message", (event) => {
      const { id, result } = JSON.parse(String(event.data))
      if (id === undefined) return
      if (id + 1 < commands.length) send(id + 1)
      else resume(Effect.succeed(result.usedSize / 2 ** 20))
    })
    socket.addEventListener("error", () => resume(Effect.die(new Error("the process cannot be inspected"))))
    return Effect.sync(() => socket.close())
  })
