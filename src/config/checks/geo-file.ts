/** Whether a file is a MaxMind database, as far as its end says. */
import { Effect } from "effect"
import { readEnd } from "../../io/bounded-file.ts"

/** The metadata stands behind this, within so many octets of the end (MaxMind DB file format, "Metadata"). */
const MARKER = Buffer.from("abcdef4d61784d696e642e636f6d", "hex")
const METADATA_WITHIN = 128 * 1024
const WITHIN_MS = 5_000

/** What is wrong with the file; undefined where nothing is. */
export const wrongWithGeoFile = (file: string): Effect.Effect<string | undefined> =>
  Effect.match(readEnd(file, METADATA_WITHIN, WITHIN_MS), {
    onFailure: ({ reason }) => `a readable MaxMind database: ${reason}`,
    onSuccess: (end) =>
      end.includes(MARKER)
        ? undefined
        : "a MaxMind database (.mmdb, not compressed): this file is none, or not all of it"
  })
