/** Who and what is asked for most, minute by minute for an hour: sketches of a fixed size, fed by a sample. */
import { type Counted, SpaceSaving } from "./space-saving.ts"

/** `limited`: the clients whose queries are beyond the rate. */
export const TOP_KINDS = ["name", "client", "type", "upstream", "limited"] as const
export type TopKind = (typeof TOP_KINDS)[number]

/** Keys of each kind and minute that are counted. */
const CAPACITY = 300
const MINUTES = 60
const MINUTE_MS = 60_000

interface Minute {
  readonly number: number
  readonly sketches: Readonly<Record<TopKind, SpaceSaving>>
}

const newMinute = (number: number): Minute => ({
  number,
  sketches: {
    name: new SpaceSaving(CAPACITY),
    client: new SpaceSaving(CAPACITY),
    type: new SpaceSaving(CAPACITY),
    upstream: new SpaceSaving(CAPACITY),
    limited: new SpaceSaving(CAPACITY)
  }
})

export interface Top {
  readonly seconds: number
  readonly total: number
  readonly entries: ReadonlyArray<Counted>
}

export class TopLists {
  /** The newest last. */
  private readonly minutes: Array<Minute> = []
  private readonly nowMs: () => number
  private readonly sinceMs: number

  /** @param nowMs milliseconds of a clock that does not go back */
  constructor(nowMs: () => number) {
    this.nowMs = nowMs
    this.sinceMs = nowMs()
  }

  /** @param weight how many queries this one stands for */
  add(kind: TopKind, key: string, weight: number): void {
    this.current().sketches[kind].add(key, weight)
  }

  /** @param minutes how far back, the present one included */
  read(kind: TopKind, minutes: number, limit: number): Top {
    const number = this.current().number
    const sums = new Map<string, { count: number; error: number }>()
    let total = 0
    for (const minute of this.minutes) {
      if (minute.number <= number - minutes) continue
      const sketch = minute.sketches[kind]
      total += sketch.total
      for (const { key, count, error } of sketch.entries()) {
        const sum = sums.get(key) ?? { count: 0, error: 0 }
        sums.set(key, { count: sum.count + count, error: sum.error + error })
      }
    }
    const entries = [...sums].map(([key, sum]) => ({ key, ...sum })).sort((a, b) => b.count - a.count)
    const seconds = Math.min(minutes * 60, Math.ceil((this.nowMs() - this.sinceMs) / 1000))
    return { seconds, total, entries: entries.slice(0, limit) }
  }

  private current(): Minute {
    const number = Math.floor(this.nowMs() / MINUTE_MS)
    const last = this.minutes.at(-1)
    if (last?.number === number) return last
    const minute = newMinute(number)
    this.minutes.push(minute)
    while (this.minutes.length > MINUTES) this.minutes.shift()
    return minute
  }
}
