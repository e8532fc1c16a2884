/** Loads the configuration in a thread of its own, so that the calling thread goes on answering queries. */
import { Worker } from "node:worker_threads"
import { Effect } from "effect"
import { ConfigurationError, type Loaded } from "../../config/configuration.ts"
import type { Mistake } from "../../config/mistakes.ts"
import type { Overrides } from "../../config/sources/gather.ts"
import { programAt } from "../../runtime/entry-points.ts"
import { messageOf } from "../../runtime/error-text.ts"

/** What was loaded, as data that a thread can send. */
export type LoadedApart = Omit<Loaded, "settings">

export type FromLoader =
  | { readonly kind: "loaded"; readonly loaded: LoadedApart }
  | { readonly kind: "wrong"; readonly mistakes: ReadonlyArray<Mistake>; readonly warnings: ReadonlyArray<string> }

/** What the thread is born with. */
export interface LoaderData {
  readonly file: string | undefined
  readonly overrides: Overrides
}

const LOADER = programAt("process/reload/loader")
/** The largest file that is read takes a few seconds on a busy machine. */
const WITHIN_MS = 30_000
const MAX_HEAP_MIB = 512

/** All of `load`, but for the settings themselves, which do not survive the way out of a thread. */
export const loadApart = (
  file: string | undefined,
  overrides: Overrides
): Effect.Effect<LoadedApart, ConfigurationError> =>
  Effect.callback<LoadedApart, ConfigurationError>((resume) => {
    const data: LoaderData = { file, overrides }
    const loader = new Worker(LOADER, { workerData: data, resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB } })
    const end = (): void => {
      clearTimeout(limit)
      void loader.terminate()
    }
    const fail = (expected: string): void => {
      end()
      const mistakes = [{ place: file ?? "configuration", value: undefined, expected }]
      resume(Effect.fail(new ConfigurationError({ mistakes, warnings: [] })))
    }
    const limit = setTimeout(() => fail(`settings that are read within ${WITHIN_MS / 1000} s`), WITHIN_MS)
    loader.on("message", (message: FromLoader) => {
      end()
      resume(message.kind === "loaded" ? Effect.succeed(message.loaded) : Effect.fail(new ConfigurationError(message)))
    })
    loader.on("error", (cause) => fail(`settings that can be read: ${messageOf(cause)}`))
    loader.on("exit", () => fail("settings that can be read: the thread that reads them has ended"))
    return Effect.sync(end)
  })
