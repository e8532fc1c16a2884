/**
 * How much of EDNS an upstream takes, as far as one thread has seen (RFC 6891 §7).
 *
 * There are three levels: an OPT with options, an OPT without options, no OPT. A question that is refused at one level,
 * or gets no reply, is sent again at the next lower one. A lower level becomes the upstream's usual one only when it
 * answered questions for which a higher level failed, and the higher level answered none meanwhile. After a while all
 * levels are tried again: after a short one first, because the question may have been an odd one, or the server in
 * trouble; where the result is the same, after twice as long each time.
 *
 * Pure: it is told the time.
 */
import { Rcode } from "../../dns/codes.ts"
import type { Response } from "../../dns/response.ts"

export const EdnsLevel = { Options: 0, NoOptions: 1, None: 2 } as const
export type EdnsLevel = (typeof EdnsLevel)[keyof typeof EdnsLevel]

/** How a higher level failed before a question was asked at a lower one. */
export type HigherLevel = "not-tried" | "refused" | "silent"

/** A lower level is the usual one for so long at first: trying again after refusals costs little. */
const AFTER_REFUSAL_MS = 10_000
const AFTER_SILENCE_MS = 30_000
const LONGEST_MS = 600_000
/** Questions that have to be answered at a lower level where the higher one was refused: the first one says it all. */
const AFTER_REFUSALS = 1
/** Where the higher one was not answered: a datagram may have been lost. */
const AFTER_SILENCES = 2
/** Where the higher one has worked before: a few names that the server fails on are no reason. */
const AFTER_SUCCESS = 20
/** Attempts at one question by which one that takes EDNS is asked with it. */
const WITH_EDNS = 2

export class EdnsSupport {
  /** Whether any question was answered at the usual level. */
  hasWorked = false
  private usual: EdnsLevel = EdnsLevel.Options
  private untilMs = Number.NEGATIVE_INFINITY
  private knownForMs = 0
  /** Questions in a row that were answered at a lower level only. */
  private evidence = 0
  /** The level at which a question was answered last, where none was at a higher one. */
  private found: EdnsLevel = EdnsLevel.Options
  private repetitions = 0

  /** The level at which a question is asked first. */
  level(nowMs: number): EdnsLevel {
    if (this.usual !== EdnsLevel.Options && nowMs >= this.untilMs) this.begin(EdnsLevel.Options)
    return this.usual
  }

  /** Whether it has turned out more than once that the upstream takes no more than that. */
  get isConfirmed(): boolean {
    return this.knownForMs > AFTER_SILENCE_MS
  }

  /**
   * @param failures attempts for the same question that this upstream has not answered well
   * @param needsEdns what is asked for is not to be had without
   */
  levelAfter(failures: number, needsEdns: boolean, nowMs: number): EdnsLevel {
    const level = this.level(nowMs)
    if (failures === 0) return level
    if (this.hasWorked) return failures < WITH_EDNS || needsEdns ? level : EdnsLevel.None
    // Where questions have two attempts each, every other one tries the lowest level until an answer comes.
    const isFound = this.found > level
    const steps = failures + (failures === 1 && !isFound && this.repetitions++ % 2 === 1 ? 1 : 0)
    return Math.min(Math.max(level + steps, this.found), EdnsLevel.None) as EdnsLevel
  }

  /** A question was answered well that had been sent at this level. */
  onAnswer(level: EdnsLevel, higher: HigherLevel, nowMs: number): void {
    const usual = this.level(nowMs)
    if (level <= usual) {
      if (level === EdnsLevel.Options) this.knownForMs = 0
      this.hasWorked = true
      this.evidence = 0
      return
    }
    if (higher === "not-tried") return
    this.found = level
    const needed = this.hasWorked ? AFTER_SUCCESS : higher === "refused" ? AFTER_REFUSALS : AFTER_SILENCES
    if (++this.evidence < needed) return
    const firstMs = higher === "refused" ? AFTER_REFUSAL_MS : AFTER_SILENCE_MS
    this.knownForMs = Math.min(LONGEST_MS, Math.max(firstMs, 2 * this.knownForMs))
    this.untilMs = nowMs + this.knownForMs
    this.begin(level)
  }

  private begin(level: EdnsLevel): void {
    this.usual = level
    this.found = level
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
