/** The version of this server. */
import { readFileSync } from "node:fs"
import { packageFile } from "./entry-points.ts"

export const version: string = JSON.parse(readFileSync(packageFile("package.json"), "utf8")).version
