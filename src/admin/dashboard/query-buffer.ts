/**
 * The queries that the page keeps of those that match: the newest first, so many at most.
 *
 * Those that come between two redraws wait together. At 10,000 a second they are far more than anybody reads: what is beyond
 * the limit is let go unseen.
 */
import type { QueryShape } from "./shapes.ts"

export const KEPT = 1_000

/** A server that was started again gives the same ids anew. */
const keyOf = ({ atMs, id }: QueryShape): string => `${id} ${atMs}`

export class QueryBuffer {
  /** The newest first. */
  queries: ReadonlyArray<QueryShape> = []
  /** Received since the last redraw, the oldest first. */
  private waiting: Array<QueryShape> = []
  private readonly known = new Set<string>()

  /** @param queries the oldest first */
  add(queries: ReadonlyArray<QueryShape>): void {
    this.waiting.push(...queries)
    if (this.waiting.length > 2 * KEPT) this.waiting = this.waiting.slice(-KEPT)
  }

  get waitingCount(): number {
    return Math.min(KEPT, this.waiting.length)
  }

  /** Takes in what waits. */
  flush(): void {
    if (this.waiting.length === 0) return
    // What is asked for and what is followed may both have a query that came between the two.
    const fresh = this.waiting.filter((query) => {
      const key = keyOf(query)
      const isNew = !this.known.has(key)
      this.known.add(key)
      return isNew
    })
    this.waiting = []
    if (fresh.length === 0) return
    const isInOrder = fresh.every(({ atMs }, at) => at === 0 || atMs >= fresh[at - 1]!.atMs)
    fresh.reverse()
    if (!isInOrder) fresh.sort((a, b) => b.atMs - a.atMs)
    const isNewer = this.queries.length === 0 || fresh.at(-1)!.atMs >= this.queries[0]!.atMs
    const merged = [...fresh, ...this.queries]
    if (!isNewer) merged.sort((a, b) => b.atMs - a.atMs)
    for (const query of merged.slice(KEPT)) this.known.delete(keyOf(query))
    this.queries = merged.slice(0, KEPT)
    if (this.known.size > 2 * KEPT) {
      this.known.clear()
      for (const query of this.queries) this.known.add(keyOf(query))
    }
  }
}
