/**
 * A hash table for objects that come and go by the ten thousand.
 *
 * A `Map` or a `Set` that lives long copies itself into old memory again and again as its entries change, and every
 * copy keeps what was in it alive until the next full collection: measured, that was half the cost of a cache miss.
 * Here an entry that leaves is overwritten (docs/decisions/0009-short-lives.md). Open addressing, linear probing.
 */
export class OpenTable<T, K> {
  size = 0
  private items: Array<T | undefined>
  private readonly hashOf: (item: T) => number
  private readonly isAt: (item: T, key: K) => boolean

  /**
   * @param hashOf an item's hash, 32 bits
   * @param isAt whether the item is the one that the key names
   */
  constructor(hashOf: (item: T) => number, isAt: (item: T, key: K) => boolean) {
    this.hashOf = hashOf
    this.isAt = isAt
    this.items = room(SMALLEST)
  }

  get(hash: number, key: K): T | undefined {
    const mask = this.items.length - 1
    for (let slot = spread(hash) & mask; ; slot = (slot + 1) & mask) {
      const item = this.items[slot]
      if (item === undefined || this.isAt(item, key)) return item
    }
  }

  /** Adds an item that is not there. */
  add(item: T): void {
    if (++this.size * 2 > this.items.length) this.grow()
    this.put(item)
  }

  delete(item: T): boolean {
    const mask = this.items.length - 1
    let hole = spread(this.hashOf(item)) & mask
    while (this.items[hole] !== item) {
      if (this.items[hole] === undefined) return false
      hole = (hole + 1) & mask
    }
    // What stands behind and could stand nearer to its place moves up, so that no search ends too early.
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const next = this.items[slot]
      if (next === undefined) break
      const home = spread(this.hashOf(next)) & mask
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        this.items[hole] = next
        hole = slot
      }
    }
    this.items[hole] = undefined
    this.size--
    return true
  }

  /** All items, as they are now. */
  values(): Array<T> {
    return this.items.filter((item) => item !== undefined)
  }

  private put(item: T): void {
    const mask = this.items.length - 1
    let slot = spread(this.hashOf(item)) & mask
    while (this.items[slot] !== undefined) slot = (slot + 1) & mask
    this.items[slot] = item
  }

  private grow(): void {
    const items = this.values()
    this.items = room(this.items.length * 2)
    for (const item of items) this.put(item)
  }
}

const SMALLEST = 16

const room = <T>(size: number): Array<T | undefined> => Array.from({ length: size }, () => undefined)

/** Ids and counters become places all over the table. */
const spread = (hash: number): number => {
  const mixed = Math.imul(hash, 0x9e3779b1)
  return mixed ^ (mixed >>> 15)
}
