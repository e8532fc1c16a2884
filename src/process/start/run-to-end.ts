/** A process from its program's start to its end. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Console, Effect, Exit } from "effect"
import { guardStandardStreams } from "../logging/line-writer.ts"

interface Options<E> {
  /** Whether a failure has been said already. */
  readonly isSaid?: (error: E) => boolean
  /** Begun when the program has ended well. */
  readonly next?: () => void
  /** What the process ends with where a signal has interrupted the program; 0 where that is how it ends. */
  readonly interruptedStatus?: number
}

/**
 * Runs the program until it is over, or a signal interrupts it. A failure is said in its own words, a defect with its
 * stack: the process ends with 1 then, and with 0 where all went well.
 */
export const runToEnd = <E extends { readonly message: string }>(
  program: Effect.Effect<void, E>,
  { isSaid = () => false, next = () => {}, interruptedStatus = 0 }: Options<E> = {}
): void => {
  guardStandardStreams()
  const saying = Effect.tapError(program, (error) => (isSaid(error) ? Effect.void : Console.error(error.message)))
  NodeRuntime.runMain(saying, {
    disableErrorReporting: true,
    teardown: (exit, onExit) => {
      if (Exit.isSuccess(exit)) {
        onExit(0)
        next()
      } else if (Cause.hasInterruptsOnly(exit.cause)) {
        onExit(interruptedStatus)
      } else {
        if (Cause.hasDies(exit.cause)) console.error(Cause.pretty(exit.cause))
        onExit(1)
      }
    }
  })
}
