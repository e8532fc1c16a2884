/** The steps in which durations of queries are exported. */

/** Seconds, the upper ends of the steps of `dns_request_duration_seconds`. */
export const queryDurationSteps: ReadonlyArray<number> = [
  0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10
]

export const stepOfDuration = (seconds: number): number => {
  const step = queryDurationSteps.findIndex((bound) => seconds <= bound)
  return step < 0 ? queryDurationSteps.length : step
}
