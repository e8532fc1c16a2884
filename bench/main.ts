/**
 * The benchmark's command line: Strand and its peers on the same work, in turn, in one run.
 *
 * Tables go to standard output, progress to standard error.
 */
import { writeFileSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { Lab } from "./lab.ts"
import { fullScale, Plan, shortScale } from "./plan.ts"
import { BenchProblem } from "./problem.ts"
import { findProgram, indispensable, missingPackages } from "./programs.ts"
import { describeMachine, formatMachine } from "./report/machine.ts"
import { summary, type WorkloadResult } from "./report/results.ts"
import { formatWorkload } from "./report/table.ts"
import { runWorkload } from "./run.ts"
import { allServers } from "./servers/all.ts"
import { buildOf } from "./servers/other-build.ts"
import type { Server } from "./servers/server.ts"
import { allWorkloads } from "./workloads/all.ts"

const namesOf = (all: ReadonlyArray<{ readonly name: string }>): string => all.map(({ name }) => name).join(",")

/** A comma-separated list of those that exist; all of them where it is not given. */
const selection = <A extends { readonly name: string }>(flag: string, all: ReadonlyArray<A>, meaning: string) =>
  Flag.String(flag).pipe(
    Flag.withDescription(`${meaning}: some of ${namesOf(all)}`),
    Flag.withDefault(namesOf(all)),
    Flag.filterMap(
      (text) => {
        const names = text.split(",").map((name) => name.trim())
        const isKnown = names.every((name) => all.some((one) => one.name === name))
        return isKnown ? Option.some(all.filter(({ name }) => names.includes(name))) : Option.none()
      },
      (text) => `${text}: expected some of ${namesOf(all)}, separated by commas`
    )
  )

const positive = (flag: string, meaning: string) =>
  Flag.Int(flag).pipe(
    Flag.withDescription(meaning),
    Flag.filter(
      (value) => value >= 1,
      (value) => `${value}: expected 1 or more`
    ),
    Flag.optional
  )

const flags = {
  workloads: selection("workloads", allWorkloads, "what is measured"),
  servers: selection("servers", allServers, "who is measured"),
  against: Flag.String("against").pipe(
    Flag.withDescription("another commit of Strand, which is built and asked in turn with this one"),
    Flag.optional
  ),
  full: Flag.Boolean("full").pipe(
    Flag.withDescription("the whole, in an hour and a half; else the short form, in a few minutes"),
    Flag.withDefault(false)
  ),
  rounds: positive("rounds", "how often each server is asked"),
  seconds: positive("seconds", "length of one measurement"),
  sustainedSeconds: positive("sustained-seconds", "length of the sustained load"),
  cachedNames: positive("cached-names", "names that are kept when memory is measured"),
  json: Flag.String("json").pipe(Flag.withDescription("a file for all figures of all rounds"), Flag.optional),
  markdown: Flag.Boolean("markdown").pipe(Flag.withDescription("print the tables as Markdown"), Flag.withDefault(false))
}

/** Those that can be started here; says what is missing, with the packages to install. */
const available = Effect.fnUntraced(function* (servers: ReadonlyArray<Server>) {
  const packages = Object.fromEntries(
    servers.flatMap(({ needs }) => (needs === undefined ? [] : [[needs.program, needs.debianPackage]]))
  )
  const missing = missingPackages({ ...indispensable, ...packages })
  if (missing.length > 0) yield* Console.error(`Missing: apt-get install ${missing.join(" ")}`)
  const vital = missingPackages(indispensable)
  if (vital.length > 0)
    return yield* new BenchProblem({ message: `nothing is measured without ${vital.join(" and ")}` })
  return servers.filter(({ needs }) => needs === undefined || findProgram(needs.program) !== undefined)
})

const writeJson = (file: string, content: unknown): void => writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`)

const bench = Command.make(
  "bench",
  flags,
  Effect.fnUntraced(function* (chosen) {
    const scale = chosen.full ? fullScale : shortScale
    const plan = Plan.of({
      ...scale,
      rounds: Option.getOrElse(chosen.rounds, () => scale.rounds),
      seconds: Option.getOrElse(chosen.seconds, () => scale.seconds),
      sustainedSeconds: Option.getOrElse(chosen.sustainedSeconds, () => scale.sustainedSeconds),
      cachedNames: Option.getOrElse(chosen.cachedNames, () => scale.cachedNames)
    })
    const other = Option.isSome(chosen.against) ? [yield* buildOf(chosen.against.value)] : []
    const servers = [...other, ...(yield* available(chosen.servers))]
    const machine = describeMachine(servers)
    const startedAt = new Date().toISOString()
    const results: Array<WorkloadResult> = []
    yield* Console.log(`${formatMachine(machine)}\n`)
    const measured = Effect.forEach(chosen.workloads, (workload) =>
      Effect.gen(function* () {
        const result = yield* runWorkload(workload, servers)
        results.push(result)
        yield* Console.log(`${formatWorkload(result, chosen.markdown ? "markdown" : "text")}\n`)
        // After each, so that a run that is interrupted leaves what it has found.
        if (Option.isSome(chosen.json))
          writeJson(chosen.json.value, { startedAt, machine, plan, results: results.map(summary) })
      })
    )
    yield* Effect.provide(measured, Layer.mergeAll(Lab.layer, Layer.succeed(Plan, plan)))
  }, Effect.scoped)
).pipe(Command.withDescription("Measures Strand and its peers on the same work, in turn"))

Command.run(bench, { version: "1" }).pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain)
