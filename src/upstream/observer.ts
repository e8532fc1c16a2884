/** Observes the attempts at an upstream: for its counters, and for the log. */
import { rcodeName } from "../dns/codes.ts"
import { formatQuestion } from "../dns/question.ts"
import type { Events, Say } from "../telemetry/event-log.ts"
import type { EndedAttempt, UpstreamCounts } from "../telemetry/upstream-counts.ts"

export interface UpstreamObserver extends UpstreamCounts {
  /** Logs an event of the upstream; undefined where the log level is off. */
  readonly note: Say | undefined
}

const nothing = (): void => {}

export const unobserved: UpstreamObserver = {
  slot: 0,
  ended: nothing,
  withheld: nothing,
  retried: nothing,
  hedged: nothing,
  noteInFlight: nothing,
  rename: nothing,
  note: undefined
}

/** Counts, and logs at the level `debug`. */
export const observe = (nameOf: () => string, counts: UpstreamCounts, events: Events): UpstreamObserver => ({
  slot: counts.slot,
  withheld: counts.withheld,
  retried: counts.retried,
  hedged: counts.hedged,
  noteInFlight: counts.noteInFlight,
  rename: counts.rename,
  ended: (attempt) => {
    counts.ended(attempt)
    if (!isOrdinary(attempt)) events.debug?.(`an attempt failed: ${attempt.outcome}`, fieldsOf(nameOf(), attempt))
  },
  get note(): Say | undefined {
    const { debug } = events
    return debug === undefined ? undefined : (what, fields) => debug(what, { upstream: nameOf(), ...fields })
  }
})

const isOrdinary = ({ outcome }: EndedAttempt): boolean =>
  outcome === "answered" || outcome === "overtaken" || outcome === "waiting"

const fieldsOf = (upstream: string, { question, transport, startedMs, endedMs, rcode }: EndedAttempt) => ({
  upstream,
  question: formatQuestion(question),
  transport,
  milliseconds: Math.round(endedMs - startedMs),
  rcode: rcode < 0 ? undefined : rcodeName(rcode)
})
