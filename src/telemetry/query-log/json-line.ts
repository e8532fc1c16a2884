/** A query as one line of JSON: what is nothing is left out. */
import type { LoggedQuery } from "./logged-query.ts"

export const jsonLine = (query: LoggedQuery): string => JSON.stringify(jsonOf(query))

/** Its fields, as `docs/query-log.md` lists them. */
const jsonOf = (query: LoggedQuery) => ({
  time: timeOf(query.atMs),
  ms: rounded(query.durationMs),
  client: orNothing(query.client),
  port: query.port === 0 ? undefined : query.port,
  client_name: orNothing(query.clientName),
  protocol: query.protocol,
  name: orNothing(query.name),
  type: orNothing(query.type),
  outcome: query.outcome,
  rcode: orNothing(query.rcode),
  size: query.replySize,
  worker: query.worker,
  coalesced: query.isCoalesced ? true : undefined,
  shared: query.isShared ? true : undefined,
  attempts:
    query.attempts.length === 0
      ? undefined
      : query.attempts.map(({ upstream, transport, outcome, startedMs, endedMs }) => ({
          upstream,
          transport,
          outcome,
          from_ms: rounded(startedMs),
          to_ms: rounded(endedMs)
        })),
  error: orNothing(query.error)
})

const orNothing = (text: string): string | undefined => (text === "" ? undefined : text)

/** Microseconds are as exact as it gets. */
const rounded = (ms: number): number => Math.round(ms * 1000) / 1000

let second = 0
let secondText = ""

/** RFC 3339 with milliseconds, in UTC. */
export const timeOf = (ms: number): string => {
  const whole = Math.floor(ms / 1000)
  if (whole !== second) {
    second = whole
    secondText = new Date(whole * 1000).toISOString().slice(0, 20)
  }
  return `${secondText}${String(Math.floor(ms) - whole * 1000).padStart(3, "0")}Z`
}
