/**
 * Tells a worker that hangs from one that gets no processor.
 *
 * A worker whose pulse stands still is stuck when it had its chance: it used the processor all the while (a loop without
 * end), or waited for nothing that a processor could give it (a call that does not return). One that stood in line for
 * a processor most of the time is starved, and is left alone.
 */
import { readFileSync } from "node:fs"

/** A pulse may stand still for so long. */
export const PATIENCE_MS = 3_000
/** Where nothing is known of the thread's share of the processor. */
const BLIND_PATIENCE_MS = 10_000
/** A thread that stood in line for this share of the time is starved. */
const STARVED = 0.5

export interface Look {
  readonly atMs: number
  readonly pulse: number
  /** Milliseconds for which the thread was ready to run and did not, since it began; undefined where not known. */
  readonly lineMs: number | undefined
}

/** What the kernel says of a thread: /proc/[pid]/task/[tid]/schedstat, in nanoseconds (proc(5)). */
export const lineMsOf = (task: number): number | undefined => {
  if (task === 0) return undefined
  try {
    const line = readFileSync(`/proc/self/task/${task}/schedstat`, "utf8").split(" ")[1]
    return line === undefined ? undefined : Number(line) / 1e6
  } catch {
    return undefined
  }
}

/**
 * Whether a thread is stuck.
 *
 * @param since the look at which its pulse was last seen to move, or at which it was last found starved
 * @param own for how long the watcher itself was kept from looking: time in which it knows nothing of anybody
 */
export const isStuck = (since: Look, now: Look, ownMs: number): boolean => {
  if (now.pulse !== since.pulse) return false
  const elapsedMs = now.atMs - since.atMs - ownMs
  if (since.lineMs === undefined || now.lineMs === undefined) return elapsedMs >= BLIND_PATIENCE_MS
  return elapsedMs >= PATIENCE_MS && now.lineMs - since.lineMs < elapsedMs * STARVED
}
