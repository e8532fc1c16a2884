/** TCP: cached names over 20 connections, with 25 queries waiting on each, and with one. */
import { Effect } from "effect"
import { Lab } from "../lab.ts"
import { Plan } from "../plan.ts"
import { warmedUp } from "./hot-names.ts"
import { throughput, throughputFigures } from "./throughput.ts"
import type { Workload } from "./workload.ts"

const CONNECTIONS = 20

const overTcp = (name: string, title: string, eachWaiting: number): Workload => ({
  name,
  title,
  method: ({ seconds }) => `1,000 names in the cache; ${seconds} s over ${CONNECTIONS} connections that stay open.`,
  figures: throughputFigures,
  rounds: ({ rounds }) => rounds,
  asks: ({ hasMeasurableTcp }) => hasMeasurableTcp,
  measure: Effect.fnUntraced(function* (server) {
    const { seconds } = yield* Plan
    const running = yield* (yield* Lab).shared(server)
    const questions = yield* warmedUp(running, "tcp")
    const load = { questions, seconds, waiting: CONNECTIONS * eachWaiting, transport: "tcp" } as const
    return [{ variant: "", figures: yield* throughput(running, load) }]
  })
})

export const tcp: Workload = overTcp("tcp", "TCP: 25 queries waiting on each connection", 25)
export const tcpSingle: Workload = overTcp("tcp1", "TCP: one query waiting on each connection", 1)
