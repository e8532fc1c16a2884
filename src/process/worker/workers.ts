/**
 * The worker threads there are: started, replaced, and made more or fewer while the server runs.
 *
 * Queries are lost in none of that: what waits in the sockets of a worker that is not there yet, or not any more, is
 * answered by another.
 */
import { Deferred, Effect, Schema, Scope } from "effect"
import type { ListeningSockets } from "./listening-sockets.ts"
import { StandIns } from "./stand-ins.ts"
import { type SlotOptions, WorkerSlot } from "./worker-slot.ts"

/** A thread that does not become ready within so long is not waited for any more. */
const START_MS = 5_000
const START_LOOK_MS = 20
/** What waits in the sockets of a worker that is to end is read within so long. */
const LAST_READS_MS = 100

/** The worker threads could not be started. */
export class WorkersFailed extends Schema.TaggedError<WorkersFailed>()("WorkersFailed", { message: Schema.String }) {}

export interface WorkersOptions {
  readonly sockets: ListeningSockets | undefined
  /** Milliseconds that queries in flight have when a worker is to end. */
  readonly shutdownMs: () => number
  /** What a slot is told, and tells, beside what concerns the others. */
  readonly optionsOf: (slot: () => WorkerSlot) => Pick<
    SlotOptions,
    "data" | "onAcknowledged" | "onLog" | "onTold" | "closeDescriptor" | "heartbeats"
  > & {
    readonly onEnd: Effect.Effect<void>
    readonly onReady: Effect.Effect<void>
  }
}

export class Workers {
  readonly slots: Array<WorkerSlot> = []
  private readonly options: WorkersOptions
  private readonly lives: Scope.Scope
  private readonly standIns: StandIns

  private constructor(options: WorkersOptions, lives: Scope.Scope) {
    this.options = options
    this.lives = lives
    this.standIns = new StandIns({
      slots: () => this.slots,
      duplicate: (worker) => options.sockets?.ownDuplicatesFor(worker) ?? Effect.succeed([])
    })
  }

  /** None at first. They end with the scope, after the queries in flight. */
  static make(options: WorkersOptions): Effect.Effect<Workers, never, Scope.Scope> {
    return Effect.gen(function* () {
      const lives = yield* Effect.acquireRelease(Scope.make(), Scope.close)
      const workers = new Workers(options, lives)
      // Registered behind the scope of their lives, so that it runs first: they are told to stop before they would be
      // interrupted.
      yield* Effect.addFinalizer(() => workers.stop(workers.slots))
      return workers
    })
  }

  /** Starts workers until there are so many; over when they are ready. */
  startUpTo(count: number): Effect.Effect<void, WorkersFailed> {
    return Effect.suspend(() =>
      Effect.forEach(
        this.begin(count),
        (slot) =>
          Effect.andThen(
            Effect.forkIn(slot.live, this.lives),
            Effect.mapError(Deferred.await(slot.started), ({ message }) => new WorkersFailed({ message }))
          ),
        { concurrency: "unbounded", discard: true }
      )
    )
  }

  /** The same while the server runs: one that does not start at once goes on trying, and others answer in its place. */
  growTo(count: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (count <= this.slots.length) return Effect.void
      return this.startUpTo(count).pipe(
        Effect.timeout(START_MS),
        Effect.catch(({ message }) => Effect.logError(`not all workers have started: ${message}`)),
        Effect.andThen(Effect.sync(() => this.options.sockets?.shareAmongAll()))
      )
    })
  }

  /** Takes the workers beyond the first `count` out: they are told of no more changes, and are to be ended. */
  takeFrom(count: number): ReadonlyArray<WorkerSlot> {
    return this.slots.splice(count)
  }

  /** They stay after all. */
  putBack(slots: ReadonlyArray<WorkerSlot>): void {
    this.slots.push(...slots)
  }

  /** Ends workers that were taken out, when what waits in their sockets is read and answered. */
  end(leaving: ReadonlyArray<WorkerSlot>): Effect.Effect<void> {
    const { sockets } = this.options
    return Effect.gen({ self: this }, function* () {
      if (leaving.length === 0) return
      if (sockets?.shareAmongFirst(this.slots.length) === true) yield* Effect.sleep(LAST_READS_MS)
      yield* this.stop(leaving)
      sockets?.shrink(this.slots.length)
    })
  }

  /** Waits for threads that are starting, but not for long. */
  readonly settled: Effect.Effect<void> = Effect.suspend(() =>
    this.slots.some(({ state }) => state === "starting") ? Effect.delay(this.settled, START_LOOK_MS) : Effect.void
  ).pipe(Effect.timeoutOption(START_MS), Effect.asVoid)

  private stop(slots: ReadonlyArray<WorkerSlot>): Effect.Effect<void> {
    return Effect.forEach(slots, (slot) => slot.stop(this.options.shutdownMs()), {
      concurrency: "unbounded",
      discard: true
    })
  }

  private begin(count: number): ReadonlyArray<WorkerSlot> {
    const begun: Array<WorkerSlot> = []
    while (this.slots.length < count) {
      const slot = this.makeSlot(this.slots.length + 1)
      this.slots.push(slot)
      begun.push(slot)
    }
    return begun
  }

  private makeSlot(number: number): WorkerSlot {
    const { standIns } = this
    const { onEnd, onReady, ...others } = this.options.optionsOf(() => slot)
    const slot: WorkerSlot = new WorkerSlot({
      ...others,
      number,
      onEnd: () =>
        Effect.andThen(onEnd, () => (this.slots.includes(slot) ? standIns.leave(number) : standIns.forget(number))),
      onReady: () => Effect.andThen(onReady, standIns.return(number)),
      onSuspicion: (isSuspect) => (isSuspect ? standIns.leave(number) : standIns.return(number))
    })
    return slot
  }
}
