/**
 * Reports of sockets and timers that belong to no query: an exception in a callback, that the process has run out of
 * descriptors, and floods. Telemetry counts and logs them (`telemetry/incidents.ts`).
 */
import { Context } from "effect"

export interface Incidents {
  /**
   * Something that the network, a timer or a signal called threw: a fault of this program.
   *
   * @param border who called, as the log says it: `a timer`
   */
  readonly onDefect: (border: string, thrown: unknown) => void
  /**
   * The kernel had no descriptor left (EMFILE, ENFILE).
   *
   * @param what could not be opened, as the log says it: `a connection that a client made`
   */
  readonly onExhausted: (what: string) => void
  /** A client sends a flood, and the kernel was told to drop most of it. */
  readonly onFlood: (client: string) => void
}

/** Without telemetry, as in a test of one part, they are dropped. */
export const Incidents: Context.Reference<Incidents> = Context.Reference<Incidents>("strand/runtime/Incidents", {
  defaultValue: () => ({ onDefect: () => {}, onExhausted: () => {}, onFlood: () => {} })
})
