/** Medians and percentiles. */

/** The middle value, or the mean of the two in the middle; NaN of nothing. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The value that `percent` of all do not exceed (nearest rank), for each `percent` from 0 to 100; NaN of nothing. */
export const percentiles = (values: Float64Array, percents: ReadonlyArray<number>): ReadonlyArray<number> => {
  const sorted = values.toSorted()
  return percents.map((percent) => sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN)
}
