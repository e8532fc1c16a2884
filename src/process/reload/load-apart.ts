/** Loads the configuration in a thread of its own, so that the calling thread goes on answering queries. */
import { Worker } from "node:worker_threads"
import { Effect } from "effect"
import { ConfigurationError, type Loaded } from "../../config/configuration.ts"
import type { Mistake } from "../../config/mistakes.ts"
import type { Winning } from "../../config/sources/gather.ts"
import { programAt } from "../../runtime/entry-points.ts"
import { messageOf } from "../../runtime/error-text.ts"

/** What was loaded, as data that a thread can send. */
export type LoadedApart = Omit<Loaded, "settings">

export type FromLoader =
  | { readonly kind: "loaded"; readonly loaded: LoadedApart }
  | { readonly kind: "wrong"; readonly mistakes: ReadonlyArray<Mistake>; readonly warnings: ReadonlyArray<string> }

/** What the thread is told to load. */
export interface ToLoader {
  readonly file: string | undefined
  readonly winning: Winning
}

const LOADER = programAt("process/reload/loader")
/** The largest file that is read takes a few seconds on a busy machine. */
const WITHIN_MS = 30_000
const MAX_HEAP_MIB = 512
/** Somebody who tries settings is not made to wait for the next thread to begin. */
const SPARE_MS = 10_000

/** A thread that has loaded what it was told to, and waits for more. */
let spare: { readonly thread: Worker; readonly until: NodeJS.Timeout } | undefined

/** Each by its name: without one, Node's own listeners go too, and the thread is not heard any more. */
const unheard = (thread: Worker): void => {
  for (const event of ["message", "error", "exit"]) thread.removeAllListeners(event)
}

const takeThread = (): Worker => {
  const taken = spare
  if (taken === undefined) return new Worker(LOADER, { resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB } })
  spare = undefined
  clearTimeout(taken.until)
  unheard(taken.thread)
  taken.thread.ref()
  return taken.thread
}

/** One of them is kept for a while. It keeps no process from its end. */
const giveBack = (thread: Worker): void => {
  unheard(thread)
  if (spare !== undefined) {
    void thread.terminate()
    return
  }
  const leave = (): void => {
    if (spare?.thread === thread) spare = undefined
    clearTimeout(until)
    void thread.terminate()
  }
  const until = setTimeout(leave, SPARE_MS).unref()
  thread.on("error", leave)
  thread.on("exit", leave)
  thread.unref()
  spare = { thread, until }
}

/** All of `load`, but for the settings themselves, which do not survive the way out of a thread. */
export const loadApart = (file: string | undefined, winning: Winning): Effect.Effect<LoadedApart, ConfigurationError> =>
  Effect.callback<LoadedApart, ConfigurationError>((resume) => {
    const loader = takeThread()
    let isOver = false
    const end = (): void => {
      isOver = true
      clearTimeout(limit)
      void loader.terminate()
    }
    const fail = (expected: string): void => {
      if (isOver) return
      end()
      const mistakes = [{ place: file ?? "configuration", value: undefined, expected }]
      resume(Effect.fail(new ConfigurationError({ mistakes, warnings: [] })))
    }
    const limit = setTimeout(() => fail(`settings that are read within ${WITHIN_MS / 1000} s`), WITHIN_MS)
    loader.on("message", (message: FromLoader) => {
      if (isOver) return
      clearTimeout(limit)
      giveBack(loader)
      resume(message.kind === "loaded" ? Effect.succeed(message.loaded) : Effect.fail(new ConfigurationError(message)))
    })
    loader.on("error", (cause) => fail(`settings that can be read: ${messageOf(cause)}`))
    loader.on("exit", () => fail("settings that can be read: the thread that reads them has ended"))
    loader.postMessage({ file, winning } satisfies ToLoader)
    return Effect.sync(end)
  })
