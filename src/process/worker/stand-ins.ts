/**
 * Stand-ins: for a worker that is away (ended, starting again, or stuck), another one is chosen to answer.
 *
 * The kernel goes on giving the sockets of a worker their share of the clients, whether they are read or not. So
 * another worker reads duplicates of them until the worker is back; where no worker is ready, queries wait in the
 * sockets.
 */
import { Effect } from "effect"
import type { SocketError } from "../../io/datagram.ts"
import type { GivenSocket } from "../../listener/inherited-sockets.ts"
import type { WorkerSlot } from "./worker-slot.ts"

export interface StandInOptions {
  readonly slots: () => ReadonlyArray<WorkerSlot>
  /** Duplicates of a worker's sockets. */
  readonly duplicate: (worker: number) => Effect.Effect<ReadonlyArray<GivenSocket>, SocketError>
}

export class StandIns {
  /** The stand-in of each worker that is away; undefined while there is none. */
  private readonly away = new Map<number, WorkerSlot | undefined>()
  private readonly options: StandInOptions

  constructor(options: StandInOptions) {
    this.options = options
  }

  /** The worker does not read its sockets any more, nor those that it reads for others. */
  leave(worker: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      for (const [absent, standIn] of this.away) if (standIn?.number === worker) this.away.set(absent, undefined)
      if (!this.away.has(worker)) this.away.set(worker, undefined)
      return this.assign()
    })
  }

  /** The worker reads its sockets again, and can read those of others. */
  return(worker: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const hasBeenAway = this.away.delete(worker)
      // A worker that hung may still stand in for this one when it goes on: it is told too.
      const told = hasBeenAway ? this.options.slots() : []
      return Effect.andThen(
        Effect.forEach(told, (slot) => slot.send({ kind: "stand-down", worker }), { discard: true }),
        this.assign()
      )
    })
  }

  /** A worker is no more: nobody answers at its sockets any longer. */
  forget(worker: number): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.away.delete(worker)
        ? Effect.forEach(this.options.slots(), (slot) => slot.send({ kind: "stand-down", worker }), { discard: true })
        : Effect.void
    )
  }

  private assign(): Effect.Effect<void> {
    const assigned: Array<Effect.Effect<void>> = []
    for (const [worker, standIn] of this.away) {
      if (standIn !== undefined) continue
      const next = this.leastBurdened()
      if (next === undefined) break
      this.away.set(worker, next)
      assigned.push(this.begin(worker, next))
    }
    return Effect.all(assigned, { discard: true })
  }

  /** Where its sockets cannot be duplicated nobody answers for the worker until another leaves or comes back. */
  private begin(worker: number, standIn: WorkerSlot): Effect.Effect<void> {
    return Effect.matchEffect(this.options.duplicate(worker), {
      onSuccess: (sockets) => standIn.standIn(worker, sockets),
      onFailure: ({ message }) => {
        if (this.away.get(worker) === standIn) this.away.set(worker, undefined)
        return Effect.logError(`nobody answers for worker ${worker}: ${message}`)
      }
    })
  }

  /** Of those that are there, the one that answers for the fewest others. */
  private leastBurdened(): WorkerSlot | undefined {
    const burdens = (slot: WorkerSlot): number => [...this.away.values()].filter((standIn) => standIn === slot).length
    const present = this.options.slots().filter(({ number, state }) => state === "ready" && !this.away.has(number))
    return present.sort((a, b) => burdens(a) - burdens(b))[0]
  }
}
