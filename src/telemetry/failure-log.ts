/**
 * One line for a query that failed, so many a second at most; what is left out is counted and said.
 */
import { type Cause, Context, Effect, Layer } from "effect"
import { Counters } from "./counters.ts"
import type { QueryRecord } from "./record.ts"

const LINES_PER_SECOND = 5

export class FailureLog extends Context.Service<
  FailureLog,
  {
    readonly failure: (question: string, record: QueryRecord, reason: string) => Effect.Effect<void>
    /** A fault of this server: the whole cause. */
    readonly defect: (what: string, cause: Cause.Cause<unknown>) => Effect.Effect<void>
    /** The same where no query is known: what the network, a timer or a signal called threw. */
    readonly border: (caller: string, cause: Cause.Cause<unknown>) => Effect.Effect<void>
    /** Said once. */
    readonly loop: (client: string) => Effect.Effect<void>
  }
>()("strand/telemetry/FailureLog") {
  static readonly layer: Layer.Layer<FailureLog, never, Counters> = Layer.effect(
    FailureLog,
    Effect.gen(function* () {
      const counters = yield* Counters
      let second = 0
      let lines = 0
      let leftOut = 0
      let saidLoop = false
      const limited = (line: (note: Record<string, unknown>) => Effect.Effect<void>): Effect.Effect<void> => {
        const current = Math.floor(performance.now() / 1000)
        if (current !== second) {
          second = current
          lines = 0
        }
        if (lines++ >= LINES_PER_SECOND) {
          leftOut++
          return Effect.void
        }
        const note = leftOut > 0 ? { notLogged: leftOut } : {}
        leftOut = 0
        return line(note)
      }
      return FailureLog.of({
        failure: (question, record, reason) =>
          limited((note) =>
            Effect.logWarning(`query failed: ${question}: ${reason}`, {
              client: record.client.address,
              client_name: record.client.clientName,
              milliseconds: Math.round(record.endedMs - record.startedMs),
              attempts: (record.resolution?.attempts ?? []).map(
                ({ upstream, outcome }) => `${upstream.name} ${outcome}`
              ),
              ...note
            })
          ),
        defect: (what, cause) => {
          counters.add("defects")
          return limited((note) => Effect.logError(`internal error while answering ${what}`, cause, note))
        },
        border: (caller, cause) => {
          counters.add("defects")
          return limited((note) => Effect.logError(`internal error behind a call of ${caller}`, cause, note))
        },
        loop: (client) => {
          if (saidLoop) return Effect.void
          saidLoop = true
          return Effect.logError(
            `a query of this server came back to it from ${client}: an upstream forwards to this server. Such queries are refused.`
          )
        }
      })
    })
  )
}
