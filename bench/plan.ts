/** How much is measured: few minutes by default, the whole with `--full`. */
import { Context } from "effect"

export interface Scale {
  /** How often every server is asked; the median counts. */
  readonly rounds: number
  /** Of a measurement whose length is given by time. */
  readonly seconds: number
  readonly sustainedSeconds: number
  /** Names never asked before, in the cold workload. */
  readonly coldNames: number
  /** Queries before and in the measured part of the mixed workload. */
  readonly mixedQueries: { readonly before: number; readonly measured: number }
  /** Names that are kept when memory is measured. */
  readonly cachedNames: number
}

export const shortScale: Scale = {
  rounds: 1,
  seconds: 2,
  sustainedSeconds: 5,
  coldNames: 40_000,
  mixedQueries: { before: 100_000, measured: 50_000 },
  cachedNames: 50_000
}

export const fullScale: Scale = {
  rounds: 3,
  seconds: 5,
  sustainedSeconds: 600,
  coldNames: 40_000,
  mixedQueries: { before: 400_000, measured: 200_000 },
  cachedNames: 1_000_000
}

export class Plan extends Context.Service<Plan, Scale>()("strand/bench/Plan") {}
