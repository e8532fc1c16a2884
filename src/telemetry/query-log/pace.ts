/** Whether the thread keeps up with the workers: said when it does not, and when it has for a while. */
import type { Counters } from "../counters.ts"
import type { Say } from "./report.ts"

/** After so long without a loss it keeps up again. */
const KEEPS_UP_MS = 30_000

export class Pace {
  private readonly counters: Counters["Service"]
  private readonly say: Say
  private lost = 0
  private lostMs = 0

  constructor(counters: Counters["Service"], say: Say) {
    this.counters = counters
    this.say = say
  }

  /** @param lost so many were written over before this look */
  read(lost: number): void {
    if (lost > 0) {
      this.counters.add("log.overwritten", lost)
      if (this.lost === 0) {
        this.say({ level: "error", message: "the query log cannot keep up: queries are lost to it", fields: { lost } })
      }
      this.lost += lost
      this.lostMs = performance.now()
    } else if (this.lost > 0 && performance.now() - this.lostMs > KEEPS_UP_MS) {
      this.say({ level: "info", message: "the query log keeps up again", fields: { lost: this.lost } })
      this.lost = 0
    }
  }
}
