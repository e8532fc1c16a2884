/**
 * Tells a worker that hangs from one that gets no processor time.
 *
 * A worker whose heartbeat stands still is stuck if it could have run: time in which it ran (an endless loop), or
 * waited for something other than a processor (a call that does not return). Time in which it waited for a processor
 * does not count: a starved thread is left alone.
 */
import { readSystemFile } from "../../io/linux/system-file.ts"

/** How long a heartbeat may stand still, without the time spent waiting for a processor. */
export const PATIENCE_MS = 3_000
/** After so long another worker reads its sockets. */
export const SUSPICION_MS = 500
/** The same where the time spent waiting for a processor is not known. */
export const BLIND_PATIENCE_MS = 10_000

export interface Look {
  readonly atMs: number
  readonly heartbeat: number
  /** Milliseconds for which the thread was ready to run and did not, since it began; undefined where not known. */
  readonly cpuWaitMs: number | undefined
}

/** What the kernel says of a thread: /proc/[pid]/task/[tid]/schedstat, in nanoseconds (proc(5)). */
export const cpuWaitMsOf = (task: number): number | undefined => {
  if (task === 0) return undefined
  const line = readSystemFile(`/proc/self/task/${task}/schedstat`)?.split(" ")[1]
  return line === undefined ? undefined : Number(line) / 1e6
}

/**
 * Whether a thread is stuck.
 *
 * @param since the look at which its heartbeat was last seen to move
 * @param ownMs for how long the watchdog itself was kept from looking: of that time it knows nothing
 */
export const isStuck = (since: Look, now: Look, ownMs: number): boolean => {
  const isBlind = since.cpuWaitMs === undefined || now.cpuWaitMs === undefined
  return stillMs(since, now, ownMs) >= (isBlind ? BLIND_PATIENCE_MS : PATIENCE_MS)
}

/** Whether the thread may be stuck: where it is not, nothing is lost by treating it so. */
export const isSuspect = (since: Look, now: Look, ownMs: number): boolean => stillMs(since, now, ownMs) >= SUSPICION_MS

/** For how long a heartbeat has stood still, without the time spent waiting for a processor where that is known. */
const stillMs = (since: Look, now: Look, ownMs: number): number => {
  if (now.heartbeat !== since.heartbeat) return 0
  const waitedMs = since.cpuWaitMs === undefined || now.cpuWaitMs === undefined ? 0 : now.cpuWaitMs - since.cpuWaitMs
  return now.atMs - since.atMs - ownMs - waitedMs
}
