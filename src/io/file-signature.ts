/** Tells one state of a file from another, for those who look at files every so often. */
import { stat } from "node:fs/promises"
import { Effect } from "effect"
import { messageOf } from "../runtime/error-text.ts"

/** Another text when the file was written over, or another was renamed to it; a text of its own where there is none. */
export const fileSignature = (file: string): Effect.Effect<string> =>
  Effect.promise(() =>
    stat(file).then(
      ({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`,
      (cause) => messageOf(cause)
    )
  )
