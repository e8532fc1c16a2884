/** Descriptors that ran out, of this process (EMFILE) or of the whole system (ENFILE). */
import { Effect } from "effect"
import type { Incidents } from "../runtime/incidents.ts"
import type { SocketError } from "./datagram.ts"

/** Whether an error of Node's is that. */
export const isExhaustion = (cause: Error): boolean =>
  "code" in cause && (cause.code === "EMFILE" || cause.code === "ENFILE")

/**
 * Reports it where no socket could be opened for want of a descriptor.
 *
 * @param what was to be opened, as the log says it: `a UDP socket`
 */
export const reportExhaustion =
  (incidents: Incidents, what: string) =>
  <A, R>(open: Effect.Effect<A, SocketError, R>): Effect.Effect<A, SocketError, R> =>
    Effect.tapError(open, (error) =>
      Effect.sync(() => {
        if (error.isExhaustion === true) incidents.onExhausted(what)
      })
    )
