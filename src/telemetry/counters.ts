/**
 * What happened, counted: cells that are added to with plain arithmetic and read when somebody asks.
 */
import { Context, Layer } from "effect"

/** Every counter, and what it counts. */
export const counterMeanings = {
  "queries.udp": "packets received by UDP",
  "queries.tcp": "messages received by TCP",
  "queries.dropped": "packets that were no query, or whose client is denied by dropping",
  "queries.denied": "queries of clients that may not ask",
  "queries.malformed": "queries answered FORMERR, NOTIMP, BADVERS or REFUSED for what they are",
  "queries.looped": "queries that came back to this server by way of another",
  "answers.sent": "answers given",
  "answers.failed": "queries answered SERVFAIL because no upstream answered well",
  "answers.shed": "queries answered SERVFAIL because too many were waiting",
  "answers.late": "queries whose deadline passed",
  "answers.unsent": "replies that the kernel did not take",
  "cache.hits": "queries answered from the cache",
  "cache.misses": "queries that had to ask",
  "cache.failures": "queries answered from a failure kept",
  "cache.evictions": "answers that left before their time, for room",
  "upstream.attempts": "questions sent to upstreams",
  "upstream.retries": "attempts after the first",
  "upstream.timeouts": "attempts that no reply came to in time",
  "upstream.errors": "attempts that ended in a network error",
  "upstream.rejected": "attempts that ended in an error of the upstream's or in garbage",
  "upstream.strangers": "datagrams that were no reply to what was asked",
  "upstream.truncated": "replies that were asked for again by TCP",
  "upstream.coalesced": "queries that shared the exchange of an equal one",
  "tcp.accepted": "connections accepted",
  "tcp.refused": "connections closed because there were too many",
  "tcp.expired": "connections closed because they were idle, unfinished or did not read",
  "traces.sampled": "traces exported",
  "traces.dropped": "traces not exported because the collector was slow or gone",
  defects: "queries in which this server failed by a fault of its own"
} as const

export type CounterName = keyof typeof counterMeanings

const names = Object.keys(counterMeanings) as ReadonlyArray<CounterName>

export class Counters extends Context.Service<
  Counters,
  {
    readonly add: (name: CounterName, count?: number) => void
    readonly read: (name: CounterName) => number
    /** All that are not zero. */
    readonly snapshot: () => Partial<Record<CounterName, number>>
  }
>()("strand/telemetry/Counters") {
  static readonly layer: Layer.Layer<Counters> = Layer.sync(Counters, () => {
    const cells: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]))
    return Counters.of({
      add: (name, count = 1) => {
        cells[name]! += count
      },
      read: (name) => cells[name]!,
      snapshot: () => Object.fromEntries(Object.entries(cells).filter(([, count]) => count > 0))
    })
  })
}
