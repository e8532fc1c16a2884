/** Queries as the query log has them, without a server. */
import { LoggedQueries, type LoggedQuery } from "../../../src/telemetry/query-log/logged-query.ts"
import type { LogPlan } from "../../../src/telemetry/query-log/plan.ts"
import type { FromLogThread } from "../../../src/telemetry/query-log/protocol.ts"
import { Report } from "../../../src/telemetry/query-log/report.ts"
import type { RecentQuery } from "../../../src/telemetry/recent-queries/ring.ts"
import { wireName } from "../wire/messages.ts"

export const KEY = Uint8Array.from({ length: 32 }, (_, i) => i)

/** A hit that took half a millisecond, but for what is said otherwise. */
export const recentOf = (given: Partial<RecentQuery> & { readonly named?: string } = {}): RecentQuery => ({
  sequence: 0,
  startedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  durationMs: 0.5,
  name: wireName(given.named ?? "www.example.test"),
  type: 1,
  address: [0, 0, 0, 0xc0000207],
  isIPv4: true,
  port: 5353,
  clientName: "",
  protocol: "udp",
  outcome: "hit",
  rcode: 0,
  replySize: 50,
  isCoalesced: false,
  isShared: false,
  lookedUpMs: 0,
  admittedMs: 0,
  askedMs: 0,
  toldMs: 0,
  attempts: [],
  error: "",
  ...given
})

type Plan = Partial<LogPlan["filter"] & Pick<LogPlan, "clients">>

export const queriesBy = ({ clients = "full", ...filter }: Plan = {}): LoggedQueries =>
  new LoggedQueries(
    { clients, filter: { sample: 1, only: ["all"], slowFrom: 1_000, names: [], ...filter } },
    KEY,
    (slot) => `upstream ${slot}`
  )

/** As the log has it where everything is logged. */
export const loggedOf = (given: Parameters<typeof recentOf>[0] = {}): LoggedQuery => queriesBy().of(recentOf(given), 1)!

/** What an output counts and says. */
export interface Reported {
  readonly report: Report
  readonly counts: Map<string, number>
  readonly said: Array<FromLogThread>
}

export const reported = (name: "file" | "dnstap" | "store"): Reported => {
  const counts = new Map<string, number>()
  const said: Array<FromLogThread> = []
  const add = (counter: string, count = 1): void => void counts.set(counter, (counts.get(counter) ?? 0) + count)
  return { report: new Report(name, "there", add, (line) => said.push(line)), counts, said }
}
