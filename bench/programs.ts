/** The programs that the benchmark runs but does not bring, and the Debian packages they are in. */
import { existsSync } from "node:fs"
import { join } from "node:path"

/** Debian keeps servers outside the PATH of people who are not root. */
const directories = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"]

/** Where a program is; undefined where the machine has none. */
export const findProgram = (name: string): string | undefined =>
  directories.map((directory) => join(directory, name)).find((path) => existsSync(path))

/** Program → package, of what no measurement can do without. */
export const indispensable: Readonly<Record<string, string>> = { dnsperf: "dnsperf", nsd: "nsd" }

/** Of the programs named, the packages of those that are missing. */
export const missingPackages = (packages: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  Object.entries(packages).flatMap(([program, name]) => (findProgram(program) === undefined ? [name] : []))
