/** The thread that `loadApart` starts: loads the configuration whenever it is told to, and says what came of it. */
import { parentPort } from "node:worker_threads"
import { Effect } from "effect"
import { load } from "../../config/configuration.ts"
import type { FromLoader, ToLoader } from "./load-apart.ts"

const loadedFrom = ({ file, winning }: ToLoader) =>
  Effect.match(load(file, winning), {
    onSuccess: ({ settings: _, ...loaded }): FromLoader => ({ kind: "loaded", loaded }),
    onFailure: ({ mistakes, warnings }): FromLoader => ({ kind: "wrong", mistakes, warnings })
  })

parentPort?.on("message", (told: ToLoader) => {
  Effect.runCallback(loadedFrom(told), {
    onExit: (exit) => {
      if (exit._tag === "Success") parentPort?.postMessage(exit.value)
      else process.exit(1)
    }
  })
})
