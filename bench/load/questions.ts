/** Files of questions for dnsperf: `name type`, one a line. */
import { closeSync, existsSync, openSync, writeSync } from "node:fs"
import { join } from "node:path"

const LINES_A_WRITE = 20_000
let prefixes = 0

/** A prefix that no name of this or of an earlier run has. */
export const freshPrefix = (): string => `${Date.now().toString(36)}${(++prefixes).toString(36)}`

/** Writes the questions for the names, all of type A, and gives the file's path. */
export const writeQuestions = (directory: string, names: Iterable<string>): string =>
  write(join(directory, `questions-${freshPrefix()}.txt`), names)

/** The same under a name: written when it is first asked for. */
export const questionsNamed = (directory: string, name: string, names: () => Iterable<string>): string => {
  const path = join(directory, `${name}.txt`)
  return existsSync(path) ? path : write(path, names())
}

const write = (path: string, names: Iterable<string>): string => {
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

/** `prefix-0.zone`, `prefix-1.zone`, …: `count` names, all different. */
export function* numbered(prefix: string, zone: string, count: number): Iterable<string> {
  for (let i = 0; i < count; i++) yield `${prefix}-${i}.${zone}`
}
