/** Whether queries are answered here, and for how long still. */
import type { Supervisor } from "../process/supervisor.ts"

export class Readiness {
  private readonly supervisor: Supervisor["Service"]
  private drainingUntilMs: number | undefined

  constructor(supervisor: Supervisor["Service"]) {
    this.supervisor = supervisor
  }

  get isDraining(): boolean {
    return this.drainingUntilMs !== undefined
  }

  /** What is missing; empty where nothing is. */
  get missing(): ReadonlyArray<string> {
    const missing: Array<string> = []
    if (this.isDraining) missing.push("the server is about to end")
    if (!this.supervisor.workers().some(({ state }) => state === "ready")) missing.push("no worker answers")
    if (this.supervisor.listening().length === 0) missing.push("nothing is listened at")
    return missing
  }

  get isReady(): boolean {
    return this.missing.length === 0
  }

  /** Not ready from now on; `end` is called after so many seconds, once. */
  drain(seconds: number, end: () => void): void {
    if (this.drainingUntilMs !== undefined) return
    this.drainingUntilMs = performance.now() + seconds * 1000
    setTimeout(end, seconds * 1000)
  }
}
