/** Files of questions for dnsperf: `name type`, one a line. */
import { closeSync, openSync, writeSync } from "node:fs"
import { join } from "node:path"

const LINES_A_WRITE = 20_000
let written = 0

/** Writes the questions for the names, all of type A, and gives the file's path. */
export const writeQuestions = (directory: string, names: Iterable<string>): string => {
  const path = join(directory, `questions-${++written}.txt`)
  const file = openSync(path, "w")
  let lines: Array<string> = []
  for (const name of names) {
    lines.push(`${name} A\n`)
    if (lines.length === LINES_A_WRITE) {
      writeSync(file, lines.join(""))
      lines = []
    }
  }
  writeSync(file, lines.join(""))
  closeSync(file)
  return path
}

/** A prefix that no name of this or of an earlier run has. */
export const freshPrefix = (): string => `${Date.now().toString(36)}${(++written).toString(36)}`

/** `prefix-0.zone`, `prefix-1.zone`, …: `count` names, all different. */
export function* numbered(prefix: string, zone: string, count: number): Iterable<string> {
  for (let i = 0; i < count; i++) yield `${prefix}-${i}.${zone}`
}
