/** The thread that searches the store: a search of days may take seconds, which no other thread is to wait for. */
import { parentPort, workerData } from "node:worker_threads"
import { messageOf } from "../../runtime/error-text.ts"
import { lowerPriority } from "./low-priority.ts"
import type { FromSearchThread, SearchThreadData, ToSearchThread } from "./search.ts"
import { searchStore } from "./store-search.ts"

const { folder, key } = workerData as SearchThreadData

const answerTo = ({ id, filter }: ToSearchThread): FromSearchThread => {
  try {
    return { id, result: searchStore(folder, filter, key) }
  } catch (cause) {
    return { id, error: messageOf(cause) }
  }
}

lowerPriority()

parentPort?.on("message", (message: ToSearchThread) => parentPort?.postMessage(answerTo(message)))
