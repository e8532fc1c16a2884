/**
 * Times one function: nanoseconds a call, in steady state.
 *
 * The function is called in a loop until the compiler has seen enough of it, then in samples of equal length; the
 * median of these counts, and how far the middle half of them lies apart says how much to trust it.
 */
import { percentiles } from "../measure/percentiles.ts"

export interface Subject {
  readonly name: string
  /** Does the work once and returns a number that depends on it, so that no compiler can leave it out. */
  readonly run: (i: number) => number
}

export interface Timing {
  readonly name: string
  readonly nanoseconds: number
  /** Between the first and the third quartile, as a share of the median. */
  readonly spread: number
}

const WARM_UP_MS = 200
const SAMPLE_MS = 20
const SAMPLES = 25

/** Receives what the subjects return. */
export const sink = { sum: 0 }

/** A loop of its own for each subject: one that all share would be compiled for none of them. */
const loopOf = (run: (i: number) => number): ((count: number) => number) =>
  new Function("run", "return (count) => { let sum = 0; for (let i = 0; i < count; i++) sum += run(i); return sum }")(
    run
  )

export const time = ({ name, run }: Subject): Timing => {
  const loop = loopOf(run)
  const elapsedMs = (count: number): number => {
    const start = performance.now()
    sink.sum += loop(count)
    return performance.now() - start
  }
  let count = 1000
  for (let spentMs = 0; spentMs < WARM_UP_MS; ) {
    const ms = elapsedMs(count)
    spentMs += ms
    if (ms < SAMPLE_MS / 2) count *= 2
  }
  count = Math.ceil((count * SAMPLE_MS) / elapsedMs(count))
  const samples = Float64Array.from({ length: SAMPLES }, () => (elapsedMs(count) * 1e6) / count)
  const [first, middle, third] = percentiles(samples, [25, 50, 75]) as [number, number, number]
  return { name, nanoseconds: middle, spread: (third - first) / middle }
}
