/**
 * A fiber for every packet: started at once, supervised while it waits.
 *
 * A packet that is answered from the cache is over when its fiber's first step returns; only what waits enters the set.
 * At shutdown the set gets time to empty (`drain`); what is left when it closes is interrupted.
 */
import { Context, Effect, type Fiber, Layer, Scheduler } from "effect"
import { Configuration } from "../config/configuration.ts"
import type { Packet } from "../query/packet.ts"
import { Pipeline } from "../query/pipeline.ts"
import { FiberList } from "../runtime/fiber-list.ts"
import { Gauges } from "../telemetry/gauges.ts"

export class QueryFibers extends Context.Service<
  QueryFibers,
  {
    /** What the fibers of this packet object run, for whatever message it holds when they start. */
    readonly handling: (packet: Packet) => Effect.Effect<unknown>
    /** To be called before the fibers of a batch are started. */
    readonly beginBatch: () => void
    /** To be called when they are. */
    readonly endBatch: () => void
    /** Starts a packet's fiber. */
    readonly start: (handling: Effect.Effect<unknown>) => void
    /** The most queries that waited at once since this was asked last. */
    readonly takePeak: () => number
    /** Waits until no query is under way, or the time that shutdown may take is over. */
    readonly drain: Effect.Effect<void>
  }
>()("strand/listener/QueryFibers") {
  static readonly layer: Layer.Layer<QueryFibers, never, Pipeline | Configuration> = Layer.effect(
    QueryFibers,
    Effect.gen(function* () {
      const pipeline = yield* Pipeline
      const configuration = yield* Configuration
      const fibers = yield* FiberList.make
      const gauges = yield* Gauges
      gauges.register("queries.waiting", () => fibers.size)
      const scheduler = yield* Scheduler.Scheduler
      const context = Context.add(yield* Effect.context<never>(), Scheduler.Scheduler, new SharedDispatcher(scheduler))
      const runFork = Effect.runForkWith(context)
      return QueryFibers.of({
        drain: Effect.suspend(() =>
          fibers.awaitEmpty.pipe(
            Effect.timeoutOption(configuration.current().shutdownTimeoutSecs * 1000),
            Effect.asVoid
          )
        ),
        takePeak: () => fibers.takePeak(),
        handling: pipeline.handle,
        beginBatch: pipeline.beginBatch,
        endBatch: pipeline.endBatch,
        start: (handling) => {
          // What was begun is answered: only its waiting can be interrupted.
          fibers.add(runFork(handling, uninterruptible))
        }
      })
    })
  )
}

const uninterruptible = { uninterruptible: true }

/** One dispatcher for the fibers of all queries: a thousand that wake in one turn share one `setImmediate`. */
class SharedDispatcher implements Scheduler.Scheduler {
  readonly executionMode: "sync" | "async"
  private readonly scheduler: Scheduler.Scheduler
  private readonly dispatcher: Scheduler.SchedulerDispatcher

  constructor(scheduler: Scheduler.Scheduler) {
    this.scheduler = scheduler
    this.executionMode = scheduler.executionMode
    this.dispatcher = scheduler.makeDispatcher()
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return this.scheduler.shouldYield(fiber)
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return this.dispatcher
  }
}
