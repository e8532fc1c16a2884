/** Runs dnsperf against a server and gives what it measured. One thread, 20 clients: sockets, or connections. */
import { Effect } from "effect"
import { BenchProblem } from "../problem.ts"
import { output } from "../process.ts"
import { findProgram } from "../programs.ts"
import { type LoadResult, readLatencies, readStatistics } from "./dnsperf-output.ts"

export interface Load {
  readonly port: number
  /** A file of questions, one a line. */
  readonly questions: string
  /** Goes through the file again and again for so long; once, from end to end, where not given. */
  readonly seconds?: number
  /** Queries that wait for their answers at once, at most. */
  readonly waiting: number
  /** Queries a second, at most. */
  readonly rate?: number
  /** `dot` and `doh` are TLS and HTTPS. */
  readonly transport?: "udp" | "tcp" | "dot" | "doh"
  /** Queries after which a connection is closed and another opened; never where not given. */
  readonly queriesAConnection?: number
  /** After so long without an answer a query counts as lost; two seconds where not given. */
  readonly timeoutSeconds?: number
}

const CLIENTS = 20
const TIMEOUT_SECONDS = 2
/** Past the time given: for what still waits at its end. */
const GRACE_MS = 20_000
/** For a run whose length is given by its file: a million names at the pace of the slowest server. */
const LONGEST_MS = 1_200_000

/** Sends the load and gives the statistics. */
export const send = (load: Load, directory: string): Effect.Effect<LoadResult, BenchProblem> =>
  Effect.flatMap(run(load, directory, []), statisticsOf)

/** The same, with the latency of each query in milliseconds. Costs the client time: for moderate rates only. */
export const sendTimed = (
  load: Load,
  directory: string
): Effect.Effect<{ readonly result: LoadResult; readonly latenciesMs: Float64Array }, BenchProblem> =>
  Effect.gen(function* () {
    const text = yield* run(load, directory, ["-v"])
    return { result: yield* statisticsOf(text), latenciesMs: readLatencies(text) }
  })

const run = (load: Load, directory: string, more: ReadonlyArray<string>): Effect.Effect<string, BenchProblem> => {
  const program = findProgram("dnsperf")
  if (program === undefined) return Effect.fail(new BenchProblem({ message: "dnsperf is not installed" }))
  const args = [
    ...["-s", "127.0.0.1", "-p", String(load.port), "-m", load.transport ?? "udp"],
    ...["-d", load.questions, "-c", String(CLIENTS), "-T", "1", "-t", String(load.timeoutSeconds ?? TIMEOUT_SECONDS)],
    ...["-q", String(load.waiting)],
    ...(load.seconds === undefined ? ["-n", "1"] : ["-l", String(load.seconds)]),
    ...(load.rate === undefined ? [] : ["-Q", String(load.rate)]),
    ...(load.queriesAConnection === undefined ? [] : ["-O", `num-queries-per-conn=${load.queriesAConnection}`]),
    ...more
  ]
  const limitMs = load.seconds === undefined ? LONGEST_MS : load.seconds * 1000 + GRACE_MS
  return output({ program, args }, directory, limitMs)
}

const statisticsOf = (text: string): Effect.Effect<LoadResult, BenchProblem> => {
  const result = readStatistics(text)
  return result === undefined
    ? Effect.fail(new BenchProblem({ message: `dnsperf printed no statistics: ${text.slice(-500).trim()}` }))
    : Effect.succeed(result)
}
