/**
 * A lock in shared memory: 0, or the number of the writer that holds it.
 *
 * Nobody waits for it for long: a cache may forget. A writer that finds its own number there left the work unfinished
 * (it was thrown out of it) and goes on: whatever it left is consistent, as it is when a thread dies.
 */

/** Times that a writer looks before it gives up; a store holds a lock for about a microsecond. */
const TRIES = 200

export class Lock {
  private readonly cells: Int32Array
  private readonly cell: number
  private readonly writer: number

  constructor(cells: Int32Array, cell: number, writer: number) {
    this.cells = cells
    this.cell = cell
    this.writer = writer
  }

  /** Whether the lock is this writer's now. */
  take(): boolean {
    for (let i = 0; i < TRIES; i++) {
      const holder = Atomics.compareExchange(this.cells, this.cell, 0, this.writer)
      if (holder === 0 || holder === this.writer) return true
    }
    return false
  }

  release(): void {
    Atomics.store(this.cells, this.cell, 0)
  }

  /** Frees the lock if `writer`, which is dead, holds it. */
  recover(writer: number): void {
    Atomics.compareExchange(this.cells, this.cell, writer, 0)
  }
}
