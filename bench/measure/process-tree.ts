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

/** Microseconds of CPU time that the living threads have used, from the scheduler's nanoseconds. */
export const cpuMicroseconds = (pid: number): number => {
  let nanoseconds = 0
  for (const process of treeOf(pid)) {
    for (const thread of threadsOf(process)) {
      nanoseconds += numbersIn(`/proc/${process}/task/${thread}/schedstat`)[0] ?? 0
    }
  }
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
