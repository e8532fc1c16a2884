/** What one worker is asked to do for people, and what it says. */
import { Deferred, Effect, Schema } from "effect"
import type { Ask, Told } from "./worker/protocol.ts"
import type { WorkerSlot } from "./worker/worker-slot.ts"

/** Longer than the longest deadline of a query that is usual. */
const WITHIN_MS = 15_000

/** No worker did what it was asked to do: why. */
export class NotDone extends Schema.TaggedError<NotDone>()("NotDone", { message: Schema.String }) {}

export class Asks {
  private readonly waiting = new Map<number, Deferred.Deferred<Told>>()
  private lastId = 0

  /** Asks the first worker that is there. */
  ask(slots: ReadonlyArray<WorkerSlot>, ask: Ask): Effect.Effect<Told, NotDone> {
    return Effect.gen({ self: this }, function* () {
      const slot = slots.find(({ state }) => state === "ready")
      if (slot === undefined) return yield* new NotDone({ message: "no worker answers" })
      const id = ++this.lastId
      const told = yield* Deferred.make<Told>()
      this.waiting.set(id, told)
      yield* slot.send({ kind: "ask", id, ask })
      const answer = yield* Deferred.await(told).pipe(
        Effect.timeoutOrElse({
          duration: WITHIN_MS,
          orElse: () => Effect.fail(new NotDone({ message: `worker ${slot.number} did not answer in time` }))
        }),
        Effect.ensuring(Effect.sync(() => this.waiting.delete(id)))
      )
      if (answer.kind === "unable") return yield* new NotDone({ message: "the worker cannot do that now" })
      return answer
    })
  }

  receive(id: number, told: Told): void {
    const waiting = this.waiting.get(id)
    if (waiting !== undefined) Deferred.doneUnsafe(waiting, Effect.succeed(told))
  }
}
