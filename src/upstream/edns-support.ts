/**
 * How much of EDNS an upstream takes, as far as one thread has seen (RFC 6891 §7).
 *
 * There are three levels: an OPT with options, an OPT without options, no OPT. A question that is refused at one level,
 * or gets no reply, is sent again at the next lower one. A lower level becomes the upstream's usual one only when it
 * answered questions for which a higher level failed, and the higher level answered none meanwhile. After a while all
 * levels are tried again.
 *
 * Pure: it is told the time.
 */
import { Rcode } from "../dns/codes.ts"
import type { Response } from "../dns/response.ts"

export const EdnsLevel = { Options: 0, NoOptions: 1, None: 2 } as const
export type EdnsLevel = (typeof EdnsLevel)[keyof typeof EdnsLevel]

/** How a higher level failed before a question was asked at a lower one. */
export type HigherLevel = "not-tried" | "refused" | "silent"

/** A lower level is the usual one for so long. */
const CONCLUDED_FOR_MS = 600_000
/** Questions that have to be answered at a lower level where the higher one was refused: the first one says it all. */
const AFTER_REFUSALS = 1
/** Where the higher one was not answered: a datagram may have been lost. */
const AFTER_SILENCES = 2
/** Where the higher one has worked before: a few names that the server fails on are no reason. */
const AFTER_SUCCESS = 20

export class EdnsSupport {
  /** Whether any question was answered at the usual level. */
  hasWorked = false
  private usual: EdnsLevel = EdnsLevel.Options
  private untilMs = Number.NEGATIVE_INFINITY
  /** Questions in a row that were answered at a lower level only. */
  private evidence = 0

  /** The level at which a question is asked first. */
  level(nowMs: number): EdnsLevel {
    if (this.usual !== EdnsLevel.Options && nowMs >= this.untilMs) this.settle(EdnsLevel.Options, nowMs)
    return this.usual
  }

  /** @param silences attempts for the same question that this upstream has not answered */
  levelAfter(silences: number, nowMs: number): EdnsLevel {
    const level = this.level(nowMs)
    return this.hasWorked ? level : (Math.min(level + silences, EdnsLevel.None) as EdnsLevel)
  }

  /** A question was answered well that had been sent at this level. */
  onAnswer(level: EdnsLevel, higher: HigherLevel, nowMs: number): void {
    const usual = this.level(nowMs)
    if (level <= usual) {
      this.hasWorked = true
      this.evidence = 0
      return
    }
    if (higher === "not-tried") return
    const needed = this.hasWorked ? AFTER_SUCCESS : higher === "refused" ? AFTER_REFUSALS : AFTER_SILENCES
    if (++this.evidence >= needed) this.settle(level, nowMs)
  }

  private settle(level: EdnsLevel, nowMs: number): void {
    this.usual = level
    this.untilMs = nowMs + CONCLUDED_FOR_MS
    this.hasWorked = level !== EdnsLevel.Options
    this.evidence = 0
  }
}

/** Whether the reply says that the server does not take the query as it is written (RFC 6891 §7, RFC 8906 §3.1). */
export const refusesEdns = ({ rcode }: Response): boolean =>
  rcode === Rcode.FormErr || rcode === Rcode.NotImp || rcode === Rcode.BadVers

/**
 * The level to ask at after a refusal; undefined where there is none left.
 *
 * @param hasOptions whether the query that was refused had options
 */
export const lowerLevel = (level: EdnsLevel, hasOptions: boolean): EdnsLevel | undefined => {
  if (level === EdnsLevel.None) return undefined
  return level === EdnsLevel.Options && hasOptions ? EdnsLevel.NoOptions : EdnsLevel.None
}
