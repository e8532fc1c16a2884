/** Whether a file is a MaxMind database, as far as its end says. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs"
import { Result } from "effect"

/** The metadata stands behind this, within so many octets of the end (MaxMind DB file format, "Metadata"). */
const MARKER = Buffer.from("abcdef4d61784d696e642e636f6d", "hex")
const METADATA_WITHIN = 128 * 1024

/** What is wrong with the file; undefined where nothing is. */
export const wrongWithGeoFile = (file: string): string | undefined => {
  const end = Result.try({ try: () => endOf(file), catch: (cause) => (cause instanceof Error ? cause.message : "") })
  if (Result.isFailure(end)) return `a readable MaxMind database: ${end.failure}`
  if (end.success.includes(MARKER)) return undefined
  return "a MaxMind database (.mmdb, not compressed): this file is none, or not all of it"
}

const endOf = (file: string): Buffer => {
  const fd = openSync(file, "r")
  try {
    const { size } = fstatSync(fd)
    const octets = Buffer.alloc(Math.min(size, METADATA_WITHIN))
    readSync(fd, octets, 0, octets.length, size - octets.length)
    return octets
  } finally {
    closeSync(fd)
  }
}
