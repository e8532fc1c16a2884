import { Worker } from "node:worker_threads"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { libc } from "../../../src/io/linux/libc.ts"
import { checkListening } from "../../../src/process/start/listen-check.ts"
import { freePort } from "../../support/machine/ports.ts"

/** Connects again and again, in a thread of its own, and says how often somebody took the connection. */
const knocking = `
const { parentPort, workerData } = require("node:worker_threads")
const { connect } = require("node:net")
let tries = 0
let taken = 0
let isOver = false
const knock = () => {
  if (isOver) return parentPort.postMessage(taken)
  if (++tries === 10) parentPort.postMessage("begun")
  const socket = connect(workerData, "127.0.0.1")
  socket.once("connect", () => { taken++; socket.destroy() })
  socket.on("error", () => {})
  socket.once("close", knock)
}
parentPort.on("message", () => { isOver = true })
knock()
`

const said = (worker: Worker): Effect.Effect<unknown> =>
  Effect.callback((resume) => {
    worker.once("message", (message) => resume(Effect.succeed(message)))
  })

describe("the check whether clients can be listened for", () => {
  it.live.skipIf(libc === undefined)("is not to be taken for the server: nobody can connect to it", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const address = { protocols: ["udp", "tcp"], endpoint: { address: "127.0.0.1", port }, path: undefined } as const
      const worker = yield* Effect.acquireRelease(
        Effect.sync(() => new Worker(knocking, { eval: true, workerData: port })),
        (worker) => Effect.promise(() => worker.terminate())
      )
      yield* said(worker)
      for (let i = 0; i < 500; i++) yield* checkListening([address])
      worker.postMessage("enough")
      assert.strictEqual(yield* said(worker), 0)
    }).pipe(Effect.scoped)
  )
})
