/** The server as a process whose worker threads can be made to fail. */
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { startListening } from "../servers/process.ts"
import type { Fault } from "./worker-fault.ts"

export interface FaultyServer extends Effect.Success<ReturnType<typeof startListening>> {
  /** Makes a worker fail, or the main thread (0); over when it has begun to. */
  readonly cause: (worker: number, fault: Fault) => Effect.Effect<void>
  /** Whether the worker's next threads are to end as soon as they begin. */
  readonly stillborn: (worker: number, isSo: boolean) => Effect.Effect<void>
  /** Waits until the supervisor has said so often that a worker is replaced. */
  readonly awaitReplacements: (count: number) => Effect.Effect<void>
}

export const startFaulty = (environment: Record<string, string>): Effect.Effect<FaultyServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-faults-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    )
    const server = yield* startListening({
      NODE_OPTIONS: `--import ${new URL("./worker-fault.ts", import.meta.url)}`,
      STRAND_TEST_FAULTS: directory,
      ...environment
    })
    return {
      ...server,
      cause: (worker, fault) =>
        Effect.gen(function* () {
          const file = join(directory, `worker-${worker}`)
          // In one step, so that it is never read half-written.
          writeFileSync(`${file}.new`, fault)
          renameSync(`${file}.new`, file)
          while (existsSync(file)) yield* Effect.sleep(10)
        }),
      stillborn: (worker, isSo) =>
        Effect.sync(() => {
          const file = join(directory, `stillborn-${worker}`)
          if (isSo) writeFileSync(file, "")
          else rmSync(file)
        }),
      awaitReplacements: (count) =>
        Effect.gen(function* () {
          while (replacementsIn(server.output()) < count) yield* Effect.sleep(20)
        })
    }
  })

export const replacementsIn = (output: string): number => output.split("is replaced").length - 1
