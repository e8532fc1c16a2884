/**
 * Code that was compiled is kept for the next start, by this thread and by those that it starts: beside the program,
 * where only those may write who could change the program itself, or in the folder that systemd gives a service
 * (`CacheDirectory=`). Where neither can be written to, nothing is kept.
 */
import { accessSync, constants } from "node:fs"
import * as nodeModule from "node:module"
import { fileURLToPath } from "node:url"
import { packageFile } from "../../runtime/entry-points.ts"

const isWritable = (folder: string): boolean => {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

const folder = [fileURLToPath(packageFile("dist")), process.env["CACHE_DIRECTORY"]].find(
  (candidate) => candidate !== undefined && isWritable(candidate)
)

if (folder !== undefined && process.env["NODE_COMPILE_CACHE"] === undefined) {
  const cache = `${folder}/.compile-cache`
  nodeModule.enableCompileCache(cache)
  // Threads look there when they begin.
  process.env["NODE_COMPILE_CACHE"] = cache
}
