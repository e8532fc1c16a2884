/**
 * Loaded into the server before its own code (`NODE_OPTIONS=--import`): does to its threads what a test asks for.
 *
 * A fault is a file in the directory `STRAND_TEST_FAULTS`, named for the worker (0 is the main thread, other threads have
 * names), with the fault's kind in it. It is taken away before the fault happens, and nothing else of the thread runs in between. A
 * worker for which there is a file `stillborn-1` ends as soon as it begins.
 */
import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import threads, { isMainThread, workerData } from "node:worker_threads"

export type Fault = "throw" | "reject" | "exit" | "loop" | "wait"

const commit = (fault: string): void => {
  switch (fault) {
    case "throw":
      throw new Error("a fault that a test asked for")
    case "reject":
      void Promise.reject(new Error("a promise that a test asked to be rejected"))
      break
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
if (directory !== undefined) {
  const number = isMainThread ? 0 : (workerData?.number ?? threads.threadName)
  const file = join(directory, `worker-${number}`)
  if (existsSync(join(directory, `stillborn-${number}`))) throw new Error("a test asked for no such worker")
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
