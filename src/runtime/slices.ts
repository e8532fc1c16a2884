/** Long work in slices: between two of them the event loop does what else there is to do, such as answering queries. */
import { Effect } from "effect"

/** Runs to the end what does its work in slices, each up to a `yield`. */
export const inSlices = <A>(start: () => Generator<void, A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    const work = start()
    const next: Effect.Effect<A> = Effect.suspend(() => {
      const step = work.next()
      return step.done === true ? Effect.succeed(step.value) : Effect.andThen(Effect.yieldNow, next)
    })
    return next
  })

/** The same without a pause, where nothing else is to be done meanwhile. */
export const atOnce = <A>(work: Generator<void, A>): A => {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}
