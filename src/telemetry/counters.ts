/** Counters, in memory that threads share: each thread adds to its own with plain arithmetic; a reader sums them up. */
import { Context, Layer } from "effect"
import type { ClientProtocol } from "./record.ts"
import { type ListenerCounts, type ListenerTraffic, TrafficTable, trafficOctets } from "./traffic.ts"
import { type UpstreamCounts, UpstreamCountsTable, upstreamCountsOctets } from "./upstream-counts.ts"

/** Every counter, and what it counts. */
export const counterMeanings = {
  "queries.udp": "packets received by UDP",
  "queries.tcp": "messages received by TCP",
  "queries.tls": "messages received by TLS",
  "queries.https": "messages received by HTTP, encrypted or not",
  "queries.dropped": "packets that were no query, or that cannot be answered: cut off, or from port 0",
  "queries.denied": "queries of clients that may not ask",
  "queries.malformed": "queries answered FORMERR, NOTIMP, BADVERS or REFUSED for what they are",
  "queries.looped": "queries that came back to this server by way of another",
  "queries.limited": "queries of client networks that send more than they may",
  "queries.floods": "times that the kernel was told to drop most of what a client sends, a flood",
  "answers.sent": "answers given",
  "answers.local": "queries answered with an answer of the server's own",
  "answers.failed": "queries answered SERVFAIL because no upstream answered well",
  "answers.shed": "queries answered SERVFAIL because too many were waiting",
  "answers.late": "queries whose deadline passed",
  "answers.unsent": "replies that the kernel did not take",
  "answers.rebound": "answers of upstreams that private addresses were taken out of",
  "answers.limited": "replies not sent because the client's network had had too many that were equal",
  "answers.slipped": "replies sent empty and truncated for the same reason",
  "cookies.new": "queries with a client's cookie and none of this server",
  "cookies.valid": "queries with a cookie that this server gave",
  "cookies.invalid": "queries with a cookie of another server, too old or forged",
  "cache.hits": "queries answered from the cache",
  "cache.misses": "queries that had to ask",
  "cache.failures": "queries answered from a failure kept",
  "cache.stale": "queries answered with an answer past its life",
  "cache.prefetches": "answers fetched anew before they expired",
  "cache.evictions": "answers that left before their time, for room",
  "shared.hits": "answers taken from the shared tier",
  "shared.stale": "answers past their life that the shared tier had",
  "shared.misses": "questions whose answer the shared tier did not have",
  "shared.refused": "entries of the shared tier that were flushed, unreadable or of another question",
  "shared.timeouts": "questions that the shared tier did not answer in time",
  "shared.errors": "commands that the shared tier failed",
  "shared.writes": "answers given to the shared tier",
  "shared.dropped": "answers not given to the shared tier because it was slow, full or gone",
  "shared.flushes": "flushes heard of by way of the shared tier",
  "upstream.attempts": "first attempts of questions at upstreams; retries and hedges are counted by themselves",
  "upstream.retries": "attempts after the first",
  "upstream.hedges": "attempts that began before the one before was overdue",
  "upstream.withheld": "attempts put off because retries had used up their budget",
  "upstream.held": "questions that waited because their upstream said that it is asked too much",
  "upstream.probes": "questions sent to find out whether an upstream answers",
  "upstream.cleared": "upstreams that were suspect and found well",
  "upstream.opened": "upstreams found broken: their breaker opened",
  "upstream.closed": "broken upstreams found well again: their breaker closed",
  "upstream.answered": "attempts that gave the answer",
  "upstream.overtaken": "attempts that were not overdue when another gave the answer",
  "upstream.timeouts": "attempts that no reply came to in time",
  "upstream.errors": "attempts that ended in a network error",
  "upstream.rejected": "attempts that ended in an error of the upstream's or in garbage",
  "upstream.strangers": "datagrams, and messages on streams, that were no reply to what was asked",
  "upstream.truncated": "replies that were asked for again by TCP",
  "upstream.unproven": "replies by UDP without the letters or the cookie that were sent, asked for again by TCP",
  "upstream.spoofed": "times that so many forged replies came that an upstream was asked by TCP for a while",
  "upstream.coalesced": "queries that shared the exchange of an equal one",
  "upstream.queued": "exchanges that waited for those of the same question for other client networks",
  "tcp.accepted": "connections accepted",
  "tcp.refused": "connections closed because there were too many",
  "tcp.limited": "connections closed because their client opened too many a second",
  "tcp.worn": "connections closed because they had lived, or asked, as long as they may",
  "tcp.expired": "connections closed because they were idle, unfinished or did not read",
  "traces.sampled": "traces exported",
  "traces.dropped": "traces not exported because the collector was slow or gone, or there were too many",
  "log.overwritten": "queries that were written over before the query log had read them",
  "log.file.written": "queries written to the query log's file",
  "log.file.lost": "queries that could not be written to it",
  "log.dnstap.written": "queries written as dnstap",
  "log.dnstap.lost": "queries that could not be: its reader was slow or gone",
  "log.store.written": "queries written to the query log's store",
  "log.store.lost": "queries that could not be written to it",
  "descriptors.exhausted": "connections and sockets for which no file descriptor was left",
  "workers.ended": "worker threads that ended",
  "process.defects": "errors on the main thread that nothing caught",
  defects: "faults of this server's own: queries answered SERVFAIL for one, timers and events of sockets that met one"
} as const

export type CounterName = keyof typeof counterMeanings

/** What counts the messages of clients, however they came. */
export const queryCounters = [
  "queries.udp",
  "queries.tcp",
  "queries.tls",
  "queries.https"
] as const satisfies ReadonlyArray<CounterName>

/** The messages of clients, however they came. */
export const queriesIn = (read: (name: CounterName) => number): number =>
  queryCounters.reduce((sum, name) => sum + read(name), 0)

const names = Object.keys(counterMeanings) as ReadonlyArray<CounterName>
const indexOf = Object.fromEntries(names.map((name, index) => [name, index])) as Record<CounterName, number>

/**
 * Before the rows: whether the collector is gone, the number of threads and of upstreams that there is room for, and
 * how many traces were dropped before the collector went.
 */
const Head = { IsGone: 0, Threads: 1, Upstreams: 2 } as const
const HEAD_WORDS = 4
const DROPPED_BEFORE_AT = HEAD_WORDS * Int32Array.BYTES_PER_ELEMENT
const ROWS_AT = DROPPED_BEFORE_AT + Float64Array.BYTES_PER_ELEMENT

/** Room for so many upstreams, where their number is not given: as many as a change of the configuration may bring. */
const USUAL_UPSTREAMS = 512

/**
 * Room for the counters of so many threads: each adds to a row of its own, and needs no lock.
 *
 * @param upstreams that are counted apart
 */
export const counterMemory = (threads: number, upstreams = USUAL_UPSTREAMS): SharedArrayBuffer => {
  const memory = new SharedArrayBuffer(trafficAt(threads, upstreams) + trafficOctets(threads))
  const head = new Int32Array(memory, 0, HEAD_WORDS)
  head[Head.Threads] = threads
  head[Head.Upstreams] = upstreams
  return memory
}

const upstreamCountsAt = (threads: number): number => ROWS_AT + threads * names.length * Float64Array.BYTES_PER_ELEMENT
const trafficAt = (threads: number, upstreams: number): number =>
  upstreamCountsAt(threads) + upstreamCountsOctets(threads, upstreams)

/**
 * Counts of what happens: queries, answers, attempts, failures.
 *
 * **When to use**
 *
 * Use to show what the server does. Counts go up from its start on.
 *
 * **Example** (Queries so far)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Counters } from "strand-dns"
 *
 * const queries = Effect.map(Counters, ({ read }) => read("queries.udp") + read("queries.https"))
 * ```
 */
export class Counters extends Context.Service<
  Counters,
  {
    readonly add: (name: CounterName, count?: number) => void
    /** Of all threads together. */
    readonly read: (name: CounterName) => number
    /** All that are not zero. */
    readonly snapshot: () => Partial<Record<CounterName, number>>
    /** Registers an upstream: what becomes of the attempts at it is counted by it, and in the totals. */
    readonly countsFor: (slot: number, key: string) => UpstreamCounts
    /** What became of the attempts at each upstream, of all threads together. */
    readonly upstreams: UpstreamCountsTable["table"]
    /** The name of the upstream that is counted at a slot; empty where there is none. */
    readonly upstreamName: (slot: number) => string
    /** Registers a listener, at `127.0.0.1:53` or `[::1]:53`: what comes in and goes out is counted by it. */
    readonly trafficAt: (protocol: ClientProtocol, server: string) => ListenerTraffic
    /** What came in and went out by each listener, of all threads together. */
    readonly traffic: () => ReadonlyArray<ListenerCounts>
    /** The collector takes no traces; says whether this is the first thread that finds it out. */
    readonly collectorWent: () => boolean
    /** It takes them again: how many were dropped meanwhile, for the first that finds it out. */
    readonly collectorReturned: () => number | undefined
  }
>()("strand/telemetry/Counters") {
  /** The counters of a server of one thread; those of what it is built over, too (`layerDatagrams`). */
  static readonly layer: Layer.Layer<Counters> = Layer.suspend(() => Counters.layerOver(counterMemory(1), 0))

  /** @param row this thread's, from 0 */
  static readonly layerOver = (memory: SharedArrayBuffer, row: number): Layer.Layer<Counters> =>
    Layer.sync(Counters, () => {
      const head = new Int32Array(memory, 0, HEAD_WORDS)
      const threads = head[Head.Threads]!
      const all = new Float64Array(memory, ROWS_AT, threads * names.length)
      const upstreamCounts = new UpstreamCountsTable(
        memory,
        upstreamCountsAt(threads),
        threads,
        head[Head.Upstreams]!,
        row
      )
      const traffic = new TrafficTable(memory, trafficAt(threads, head[Head.Upstreams]!), threads, row)
      const droppedBefore = new Float64Array(memory, DROPPED_BEFORE_AT, 1)
      const own = all.subarray(row * names.length, (row + 1) * names.length)
      const read = (name: CounterName): number => {
        let sum = 0
        for (let index = indexOf[name]; index < all.length; index += names.length) sum += all[index]!
        return sum
      }
      const add = (name: CounterName, count = 1): void => {
        own[indexOf[name]]! += count
      }
      return Counters.of({
        add,
        read,
        countsFor: (slot, key) => upstreamCounts.countsFor(slot, key, add),
        upstreams: () => upstreamCounts.table(),
        upstreamName: (slot) => upstreamCounts.nameAt(slot),
        trafficAt: (protocol, server) => traffic.at(protocol, server),
        traffic: () => traffic.read(),
        collectorWent: () => {
          if (Atomics.compareExchange(head, Head.IsGone, 0, 1) !== 0) return false
          droppedBefore[0] = read("traces.dropped")
          return true
        },
        collectorReturned: () =>
          Atomics.compareExchange(head, Head.IsGone, 1, 0) === 1
            ? read("traces.dropped") - droppedBefore[0]!
            : undefined,
        snapshot: () => Object.fromEntries(names.map((name) => [name, read(name)]).filter(([, count]) => count !== 0))
      })
    })
}
