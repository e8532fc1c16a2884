/**
 * Whether an upstream serves EDNS Client Subnet, as far as its answers to one thread show.
 *
 * One that does returns the option, with a scope (RFC 7871 §7.1.3, §7.2.1). So an answer without it is suspicious,
 * unless the upstream never returns it: a forged answer to a question for one network would be kept for all.
 *
 * Pure: it is told the time.
 */

/** Answers in a row without the option, after which the upstream counts as one that does not know it. */
const ENOUGH = 10
/** So long after it gave the option back the last time, an upstream may have been replaced by one that does not. */
const REMEMBERED_MS = 3_600_000

export class SubnetSupport {
  private answersWithout = 0
  private lastSeenMs = Number.NEGATIVE_INFINITY

  /** An answer has come to a question with the option. */
  onAnswer(hasOption: boolean, nowMs: number): void {
    if (hasOption) {
      this.lastSeenMs = nowMs
      this.answersWithout = 0
    } else if (nowMs - this.lastSeenMs >= REMEMBERED_MS) {
      this.answersWithout++
    }
  }

  /** Whether it knows nothing of networks: an answer without the option is for everybody then (RFC 7871 §7.3). */
  get areUnknown(): boolean {
    return this.answersWithout >= ENOUGH
  }
}
