/** What dnsperf prints (2.10 and newer), read. */

export interface LoadResult {
  readonly sent: number
  readonly completed: number
  readonly lost: number
  /** Of those completed, how many with NOERROR. */
  readonly succeeded: number
  /** From the first query to the last answer. */
  readonly runSeconds: number
  readonly queriesPerSecond: number
  readonly averageLatencyMs: number
  readonly maxLatencyMs: number
}

const numberAfter = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0)

/**
 * Reads the statistics at the end.
 *
 * @returns undefined where there are none
 */
export const readStatistics = (text: string): LoadResult | undefined => {
  const at = text.lastIndexOf("Statistics:\n\n  Queries sent:")
  if (at < 0) return undefined
  // Behind it there may be those of the connections, which look alike.
  const [statistics = ""] = text.slice(at).split("\nConnection Statistics:")
  return {
    sent: numberAfter(statistics, /Queries sent: +(\d+)/),
    completed: numberAfter(statistics, /Queries completed: +(\d+)/),
    lost: numberAfter(statistics, /Queries lost: +(\d+)/),
    succeeded: numberAfter(statistics, /NOERROR (\d+)/),
    runSeconds: numberAfter(statistics, /Run time \(s\): +([\d.]+)/),
    queriesPerSecond: numberAfter(statistics, /Queries per second: +([\d.]+)/),
    averageLatencyMs: 1000 * numberAfter(statistics, /Average Latency \(s\): +([\d.]+)/),
    maxLatencyMs: 1000 * numberAfter(statistics, /Average Latency \(s\):.*max ([\d.]+)\)/)
  }
}

/** The latency of each query answered, in milliseconds: what `-v` reports as `> NOERROR name type seconds`. */
export const readLatencies = (text: string): Float64Array => {
  const latencies: Array<number> = []
  for (const [, seconds] of text.matchAll(/^> [A-Z]{2,} .* (\d+\.\d+)$/gm)) latencies.push(1000 * Number(seconds))
  return Float64Array.from(latencies)
}
