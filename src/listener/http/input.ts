/** Octets that have come and are not read yet. */
export class Input {
  octets: Buffer = EMPTY
  at = 0

  get length(): number {
    return this.octets.length - this.at
  }

  append(chunk: Buffer): void {
    this.octets = this.length === 0 ? chunk : Buffer.concat([this.octets.subarray(this.at), chunk])
    this.at = 0
  }

  /** The next octets, and reads on behind them: valid until the next `append`. */
  take(length: number): Buffer {
    const start = this.at
    this.at += length
    const taken = this.octets.subarray(start, this.at)
    if (this.at === this.octets.length) {
      this.octets = EMPTY
      this.at = 0
    }
    return taken
  }

  /** What is left of a chunk is moved to memory of its own: it would keep all of it, and its neighbours. */
  settle(): void {
    if (this.length === 0 || this.octets.buffer.byteLength === this.length) return
    const own = Buffer.allocUnsafeSlow(this.length)
    this.octets.copy(own, 0, this.at)
    this.octets = own
    this.at = 0
  }

  clear(): void {
    this.octets = EMPTY
    this.at = 0
  }
}

const EMPTY = Buffer.alloc(0)
