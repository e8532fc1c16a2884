/**
 * Two-phase commit: makes a change in all worker threads, or in none.
 *
 * Every thread that is ready is asked to prepare; when all have, they are told to commit. A thread that starts before a
 * change and is ready after it, or that replaces one which died in between, is brought up to date.
 */
import { Effect, Semaphore } from "effect"
import { ChangeRefused } from "../config/live-configuration.ts"
import { Acknowledgements } from "./acknowledgements.ts"
import type { Acknowledgement, Change } from "./worker/protocol.ts"
import type { WorkerSlot } from "./worker/worker-slot.ts"

/** Identifies a thread: the one that replaces it is another. */
interface ThreadId {
  readonly slot: WorkerSlot
  readonly replacements: number
}

export class TwoPhaseCommit {
  private readonly acknowledgements = new Acknowledgements()
  private readonly alone = Semaphore.makeUnsafe(1)
  private readonly slots: () => ReadonlyArray<WorkerSlot>
  private readonly currentState: (slot: WorkerSlot) => ReadonlyArray<Change> | undefined
  private lastId = 0
  /** Counts the changes that were committed. */
  private committed = 0

  /**
   * @param currentState the changes that a thread has missed; undefined where it has to be replaced by another, which
   *   begins with the present state
   */
  constructor(
    slots: () => ReadonlyArray<WorkerSlot>,
    currentState: (slot: WorkerSlot) => ReadonlyArray<Change> | undefined
  ) {
    this.slots = slots
    this.currentState = currentState
  }

  /** The changes that a thread born now is born with, as a number: for `catchUp`, when it is ready. */
  get generation(): number {
    return this.committed
  }

  /** Tells a thread that has become ready what has changed since it was born. */
  catchUp(slot: WorkerSlot, bornWith: number): Effect.Effect<void> {
    return bornWith === this.committed ? Effect.void : this.bringUpToDate(slot)
  }

  receive(worker: number, message: Acknowledgement): void {
    this.acknowledgements.receive(worker, message)
  }

  workerEnded(worker: number): void {
    this.acknowledgements.workerEnded(worker)
  }

  /** Runs `effect` while no other change is under way. */
  exclusively<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return this.alone.withPermits(1)(effect)
  }

  /**
   * Makes the change in all threads, or in none.
   *
   * @param changeFor what each thread is asked to prepare; where it fails nothing changes
   * @param own the supervisor's own part, done when all threads have agreed
   * @param withinMs how long a thread may take to prepare
   */
  apply<A>(
    changeFor: (slot: WorkerSlot) => Effect.Effect<Change, ChangeRefused>,
    own: Effect.Effect<A>,
    withinMs?: number
  ): Effect.Effect<A, ChangeRefused> {
    return Effect.gen({ self: this }, function* () {
      const asked = this.ready().map((slot): ThreadId => ({ slot, replacements: slot.replacements }))
      const numbers = asked.map(({ slot }) => slot.number)
      const id = ++this.lastId
      const prepared = this.acknowledgements.expect(id, "prepared", numbers, withinMs)
      const agreed = Effect.gen(function* () {
        for (const { slot } of asked) yield* slot.prepare(id, yield* changeFor(slot))
        const refusal = yield* prepared
        if (refusal !== undefined) return yield* new ChangeRefused({ message: refusal })
      })
      // Refused, interrupted, or a fault of this program: what was prepared is given up everywhere.
      const abandon = Effect.forEach(asked, ({ slot }) => slot.send({ kind: "abandon", id }), { discard: true })
      return yield* Effect.uninterruptibleMask((restore) =>
        Effect.onError(Effect.andThen(restore(agreed), own), () => abandon).pipe(
          Effect.tap(() => this.commit(id, asked, numbers))
        )
      )
    })
  }

  /** A thread that dies now is started again with the change. */
  private commit(id: number, asked: ReadonlyArray<ThreadId>, numbers: ReadonlyArray<number>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      this.committed++
      const committed = this.acknowledgements.expect(id, "committed", numbers)
      for (const slot of this.ready()) {
        const hasPrepared = asked.some((thread) => thread.slot === slot && thread.replacements === slot.replacements)
        yield* hasPrepared ? slot.send({ kind: "commit", id }) : this.bringUpToDate(slot)
      }
      yield* committed
    })
  }

  private ready(): ReadonlyArray<WorkerSlot> {
    return this.slots().filter(({ state }) => state === "ready")
  }

  private bringUpToDate(slot: WorkerSlot): Effect.Effect<void> {
    const missed = this.currentState(slot)
    if (missed === undefined) return slot.replace("it began with a configuration that has been replaced")
    return Effect.forEach(
      missed,
      (change) => {
        const id = ++this.lastId
        return Effect.andThen(slot.prepare(id, change), slot.send({ kind: "commit", id }))
      },
      { discard: true }
    )
  }
}
