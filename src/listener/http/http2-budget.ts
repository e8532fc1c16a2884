/**
 * Frames that ask for work and bring no query use up a budget that queries fill again: who has used it up is sent away
 * (RFC 9113 §10.5).
 */
import { ErrorCode } from "../../io/http2.ts"
import { ConnectionFault } from "./http2-frames.ts"

/** Frames that are for nothing. */
const FREE_FRAMES = 200
/** So many more for each query. */
const FRAMES_A_QUERY = 10
const MOST_FRAMES = 2_000
/** A query that was begun goes on to its end: who asks and resets, again and again, pays more than a query brings. */
export const FRAMES_A_RESET = 2 * FRAMES_A_QUERY

export class FrameBudget {
  private left = FREE_FRAMES

  /** So many frames bring no query. */
  spend(frames = 1): void {
    this.left -= frames
    if (this.left < 0) throw new ConnectionFault(ErrorCode.EnhanceYourCalm, "too much is asked that is no query")
  }

  /** A request has come whole. */
  earn(): void {
    this.left = Math.min(MOST_FRAMES, this.left + FRAMES_A_QUERY)
  }
}
