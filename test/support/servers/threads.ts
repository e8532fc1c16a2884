/** The threads that a test's own process starts: what is said to them can be held back, and they can be ended. */
import type { Worker } from "node:worker_threads"
import { Effect, type Scope } from "effect"
import type { ToWorker } from "../../../src/process/worker/protocol.ts"

export interface StartedThread {
  readonly worker: number
  readonly bornMs: number
  readonly thread: Worker
}

export interface Threads {
  /** All that were started, in their order. */
  readonly started: ReadonlyArray<StartedThread>
  /** Called for each message to a thread; it gets the message where this returns true. */
  onMessage: (message: ToWorker, to: StartedThread) => boolean
  onStart: (started: StartedThread) => void
}

/** Looks at all threads that are started until the scope closes. */
export const watchThreads: Effect.Effect<Threads, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const started: Array<StartedThread> = []
      const threads: Threads = { started, onMessage: () => true, onStart: () => {} }
      const onWorker = (thread: Worker): void => {
        const number = Number(/^worker (\d+)$/.exec(thread.threadName ?? "")?.[1])
        const entry: StartedThread = { worker: number, bornMs: performance.now(), thread }
        started.push(entry)
        const post = thread.postMessage.bind(thread)
        thread.postMessage = (message: readonly [number, ToWorker?]) => {
          if (message[1] === undefined || threads.onMessage(message[1], entry)) post(message)
        }
        threads.onStart(entry)
      }
      process.on("worker", onWorker)
      return { threads, onWorker }
    }),
    ({ onWorker }) => Effect.sync(() => process.off("worker", onWorker))
  ),
  ({ threads }) => threads
)
