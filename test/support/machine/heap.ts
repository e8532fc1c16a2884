/**
 * What the worker threads of a Node process keep alive, asked for by its inspector: garbage that waits to be collected does
 * not count.
 */
import { Effect } from "effect"

/** Lets a process that is started with it be asked; the address stands in its output. */
export const inspectable = { NODE_OPTIONS: "--inspect=127.0.0.1:0" }

const addressIn = (output: string): string | undefined => /ws:\/\/127\.0\.0\.1:\d+\/\S+/.exec(output)?.[0]

/** Asked of each worker, one after the other; what the last one gives counts. */
const commands = ["HeapProfiler.enable", "HeapProfiler.collectGarbage", "Runtime.getHeapUsage"]

/** Mebibytes of heap in use after a collection, of all worker threads together. */
export const liveHeapMib = (output: string): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const socket = new WebSocket(addressIn(output)!)
    const waiting = new Set<string>()
    let octets = 0
    const ask = (sessionId: string, id: number): void => {
      const message = JSON.stringify({ id, method: commands[id] })
      const params = { sessionId, message }
      socket.send(JSON.stringify({ id: 1, method: "NodeWorker.sendMessageToWorker", params }))
    }
    socket.addEventListener("open", () => {
      const params = { waitForDebuggerOnStart: false }
      socket.send(JSON.stringify({ id: 0, method: "NodeWorker.enable", params }))
    })
    socket.addEventListener("message", (event) => {
      const { method, params } = JSON.parse(String(event.data))
      if (method === "NodeWorker.attachedToWorker") {
        waiting.add(params.sessionId)
        ask(params.sessionId, 0)
      }
      if (method !== "NodeWorker.receivedMessageFromWorker") return
      const { id, result } = JSON.parse(params.message)
      if (id === undefined) return
      if (id + 1 < commands.length) return ask(params.sessionId, id + 1)
      octets += result.usedSize
      waiting.delete(params.sessionId)
      if (waiting.size === 0) resume(Effect.succeed(octets / 2 ** 20))
    })
    socket.addEventListener("error", () => resume(Effect.die(new Error("the process cannot be inspected"))))
    return Effect.sync(() => socket.close())
  })
