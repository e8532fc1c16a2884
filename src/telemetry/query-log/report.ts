/** What one output says of itself: what it has written and lost, counted; and in the log, when trouble begins and is over. */
import type { CounterName, Counters } from "../counters.ts"
import type { FromLogThread } from "./protocol.ts"

export type Say = (line: FromLogThread) => void

/** Trouble is over when there was none for so long; for longer where it has come again soon. */
const FIRST_QUIET_MS = 500
const LONGEST_QUIET_MS = 60_000

type OutputName = "file" | "dnstap" | "store"

export class Report {
  private readonly add: Counters["Service"]["add"]
  private readonly say: Say
  private readonly what: string
  private readonly writtenName: CounterName
  private readonly lostName: CounterName
  private isInTrouble = false
  private lostMeanwhile = 0
  /** When there was trouble last, and when the end of it was said. */
  private troubledMs = Number.NEGATIVE_INFINITY
  private endedMs = Number.NEGATIVE_INFINITY
  private quietMs = FIRST_QUIET_MS

  /** @param what as the log names it: `the file /var/log/queries.jsonl` */
  constructor(name: OutputName, what: string, add: Counters["Service"]["add"], say: Say) {
    this.add = add
    this.say = say
    this.what = what
    this.writtenName = `log.${name}.written`
    this.lostName = `log.${name}.lost`
  }

  written(queries: number): void {
    if (queries > 0) this.add(this.writtenName, queries)
  }

  lost(queries: number): void {
    if (queries === 0) return
    this.add(this.lostName, queries)
    this.lostMeanwhile += queries
    this.troubledMs = performance.now()
  }

  /** Said once, until it is over. */
  trouble(reason: string): void {
    const nowMs = performance.now()
    this.troubledMs = nowMs
    if (this.isInTrouble) return
    this.isInTrouble = true
    this.quietMs =
      nowMs - this.endedMs < LONGEST_QUIET_MS ? Math.min(this.quietMs * 2, LONGEST_QUIET_MS) : FIRST_QUIET_MS
    this.say({ level: "error", message: `the query log cannot write to ${this.what}`, fields: { reason } })
  }

  /** Called whenever all is well. */
  over(): void {
    if (!this.isInTrouble) return
    const nowMs = performance.now()
    if (nowMs - this.troubledMs < this.quietMs) return
    this.isInTrouble = false
    this.endedMs = nowMs
    this.say({
      level: "info",
      message: `the query log writes to ${this.what} again`,
      fields: { lost: this.lostMeanwhile }
    })
    this.lostMeanwhile = 0
  }
}
