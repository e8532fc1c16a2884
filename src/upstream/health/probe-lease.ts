/**
 * Which thread watches an upstream: one of a process at a time, and another one when it dies.
 *
 * A thread has the watch by its number, and shows every now and then that it lives. When it has not for a while, whoever
 * wants the watch takes it. A thread that takes the place of a dead one has its number, and so its watches.
 *
 * Pure: it is told the time.
 */
import { Time, type UpstreamCells, Word } from "./shared-state.ts"

/** Who has shown no sign of life for so long has lost the watch. */
export const WATCH_MS = 1_000

const NOBODY = 0

export class Watch {
  private readonly words: Int32Array
  private readonly times: Float64Array
  private readonly worker: number

  /** @param worker this thread's number, from 1 */
  constructor({ words, times }: UpstreamCells, worker: number) {
    this.words = words
    this.times = times
    this.worker = worker
  }

  get isOurs(): boolean {
    return Atomics.load(this.words, Word.Watcher) === this.worker
  }

  /** Takes the watch if nobody has it who lives; says whether this thread has it now. Of several only one gets it. */
  claim(nowMs: number): boolean {
    const holder = Atomics.load(this.words, Word.Watcher)
    const isAlive = nowMs - this.times[Time.Watched]! < WATCH_MS
    if (holder !== NOBODY && holder !== this.worker && isAlive) return false
    // The sign of life first: who sees the new number must not see an old sign with it.
    this.times[Time.Watched] = nowMs
    return Atomics.compareExchange(this.words, Word.Watcher, holder, this.worker) === holder
  }

  /** A sign of life; says whether the watch is still this thread's. */
  keep(nowMs: number): boolean {
    if (!this.isOurs) return false
    this.times[Time.Watched] = nowMs
    return true
  }

  release(): void {
    Atomics.compareExchange(this.words, Word.Watcher, this.worker, NOBODY)
  }
}
