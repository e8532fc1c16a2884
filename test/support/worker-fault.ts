/**
 * Loaded into the server before its own code (`NODE_OPTIONS=--import`): does to worker threads what a test asks for.
 *
 * A fault is a file in the directory `STRAND_TEST_FAULTS`, named for the worker, with the fault's kind in it. It is taken
 * away before the fault happens, and nothing else of the thread runs in between.
 */
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { isMainThread, workerData } from "node:worker_threads"

export type Fault = "throw" | "exit" | "loop" | "wait"

const commit = (fault: string): void => {
  switch (fault) {
    case "throw":
      throw new Error("a fault that a test asked for")
    case "exit":
      process.exit(7)
      break
    case "loop":
      for (;;);
    case "wait":
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
}

const directory = process.env["STRAND_TEST_FAULTS"]
if (!isMainThread && directory !== undefined) {
  const file = join(directory, `worker-${workerData?.number}`)
  const look = (): void => {
    let fault: string
    try {
      fault = readFileSync(file, "utf8")
    } catch {
      return
    }
    if (fault === "") return
    rmSync(file)
    commit(fault)
  }
  setInterval(look, 20).unref()
}
