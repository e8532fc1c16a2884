/**
 * Runs workloads: in every round all servers are asked in turn, each second round in the opposite order, so that what
 * else happens on the machine hits all.
 */
import { Console, Effect } from "effect"
import type { Lab } from "./lab.ts"
import { Plan } from "./plan.ts"
import type { BenchProblem } from "./problem.ts"
import type { Row, WorkloadResult } from "./report/results.ts"
import type { Server } from "./servers/server.ts"
import type { Figures, Workload } from "./workloads/workload.ts"

/** Measures one workload. A server that fails is reported and left out of the rounds that follow. */
export const runWorkload = Effect.fnUntraced(function* (workload: Workload, servers: ReadonlyArray<Server>) {
  const scale = yield* Plan
  const asked = servers.filter(workload.asks)
  const rows = new Map<string, Row & { readonly rounds: Array<Figures> }>()
  const problems = new Map<string, string>()
  const rounds = workload.rounds(scale)
  for (let round = 1; round <= rounds; round++) {
    for (const server of round % 2 === 0 ? asked.toReversed() : asked) {
      if (problems.has(server.name)) continue
      yield* Console.error(`${workload.name}, round ${round} of ${rounds}: ${server.name}`)
      yield* measureOnce(workload, server).pipe(
        Effect.match({
          onFailure: ({ message }) => {
            problems.set(server.name, `${server.name}: ${message}`)
          },
          onSuccess: (samples) => {
            for (const { variant, figures } of samples) {
              const key = `${server.name} ${variant}`
              const row = rows.get(key) ?? { server: server.name, role: server.role, variant, rounds: [] }
              row.rounds.push(figures)
              rows.set(key, row)
            }
          }
        })
      )
    }
  }
  return {
    name: workload.name,
    title: workload.title,
    method: workload.method(scale),
    figures: workload.figures,
    rows: [...rows.values()],
    problems: [...problems.values()]
  } satisfies WorkloadResult
})

const measureOnce = (
  workload: Workload,
  server: Server
): Effect.Effect<Effect.Success<ReturnType<Workload["measure"]>>, BenchProblem, Lab | Plan> =>
  Effect.scoped(workload.measure(server))
