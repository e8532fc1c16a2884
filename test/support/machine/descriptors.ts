/** How many descriptors a process has open, as the kernel counts them; 0 where it does not say. */
import { readdirSync } from "node:fs"
import { Effect } from "effect"

export const descriptorsOf = (pid: number | "self"): number => {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return 0
  }
}

/** Waits until there are no more than so many: what was closed may be gone a little later. */
export const awaitDescriptors = (pid: number | "self", atMost: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (descriptorsOf(pid) > atMost) yield* Effect.sleep(20)
  })
