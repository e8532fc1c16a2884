/**
 * Counts of durations in cells, fine enough for quantiles exact within 2 % (as HdrHistogram does it, with octaves cut
 * into equal steps).
 *
 * Hot path: recording is an addition to one cell.
 */

/** Steps of each octave: a cell is at most 1/64 of its value wide. */
const STEPS = 64
const STEP_BITS = 6
/** Octaves above the first `STEPS` microseconds: up to 134 seconds. */
const OCTAVES = 21
export const HISTOGRAM_CELLS = STEPS * (OCTAVES + 1)
const LARGEST = STEPS * 2 ** OCTAVES - 1

/** The cell of a duration in microseconds; what is longer than the last cell's is put there. */
export const cellOf = (microseconds: number): number => {
  const value = Math.min(LARGEST, Math.max(0, Math.round(microseconds)))
  if (value < STEPS) return value
  const octave = 31 - Math.clz32(value) - STEP_BITS
  return STEPS * (octave + 1) + (value >>> octave) - STEPS
}

/** The middle of the durations that a cell counts, in microseconds. */
export const middleOf = (cell: number): number => {
  if (cell < STEPS) return cell
  const octave = Math.floor(cell / STEPS) - 1
  const low = ((cell % STEPS) + STEPS) * 2 ** octave
  return low + (2 ** octave - 1) / 2
}

/**
 * The duration in microseconds that a share of all recorded ones does not exceed.
 *
 * @param counts one number a cell
 * @param quantile 0 to 1
 * @returns 0 where nothing was recorded
 */
export const quantileOf = (counts: Float64Array, quantile: number): number => {
  let total = 0
  for (const count of counts) total += count
  const wanted = Math.max(1, Math.ceil(total * quantile))
  let seen = 0
  for (let cell = 0; cell < counts.length; cell++) {
    seen += counts[cell]!
    if (seen >= wanted) return middleOf(cell)
  }
  return 0
}
