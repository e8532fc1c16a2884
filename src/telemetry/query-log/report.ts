/** What one output says of itself: what it has written and lost, counted; and in the log, when trouble begins and is over. */
import type { CounterName, Counters } from "../counters.ts"
import type { FromLogThread } from "./protocol.ts"

export type Say = (line: FromLogThread) => void

type OutputName = "file" | "dnstap" | "store"

export class Report {
  private readonly add: Counters["Service"]["add"]
  private readonly say: Say
  private readonly what: string
  private readonly writtenName: CounterName
  private readonly lostName: CounterName
  private isInTrouble = false
  private lostMeanwhile = 0

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
  }

  /** Said once, until it is over. */
  trouble(reason: string): void {
    if (this.isInTrouble) return
    this.isInTrouble = true
    this.say({ level: "error", message: `the query log cannot write to ${this.what}`, fields: { reason } })
  }

  over(): void {
    if (!this.isInTrouble) return
    this.isInTrouble = false
    this.say({
      level: "info",
      message: `the query log writes to ${this.what} again`,
      fields: { lost: this.lostMeanwhile }
    })
    this.lostMeanwhile = 0
  }
}
