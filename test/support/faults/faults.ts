/** The server as a process whose worker threads can be made to fail. */
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { startListening } from "../servers/process.ts"
import type { Fault } from "./worker-fault.ts"

export interface Faults {
  /** Of the server whose threads are to fail. */
  readonly environment: Readonly<Record<string, string>>
  /** Makes a worker fail, or the main thread (0); over when it has begun to. */
  readonly cause: (worker: number, fault: Fault) => Effect.Effect<void>
  /** Whether the worker's next threads are to end as soon as they begin. */
  readonly stillborn: (worker: number, isSo: boolean) => Effect.Effect<void>
}

export interface FaultyServer extends Effect.Success<ReturnType<typeof startListening>>, Omit<Faults, "environment"> {
  /** Waits until the supervisor has said so often that a worker is replaced. */
  readonly awaitReplacements: (count: number) => Effect.Effect<void>
}

/** Faults of a server that is started with this environment, while the scope is open. */
export const makeFaults: Effect.Effect<Faults, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-faults-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  ),
  (directory) => ({
    environment: {
      NODE_OPTIONS: `--import ${new URL("./worker-fault.ts", import.meta.url)}`,
      STRAND_TEST_FAULTS: directory
    },
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
      })
  })
)

export const startFaulty = (environment: Record<string, string>): Effect.Effect<FaultyServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { environment: ofFaults, ...faults } = yield* makeFaults
    const server = yield* startListening({ ...ofFaults, ...environment })
    return {
      ...server,
      ...faults,
      awaitReplacements: (count) =>
        Effect.gen(function* () {
          while (replacementsIn(server.output()) < count) yield* Effect.sleep(20)
        })
    }
  })

export const replacementsIn = (output: string): number => output.split("is replaced").length - 1
