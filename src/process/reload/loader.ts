/** The thread that `loadApart` starts: loads the configuration and says what came of it. */
import { parentPort, workerData } from "node:worker_threads"
import { Effect } from "effect"
import { load } from "../../config/configuration.ts"
import type { FromLoader, LoaderData } from "./load-apart.ts"

const { file, overrides } = workerData as LoaderData

const program = Effect.match(load(file, overrides), {
  onSuccess: ({ settings: _, ...loaded }): FromLoader => ({ kind: "loaded", loaded }),
  onFailure: ({ mistakes, warnings }): FromLoader => ({ kind: "wrong", mistakes, warnings })
})

Effect.runCallback(program, {
  onExit: (exit) => {
    if (exit._tag === "Success") parentPort?.postMessage(exit.value)
    else process.exit(1)
  }
})
