/** Names as people ask for them: the nth most popular is asked for in proportion to 1 / n^s (Zipf's law). */

/** Numbers from 0 up to below 1, the same for the same seed (mulberry32). */
const uniform = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/**
 * A source of ranks from 0, the most popular, up to below `size`; the same sequence for the same seed.
 *
 * @param exponent s; the larger, the more the popular ones stand out
 */
export const zipf = (size: number, exponent: number, seed: number): (() => number) => {
  const cumulative = new Float64Array(size)
  let sum = 0
  for (let rank = 0; rank < size; rank++) {
    sum += (rank + 1) ** -exponent
    cumulative[rank] = sum
  }
  const next = uniform(seed)
  return () => {
    const wanted = next() * sum
    let low = 0
    let high = size - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (cumulative[middle]! > wanted) high = middle
      else low = middle + 1
    }
    return low
  }
}

/**
 * The share of `asked` that was asked before, in `before` or earlier in `asked`: what a cache without end would hit.
 */
export const hitShare = (before: ReadonlyArray<number>, asked: ReadonlyArray<number>): number => {
  const seen = new Set(before)
  const sizeBefore = seen.size
  for (const rank of asked) seen.add(rank)
  return 1 - (seen.size - sizeBefore) / asked.length
}
