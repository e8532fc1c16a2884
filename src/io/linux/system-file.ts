/** Files by which Linux says what is going on: /proc and /sys. */
import { readFileSync } from "node:fs"

/** What the file says; undefined where there is none, or it may not be read. */
export const readSystemFile = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}
