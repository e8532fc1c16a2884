/** TLS and HTTPS: cached names over connections that stay open, and over new ones. */
import { Effect } from "effect"
import { Lab } from "../lab.ts"
import { Plan } from "../plan.ts"
import { warmedUp } from "./hot-names.ts"
import { throughput, throughputFigures } from "./throughput.ts"
import type { Workload } from "./workload.ts"

const CONNECTIONS = 20

interface Variant {
  readonly name: string
  readonly title: string
  readonly transport: "dot" | "doh"
  /** Queries that wait on each connection. */
  readonly eachWaiting: number
  /** Queries after which each is closed; never where not given. */
  readonly queriesAConnection?: number
}

const encrypted = ({ eachWaiting, name, queriesAConnection, title, transport }: Variant): Workload => ({
  name,
  title,
  method: ({ seconds }) =>
    queriesAConnection === undefined
      ? `1,000 names in the cache; ${seconds} s over ${CONNECTIONS} connections that stay open.`
      : `1,000 names in the cache; ${seconds} s, a whole handshake for each ${queriesAConnection === 1 ? "query" : `${queriesAConnection} queries`}.`,
  figures: throughputFigures,
  rounds: ({ rounds }) => rounds,
  asks: ({ isEncrypted }) => isEncrypted,
  measure: Effect.fnUntraced(function* (server) {
    const { seconds } = yield* Plan
    const running = yield* (yield* Lab).shared(server)
    const questions = yield* warmedUp(running)
    const waiting = CONNECTIONS * eachWaiting
    const once = queriesAConnection === undefined ? {} : { queriesAConnection }
    const load = { questions, seconds, waiting, transport, ...once } as const
    return [{ variant: "", figures: yield* throughput(running, load) }]
  })
})

export const dot = encrypted({
  name: "dot",
  title: "TLS: 25 queries waiting on each connection",
  transport: "dot",
  eachWaiting: 25
})
export const dotSingle = encrypted({
  name: "dot1",
  title: "TLS: one query waiting on each",
  transport: "dot",
  eachWaiting: 1
})
export const doh = encrypted({
  name: "doh",
  title: "HTTPS: 25 queries waiting on each",
  transport: "doh",
  eachWaiting: 25
})
export const dohSingle = encrypted({
  name: "doh1",
  title: "HTTPS: one query waiting on each",
  transport: "doh",
  eachWaiting: 1
})
export const handshakes = encrypted({
  name: "handshakes",
  title: "TLS: a new connection for each query",
  transport: "dot",
  eachWaiting: 1,
  queriesAConnection: 1
})
