/**
 * The query log, as the supervisor has it: the thread that writes it, started when something is to be written and ended
 * when nothing is, and searches in its store.
 */
import { randomBytes } from "node:crypto"
import { Worker } from "node:worker_threads"
import { Context, Effect, Layer, Queue, type Scope } from "effect"
import { Configuration } from "../../config/configuration.ts"
import { programAt } from "../../runtime/entry-points.ts"
import { messageOf } from "../../runtime/error-text.ts"
import { type LogPlan, planOf, QUERY_LOG_SETTINGS, samePlan } from "./plan.ts"
import type { FromLogThread, LogThreadData, Ring, ToLogThread } from "./protocol.ts"
import { skipWritten } from "./ring-follower.ts"
import type { SearchFilter, SearchResult } from "./search.ts"
import { SearchFailed, SearchThread } from "./search-thread.ts"

const PROGRAM = programAt("telemetry/query-log/log-thread")
/** At the end what is in the rings is written, and readers read it, within so long. */
const STOP_MS = 5_000
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000
const LONG_LIFE_MS = 60_000
/** What one look finds of all rings, some megabytes, is young and gone soon. */
const MAX_HEAP_MIB = 256
const YOUNG_HEAP_MIB = 16

export interface QueryLogOptions {
  readonly counters: SharedArrayBuffer
  /** The row of the thread in the counters. */
  readonly row: number
  /** As many workers as there may be. */
  readonly workers: number
}

export class QueryLog extends Context.Service<
  QueryLog,
  {
    /** Has the ring of a worker read, as long as something is logged. */
    readonly follow: (worker: number, ring: SharedArrayBuffer) => void
    /** Searches the store, the newest queries first. */
    readonly search: (filter: SearchFilter) => Effect.Effect<SearchResult, SearchFailed>
  }
>()("strand/telemetry/QueryLog") {
  static readonly layerOver = (options: QueryLogOptions): Layer.Layer<QueryLog, never, Configuration> =>
    Layer.effect(QueryLog, make(options))
}

const make = (options: QueryLogOptions) =>
  Effect.gen(function* () {
    const configuration = yield* Configuration
    const runFork = Effect.runForkWith(yield* Effect.context<Scope.Scope>())
    const key = randomBytes(32)
    const positions = new SharedArrayBuffer(options.workers * Int32Array.BYTES_PER_ELEMENT)
    const rings = new Map<number, Ring>()
    /** What is wanted now; the thread is told of it in its turn. */
    let plan = planOf(configuration.current())
    let thread: LogThread | undefined
    let searching: SearchThread | undefined
    let pauseMs = FIRST_PAUSE_MS
    const changes = yield* Queue.sliding<void>(1)
    const lookAgain = (): void => void Queue.offerUnsafe(changes, undefined)

    const start = (wanted: LogPlan): LogThread => {
      const startedMs = performance.now()
      const data: LogThreadData = {
        plan: wanted,
        rings: [...rings.values()],
        positions,
        counters: options.counters,
        row: options.row,
        key
      }
      return new LogThread(data, {
        onLine: ({ level, message, fields }) =>
          void runFork(level === "info" ? Effect.logInfo(message, fields) : Effect.logError(message, fields)),
        onEnd: (why) => {
          thread = undefined
          if (performance.now() - startedMs > LONG_LIFE_MS) pauseMs = FIRST_PAUSE_MS
          void runFork(Effect.logError(`the thread of the query log has ended: ${why}`))
          setTimeout(lookAgain, pauseMs).unref()
          pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
        }
      })
    }

    const adjust = Effect.gen(function* () {
      if (plan === undefined) {
        const ending = thread
        thread = undefined
        if (ending !== undefined) yield* ending.stop
      } else if (thread === undefined) {
        thread = start(plan)
      } else {
        thread.send({ kind: "plan", plan })
      }
    })

    const change = (next: LogPlan | undefined): void => {
      if (samePlan(plan, next)) return
      // What came before is not what was asked for.
      if (plan === undefined) for (const ring of rings.values()) skipWritten(ring, positions)
      if (plan?.store?.folder !== next?.store?.folder) {
        searching?.end("the store is another one now")
        searching = undefined
      }
      plan = next
      pauseMs = FIRST_PAUSE_MS
      lookAgain()
    }

    if (plan !== undefined) thread = start(plan)
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        searching?.end("the server ends")
        return thread?.stop ?? Effect.void
      })
    )
    yield* configuration.follow(QUERY_LOG_SETTINGS, (settings) => change(planOf(settings)))
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Queue.take(changes), adjust)))

    return QueryLog.of({
      follow: (worker, memory) => {
        const ring: Ring = { worker, memory }
        rings.set(worker, ring)
        thread?.send({ kind: "ring", ring })
      },
      search: (filter) =>
        Effect.suspend(() => {
          const folder = plan?.store?.folder
          if (folder === undefined) return Effect.fail(new SearchFailed({ message: "query_log_store is not set" }))
          searching ??= new SearchThread({ folder, key })
          return searching.search(filter)
        })
    })
  })

interface Ears {
  readonly onLine: (line: FromLogThread) => void
  /** It has ended, and was not told to. */
  readonly onEnd: (why: string) => void
}

class LogThread {
  private readonly worker: Worker
  private isStopping = false
  private why = "nobody knows why"
  private readonly ended: Promise<void>

  constructor(data: LogThreadData, { onLine, onEnd }: Ears) {
    this.worker = new Worker(PROGRAM, {
      workerData: data,
      name: "query log",
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB, maxYoungGenerationSizeMb: YOUNG_HEAP_MIB }
    })
    this.worker.on("message", onLine)
    this.worker.on("error", (cause) => {
      this.why = messageOf(cause)
    })
    this.ended = new Promise((resolve) => {
      this.worker.on("exit", () => {
        resolve()
        if (!this.isStopping) onEnd(this.why)
      })
    })
  }

  send(message: ToLogThread): void {
    this.worker.postMessage(message)
  }

  /** Lets it write what is there, for a moment. */
  readonly stop: Effect.Effect<void> = Effect.suspend(() => {
    this.isStopping = true
    this.send({ kind: "stop" })
    return Effect.promise(() => this.ended).pipe(
      Effect.timeoutOption(STOP_MS),
      Effect.andThen(Effect.sync(() => void this.worker.terminate()))
    )
  })
}
