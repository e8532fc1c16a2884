/** Where processors are short, answers come before the log. */
import { getPriority, setPriority } from "node:os"

/** Steps of nice(2): a thread that answers then gets ten times the share. */
const STEPS = 10
const LOWEST = 19

/**
 * Of the thread that calls it alone: what Linux calls a process there is a thread (setpriority(2)). A service manager may
 * have forbidden that call: then the log has the priority of the answers.
 */
export const lowerPriority = (): void => {
  if (process.platform !== "linux") return
  try {
    setPriority(Math.min(LOWEST, getPriority() + STEPS))
  } catch {
    // It logs all the same.
  }
}
