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

/** Items that are sorted or merged at once. */
const SORT_SLICE = 500

/** Sorts in slices: runs are sorted, then merged two by two. Equal items keep their order. */
export function* sortInSlices<A>(
  items: ReadonlyArray<A>,
  compare: (a: A, b: A) => number
): Generator<void, ReadonlyArray<A>> {
  let runs: Array<ReadonlyArray<A>> = []
  for (let at = 0; at < items.length; at += SORT_SLICE) {
    runs.push(items.slice(at, at + SORT_SLICE).sort(compare))
    yield
  }
  while (runs.length > 1) {
    const merged: Array<ReadonlyArray<A>> = []
    for (let i = 0; i < runs.length; i += 2) merged.push(yield* merge(runs[i]!, runs[i + 1] ?? [], compare))
    runs = merged
  }
  return runs[0] ?? []
}

function* merge<A>(
  left: ReadonlyArray<A>,
  right: ReadonlyArray<A>,
  compare: (a: A, b: A) => number
): Generator<void, ReadonlyArray<A>> {
  const merged: Array<A> = []
  let i = 0
  let j = 0
  while (i < left.length || j < right.length) {
    const isLeft = j === right.length || (i < left.length && compare(left[i]!, right[j]!) <= 0)
    merged.push(isLeft ? left[i++]! : right[j++]!)
    if (merged.length % SORT_SLICE === 0) yield
  }
  return merged
}
