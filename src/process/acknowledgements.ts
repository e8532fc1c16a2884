/** The acknowledgements that a change waits for before it goes on. */
import { Deferred, Effect } from "effect"
import type { Acknowledgement } from "./worker/protocol.ts"

/** A thread that does not answer for so long has refused. */
const ACKNOWLEDGE_MS = 2_000

interface Expected {
  readonly id: number
  readonly kind: Acknowledgement["kind"]
  readonly missing: Set<number>
  refusal: string | undefined
  readonly answered: Deferred.Deferred<string | undefined>
}

/** One change is waited for at a time: what answers another one is too late to matter. */
export class Acknowledgements {
  private expected: Expected | undefined

  /**
   * To be called before the workers are asked; the effect waits for their answers.
   *
   * @returns why a worker refused, ended, or that it did not answer in time; undefined where all agree
   */
  expect(
    id: number,
    kind: Acknowledgement["kind"],
    workers: ReadonlyArray<number>,
    withinMs: number = ACKNOWLEDGE_MS
  ): Effect.Effect<string | undefined> {
    const expected: Expected = {
      id,
      kind,
      missing: new Set(workers),
      refusal: undefined,
      answered: Deferred.makeUnsafe()
    }
    this.expected = expected
    this.conclude(expected)
    return Deferred.await(expected.answered).pipe(
      Effect.timeoutOrElse({
        duration: withinMs,
        orElse: () => Effect.succeed(`worker ${[...expected.missing].join(", ")} did not answer in time`)
      })
    )
  }

  receive(worker: number, message: Acknowledgement): void {
    if (this.expected?.id !== message.id || this.expected.kind !== message.kind) return
    this.answer(this.expected, worker, message.kind === "prepared" ? message.refusal : undefined)
  }

  /** The worker's thread has ended: it answers nothing more. */
  workerEnded(worker: number): void {
    if (this.expected !== undefined) this.answer(this.expected, worker, `worker ${worker} ended`)
  }

  private answer(expected: Expected, worker: number, refusal: string | undefined): void {
    if (!expected.missing.delete(worker)) return
    expected.refusal ??= refusal
    this.conclude(expected)
  }

  private conclude(expected: Expected): void {
    const isRefused = expected.kind === "prepared" && expected.refusal !== undefined
    if (expected.missing.size === 0 || isRefused)
      Deferred.doneUnsafe(expected.answered, Effect.succeed(expected.refusal))
  }
}
