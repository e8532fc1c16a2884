/**
 * The thread of the query log: reads the rings of all workers some ten times a second and writes what is new.
 *
 * Workers never wait for it. What it has not read when a ring comes round is lost, and counted.
 */
import { parentPort, workerData } from "node:worker_threads"
import { Cause, Deferred, Effect, Exit, Queue, Scope } from "effect"
import { dnstapTarget } from "../../config/codec/dnstap-target.ts"
import { Counters } from "../counters.ts"
import { dnstapOutput } from "./dnstap-output.ts"
import { fileOutput } from "./file-output.ts"
import { LoggedQueries, type LoggedQuery } from "./logged-query.ts"
import { lowerPriority } from "./low-priority.ts"
import type { Output } from "./output.ts"
import { Pace } from "./pace.ts"
import { type LogPlan, samePlan } from "./plan.ts"
import type { FromLogThread, LogThreadData, ToLogThread } from "./protocol.ts"
import { Report } from "./report.ts"
import { RingFollower } from "./ring-follower.ts"

/** Between two looks. */
const LOOK_MS = 100
/** The same where a look has found many: half of a ring would be full again after the usual time. */
const BUSY_LOOK_MS = 20
const MANY = 2_000
/** Queries that are held before they are written, and those of one ring more. */
const AT_ONCE = 5_000

type OutputName = "file" | "dnstap" | "store"
const OUTPUTS = ["file", "dnstap", "store"] as const satisfies ReadonlyArray<OutputName>

interface Opened {
  readonly wanted: LogPlan[OutputName]
  readonly output: Output
  readonly scope: Scope.Closeable
}

const data = workerData as LogThreadData
const say = (line: FromLogThread): void => parentPort?.postMessage(line)

const program = Effect.gen(function* () {
  const counters = yield* Counters
  const messages = yield* Queue.unbounded<ToLogThread>()
  parentPort?.on("message", (message: ToLogThread) => Queue.offerUnsafe(messages, message))
  const rings = data.rings.map((ring) => new RingFollower(ring, data.positions))
  const outputs = new Map<OutputName, Opened>()
  let logged = queriesBy(data.plan, counters.upstreamName)
  const pace = new Pace(counters, say)
  let isChanging = false

  const write = (found: ReadonlyArray<LoggedQuery>): void => {
    for (const { output } of outputs.values()) output.write(found)
  }

  /** Reads what is new and writes it; says how much was new. */
  const look = (): number => {
    if (isChanging) return 0
    let found: Array<LoggedQuery> = []
    let read = 0
    let lost = 0
    for (const ring of rings) {
      lost += ring.read((query) => {
        read++
        const entry = logged.of(query, ring.worker)
        if (entry !== undefined) found.push(entry)
      })
      if (found.length >= AT_ONCE) {
        write(found)
        found = []
      }
    }
    pace.read(lost)
    write(found)
    return read + lost
  }

  const open = (name: OutputName, plan: LogPlan): Effect.Effect<void> =>
    Effect.gen(function* () {
      const wanted = plan[name]
      const before = outputs.get(name)
      if (before !== undefined) {
        if (samePlan(before.wanted, wanted)) return
        outputs.delete(name)
        yield* Scope.close(before.scope, Exit.void)
      }
      if (wanted === undefined) return
      const output = yield* outputOf(name, plan, counters.add)
      const scope = yield* Scope.make()
      yield* Scope.addFinalizer(scope, output.close)
      outputs.set(name, { wanted, output, scope })
    })

  /** What comes while outputs are closed and opened waits in the rings. */
  const use = (plan: LogPlan): Effect.Effect<void> =>
    Effect.gen(function* () {
      isChanging = true
      logged = queriesBy(plan, counters.upstreamName)
      yield* Effect.forEach(OUTPUTS, (name) => open(name, plan), { concurrency: "unbounded", discard: true })
      isChanging = false
    })

  const stopped = yield* Deferred.make<void>()
  const receive = (message: ToLogThread): Effect.Effect<unknown> => {
    switch (message.kind) {
      case "plan":
        look()
        return use(message.plan)
      case "ring":
        return Effect.sync(() => rings.push(new RingFollower(message.ring, data.positions)))
      case "stop":
        return Deferred.succeed(stopped, undefined)
    }
  }
  yield* use(data.plan)
  const receiving = Effect.forever(Effect.flatMap(Queue.take(messages), receive))
  const looking = Effect.forever(Effect.suspend(() => Effect.sleep(look() > MANY ? BUSY_LOOK_MS : LOOK_MS)))
  // A fault in one of them ends the thread, and another takes its place.
  yield* Effect.raceFirst(Deferred.await(stopped), Effect.raceFirst(receiving, looking))
  look()
  yield* Effect.forEach(outputs.values(), ({ scope }) => Scope.close(scope, Exit.void), {
    concurrency: "unbounded",
    discard: true
  })
})

const queriesBy = (plan: LogPlan, upstreamName: (slot: number) => string): LoggedQueries =>
  new LoggedQueries(plan, data.key, upstreamName)

const outputOf = (name: OutputName, plan: LogPlan, add: Counters["Service"]["add"]): Effect.Effect<Output> => {
  const reportOf = (what: string): Report => new Report(name, what, add, say)
  const { file, dnstap, store } = plan
  switch (name) {
    case "file":
      return Effect.sync(() => fileOutput(file!.path, file!.rotation, reportOf(`the file ${file!.path}`)))
    case "dnstap":
      return Effect.sync(() =>
        dnstapOutput(dnstap!.target, dnstap!.rotation, reportOf(`dnstap at ${dnstapTarget.write(dnstap!.target)}`))
      )
    case "store":
      // SQLite is loaded where a store is configured.
      return Effect.map(
        Effect.promise(() => import("./store-output.ts")),
        ({ storeOutput }) => storeOutput(store!.folder, store!.maxOctets, reportOf(`the store ${store!.folder}`))
      )
  }
}

lowerPriority()

Effect.runCallback(Effect.provide(program, Counters.layerOver(data.counters, data.row)), {
  onExit: (exit) => {
    if (exit._tag === "Success") process.exit(0)
    throw Cause.squash(exit.cause)
  }
})
