/** What a workload is: whom it asks, what it measures, and how one measurement is made. */
import type { Effect, Scope } from "effect"
import type { Lab } from "../lab.ts"
import type { Plan, Scale } from "../plan.ts"
import type { BenchProblem } from "../problem.ts"
import type { Server } from "../servers/server.ts"

export interface Figure {
  readonly key: string
  /** With its unit, as the head of a column. */
  readonly title: string
  readonly digits: number
  /** Which of two is the better one; where given, Strand is set against the best peer. */
  readonly better?: "less" | "more"
}

/** By the figures' keys; NaN where it could not be measured. */
export type Figures = Readonly<Record<string, number>>

export interface Sample {
  /** Tells apart the rows of one server, such as `2 threads`; empty where there is one only. */
  readonly variant: string
  readonly figures: Figures
}

export interface Workload {
  readonly name: string
  readonly title: string
  /** How it is measured, in a sentence or two, for the report. */
  readonly method: (scale: Scale) => string
  readonly figures: ReadonlyArray<Figure>
  readonly rounds: (scale: Scale) => number
  readonly asks: (server: Server) => boolean
  /** Once, one server. Those that are asked in turn make up a round. */
  readonly measure: (server: Server) => Effect.Effect<ReadonlyArray<Sample>, BenchProblem, Lab | Plan | Scope.Scope>
}

export const queriesPerSecond: Figure = { key: "queriesPerSecond", title: "q/s", digits: 0, better: "more" }
export const cpu: Figure = { key: "cpuMicroseconds", title: "CPU µs/query", digits: 2, better: "less" }
export const lost: Figure = { key: "lost", title: "lost", digits: 0 }
export const resident: Figure = { key: "residentMebibytes", title: "RSS MiB", digits: 0 }
export const MEBIBYTE = 2 ** 20
