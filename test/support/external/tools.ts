/** Real programs that tests talk to, where the machine has them. */
import { existsSync } from "node:fs"

const directories = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"]

/** Where a program is, if it is anywhere. */
export const lookForTool = (name: string): string | undefined =>
  directories.map((directory) => `${directory}/${name}`).find((candidate) => existsSync(candidate))

/** Where a program is; in CI its absence is a failure, elsewhere a reason to skip what needs it. */
export const findTool = (name: string): string | undefined => {
  const path = lookForTool(name)
  if (path === undefined && process.env["STRAND_REQUIRE_TOOLS"] === "1") throw new Error(`${name} is not installed`)
  return path
}
