/** Where queries are written to. */
import type { Effect } from "effect"
import type { LoggedQuery } from "./logged-query.ts"

export interface Output {
  /**
   * Takes what one look has found, which may be nothing: then it looks after its files and connections. It does not
   * throw, and what it cannot write it counts as lost.
   */
  readonly write: (queries: ReadonlyArray<LoggedQuery>) => void
  /** Writes what waits, for a moment, and closes. */
  readonly close: Effect.Effect<void>
}
