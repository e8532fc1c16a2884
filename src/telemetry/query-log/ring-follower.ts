/** What is new in the ring of one worker, since the last look. */

import { RecentQueryReader } from "../recent-queries/reader.ts"
import { RECENT_QUERIES, type RecentQuery } from "../recent-queries/ring.ts"
import type { Ring } from "./protocol.ts"

export class RingFollower {
  readonly worker: number
  private readonly reader: RecentQueryReader
  private readonly position: Int32Array

  /** @param positions where those of all workers are kept */
  constructor({ worker, memory }: Ring, positions: SharedArrayBuffer) {
    this.worker = worker
    this.reader = new RecentQueryReader(memory)
    this.position = new Int32Array(positions, (worker - 1) * Int32Array.BYTES_PER_ELEMENT, 1)
  }

  /**
   * Reads what is new, the oldest first.
   *
   * @returns how many were written over before they were read
   */
  read(take: (query: RecentQuery) => void): number {
    const written = this.reader.written()
    let next = this.position[0]!
    let lost = 0
    const behind = (written - next) | 0
    if (behind > RECENT_QUERIES) {
      lost = behind - RECENT_QUERIES
      next = (written - RECENT_QUERIES) | 0
    }
    for (; next !== written; next = (next + 1) | 0) {
      const query = this.reader.read(next)
      if (query === undefined) lost++
      else take(query)
    }
    this.position[0] = written
    return lost
  }
}

/** From now on only what comes from now on is read. */
export const skipWritten = ({ worker, memory }: Ring, positions: SharedArrayBuffer): void => {
  new Int32Array(positions)[worker - 1] = new RecentQueryReader(memory).written()
}
