/** Which Strand this is. */
import { readFileSync } from "node:fs"
import { packageFile } from "../runtime/entry-points.ts"

export const version: string = JSON.parse(readFileSync(packageFile("package.json"), "utf8")).version
