/**
 * Commands that Redis answers with an error: an ACL forbids them, there is no room, Redis is read-only. The log says so
 * once when it begins, with Redis's own words, and once when it is over.
 */
import { isReply, oneLine } from "./connection.ts"

/** It is over when nothing was refused for so long: a Redis that is full takes one command and not the next. */
const CALM_MS = 5_000

export class RedisRefusals {
  private readonly what: string
  private readonly say: (line: string, isOver: boolean) => void
  private readonly nowMs: () => number
  private isRefusing = false
  private refusedMs = 0

  /**
   * @param what is refused, as it stands behind "Redis refuses to"
   * @param say must not throw
   */
  constructor(what: string, say: (line: string, isOver: boolean) => void, nowMs = () => performance.now()) {
    this.what = what
    this.say = say
    this.nowMs = nowMs
  }

  /** A command failed. An error that Redis did not answer with is the connection's end, which is logged elsewhere. */
  onRefused(error: unknown): void {
    if (!isReply(error)) return
    this.refusedMs = this.nowMs()
    if (this.isRefusing) return
    this.isRefusing = true
    this.say(`Redis refuses to ${this.what}: ${oneLine(error.message)}`, false)
  }

  onTaken(): void {
    if (!this.isRefusing || this.nowMs() - this.refusedMs < CALM_MS) return
    this.isRefusing = false
    this.say(`Redis no longer refuses to ${this.what}`, true)
  }
}
