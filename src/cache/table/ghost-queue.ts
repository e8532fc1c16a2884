/**
 * The ghost queue of S3-FIFO: fingerprints of entries that left the small ring without being asked for. An entry that
 * is stored again so soon goes to the main ring.
 *
 * Sixteen bits for each, in a cell that its hash chooses. A newer one overwrites an older one: each stays for about as
 * long as it takes as many others to leave as there are cells.
 */
export class GhostQueue {
  private readonly cells: Uint16Array
  private readonly cellsPerHash: number

  constructor(cells: Uint16Array) {
    this.cells = cells
    this.cellsPerHash = cells.length / 2 ** 32
  }

  add(hash: number): void {
    this.cells[this.cellOf(hash)] = fingerprintOf(hash)
  }

  /** Whether the hash was here; it no longer is. */
  take(hash: number): boolean {
    const cell = this.cellOf(hash)
    if (this.cells[cell] !== fingerprintOf(hash)) return false
    this.cells[cell] = 0
    return true
  }

  /** The bits that chose the shard are the same for all: the multiplication makes every bit count. */
  private cellOf(hash: number): number {
    return ((Math.imul(hash, 0x9e3779b1) >>> 0) * this.cellsPerHash) | 0
  }
}

const fingerprintOf = (hash: number): number => (hash & 0xffff) | 1
