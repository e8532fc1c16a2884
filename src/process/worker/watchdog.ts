/**
 * Tells a worker that hangs from one that gets no processor.
 *
 * A worker whose pulse stands still is stuck when it had its chance: time in which it ran (a loop without end) or waited
 * for nothing that a processor could give it (a call that does not return). Time in which it stood in line for a
 * processor is not held against it: a starved thread is left alone.
 */
import { readSystemFile } from "../../io/linux/system-file.ts"

/** A pulse may stand still for so long, the time in line not counted. */
export const PATIENCE_MS = 3_000
/** After so long another worker reads its sockets. */
export const SUSPICION_MS = 500
/** Where nothing is known of the time in line. */
export const BLIND_PATIENCE_MS = 10_000

export interface Look {
  readonly atMs: number
  readonly heartbeat: number
  /** Milliseconds for which the thread was ready to run and did not, since it began; undefined where not known. */
  readonly lineMs: number | undefined
}

/** What the kernel says of a thread: /proc/[pid]/task/[tid]/schedstat, in nanoseconds (proc(5)). */
export const lineMsOf = (task: number): number | undefined => {
  if (task === 0) return undefined
  const line = readSystemFile(`/proc/self/task/${task}/schedstat`)?.split(" ")[1]
  return line === undefined ? undefined : Number(line) / 1e6
}

/**
 * Whether a thread is stuck.
 *
 * @param since the look at which its pulse was last seen to move
 * @param ownMs for how long the watcher itself was kept from looking: time in which it knows nothing of anybody
 */
export const isStuck = (since: Look, now: Look, ownMs: number): boolean => {
  const isBlind = since.lineMs === undefined || now.lineMs === undefined
  return stillMs(since, now, ownMs) >= (isBlind ? BLIND_PATIENCE_MS : PATIENCE_MS)
}

/** Whether the thread may be stuck: where it is not, nothing is lost by treating it so. */
export const isSuspect = (since: Look, now: Look, ownMs: number): boolean => stillMs(since, now, ownMs) >= SUSPICION_MS

/** For how long a pulse has stood still, the time in line not counted where it is known. */
const stillMs = (since: Look, now: Look, ownMs: number): number => {
  if (now.heartbeat !== since.heartbeat) return 0
  const inLineMs = since.lineMs === undefined || now.lineMs === undefined ? 0 : now.lineMs - since.lineMs
  return now.atMs - since.atMs - ownMs - inLineMs
}
