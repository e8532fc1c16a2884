/** Sends queries all at once, by a small C program that is compiled when it is first needed. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { BenchProblem } from "../problem.ts"
import { output } from "../process.ts"
import { findProgram } from "../programs.ts"

const source = fileURLToPath(new URL("../native/burst.c", import.meta.url))
const COMPILE_LIMIT_MS = 60_000
const RUN_LIMIT_MS = 30_000

export interface BurstResult {
  readonly sent: number
  readonly answered: number
  /** From the first query to the last. */
  readonly sendingMs: number
  /** From the first query to the last answer. */
  readonly doneMs: number
  /** The slowest answer. */
  readonly longestMs: number
}

/** Sends the questions of a file to a port of 127.0.0.1, at most 65,536, and waits until nothing comes any more. */
export const burst = Effect.fnUntraced(function* (port: number, questions: string, directory: string) {
  const program = join(directory, "burst")
  if (!existsSync(program)) yield* compile(program, directory)
  const text = yield* output({ program, args: [String(port), questions] }, directory, RUN_LIMIT_MS)
  const result = readBurst(text)
  if (result === undefined) return yield* new BenchProblem({ message: `burst printed ${text}` })
  return result
})

const compile = (program: string, directory: string): Effect.Effect<string, BenchProblem> => {
  const compiler = findProgram("cc")
  return compiler === undefined
    ? Effect.fail(new BenchProblem({ message: "bursts need a C compiler (cc)" }))
    : output({ program: compiler, args: ["-O2", "-o", program, source] }, directory, COMPILE_LIMIT_MS)
}

/** What the program prints, in microseconds; undefined where it is something else. */
export const readBurst = (text: string): BurstResult | undefined => {
  const found = /answered (\d+) of (\d+), sent (\d+), last (\d+), longest (\d+)/.exec(text)?.slice(1).map(Number)
  if (found === undefined) return undefined
  const [answered, sent, sending, last, longest] = found as [number, number, number, number, number]
  return { sent, answered, sendingMs: sending / 1000, doneMs: last / 1000, longestMs: longest / 1000 }
}
