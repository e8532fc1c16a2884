/** What a server has used so far: all its processes and threads, as Linux counts it. */
import { readdirSync, readFileSync } from "node:fs"

/** What `read` gives; undefined where the process or thread has just ended. */
const ifAlive = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

const threadsOf = (pid: number): ReadonlyArray<string> => ifAlive(() => readdirSync(`/proc/${pid}/task`)) ?? []

const numbersIn = (path: string): ReadonlyArray<number> =>
  (ifAlive(() => readFileSync(path, "latin1")) ?? "").split(/\s+/).filter(Boolean).map(Number)

/** A process and all its descendants. */
const treeOf = (pid: number): ReadonlyArray<number> => [
  pid,
  ...threadsOf(pid).flatMap((thread) => numbersIn(`/proc/${pid}/task/${thread}/children`).flatMap(treeOf))
]

/** CPU time used so far, in nanoseconds of the scheduler's count, by `process/thread`. */
export type CpuTimes = ReadonlyMap<string, number>

export const cpuTimes = (pid: number): CpuTimes => {
  const times = new Map<string, number>()
  for (const process of treeOf(pid)) {
    for (const thread of threadsOf(process)) {
      times.set(`${process}/${thread}`, numbersIn(`/proc/${process}/task/${thread}/schedstat`)[0] ?? 0)
    }
  }
  return times
}

/** Microseconds used between two readings; NaN where a thread has ended, for it took its count along. */
export const cpuMicrosecondsBetween = (before: CpuTimes, after: CpuTimes): number => {
  let nanoseconds = 0
  for (const [thread, used] of after) nanoseconds += used - (before.get(thread) ?? 0)
  for (const thread of before.keys()) if (!after.has(thread)) return Number.NaN
  return nanoseconds / 1000
}

/** Octets of memory in use (RSS). What processes share is counted for each. */
export const residentOctets = (pid: number): number => {
  let kibibytes = 0
  for (const process of treeOf(pid)) {
    const status = ifAlive(() => readFileSync(`/proc/${process}/status`, "latin1")) ?? ""
    kibibytes += Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0)
  }
  return kibibytes * 1024
}
