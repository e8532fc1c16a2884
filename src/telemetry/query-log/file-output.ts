/** Lines of JSON, to a file. */
import { Effect } from "effect"
import { jsonLine } from "./json-line.ts"
import type { LoggedQuery } from "./logged-query.ts"
import type { Output } from "./output.ts"
import type { Rotation } from "./plan.ts"
import type { Report } from "./report.ts"
import { type Chunk, type Framing, RotatedFile } from "./rotated-file.ts"

const NEWLINE = 0x0a
const NONE = new Uint8Array(0)

const lines: Framing = { header: NONE, trailer: NONE, isAppended: true }

export const fileOutput = (path: string, rotation: Rotation, report: Report): Output => {
  const file = new RotatedFile(path, rotation, lines)
  return writingTo(file, report, (queries) => chunkOf(queries.map((query) => `${jsonLine(query)}\n`).join("")))
}

const chunkOf = (text: string): Chunk => {
  const octets = Buffer.from(text)
  const wholeIn = (until: number) => {
    let queries = 0
    let end = 0
    for (let at = octets.indexOf(NEWLINE); at >= 0 && at < until; at = octets.indexOf(NEWLINE, at + 1)) {
      queries++
      end = at + 1
    }
    return { queries, end }
  }
  return { octets, wholeIn }
}

/** An output that is a file. */
export const writingTo = (
  file: RotatedFile,
  report: Report,
  encode: (queries: ReadonlyArray<LoggedQuery>) => Chunk
): Output => ({
  write: (queries) => {
    let error: string | undefined
    if (queries.length === 0) {
      error = file.look()
    } else {
      const written = file.write(encode(queries))
      report.written(written.queries)
      report.lost(queries.length - written.queries)
      error = written.error
    }
    if (error === undefined) report.over()
    else report.trouble(error)
  },
  close: Effect.sync(() => file.close())
})
