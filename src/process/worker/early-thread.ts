/**
 * The first worker's thread, begun before it is known what it shall do: it loads its program while this thread loads its
 * own and reads the configuration. Told what to do, it is a worker like any other.
 */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads"
import { programAt } from "../../runtime/entry-points.ts"

const WORKER = programAt("process/worker/worker")

/** What such a thread is born with. */
export interface EarlyData {
  /** What it is to do comes from here, once. */
  readonly orders: MessagePort
}

let early: { readonly thread: Worker; readonly orders: MessagePort } | undefined

const forget = (): void => {
  early = undefined
}

/** Begins it. The process does not wait for it where it is not wanted after all. */
export const beginEarlyThread = (): void => {
  const { port1, port2 } = new MessageChannel()
  const workerData: EarlyData = { orders: port2 }
  const thread = new Worker(WORKER, { workerData, transferList: [port2], name: "worker 1" })
  // Where it cannot load, the next one will say so.
  thread.on("error", forget)
  thread.on("exit", forget)
  thread.unref()
  early = { thread, orders: port1 }
}

/** A thread with these orders: the early one, once, where there is one. */
export const beginThread = (workerData: object, name: string): Worker => {
  if (early === undefined) return new Worker(WORKER, { workerData, name })
  const { thread, orders } = early
  forget()
  thread.off("error", forget)
  thread.off("exit", forget)
  thread.ref()
  orders.postMessage(workerData)
  orders.close()
  return thread
}
