/**
 * The most frequent of many, in bounded memory (Metwally, Agrawal, El Abbadi 2005: Space-Saving).
 *
 * A key that has no counter takes the place of the one that is lowest, and inherits its count: so a count is too high by
 * that much at most, and no frequent key is missed.
 */
export interface Counted {
  readonly key: string
  readonly count: number
  /** The count may be too high by so much. */
  readonly error: number
}

export class SpaceSaving {
  private readonly capacity: number
  private readonly counters = new Map<string, { count: number; error: number }>()
  total = 0

  constructor(capacity: number) {
    this.capacity = capacity
  }

  add(key: string, weight: number): void {
    this.total += weight
    const present = this.counters.get(key)
    if (present !== undefined) {
      present.count += weight
      return
    }
    if (this.counters.size < this.capacity) {
      this.counters.set(key, { count: weight, error: 0 })
      return
    }
    let lowest = ""
    let count = Number.POSITIVE_INFINITY
    for (const [other, counter] of this.counters) {
      if (counter.count < count) {
        lowest = other
        count = counter.count
      }
    }
    this.counters.delete(lowest)
    this.counters.set(key, { count: count + weight, error: count })
  }

  *entries(): Generator<Counted> {
    for (const [key, { count, error }] of this.counters) yield { key, count, error }
  }
}
