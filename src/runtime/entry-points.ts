/**
 * Files that are found by where they lie: programs of other threads, and what is shipped beside the code.
 *
 * This file lies one folder below `src`, and below `dist` as it is built: what is said from here holds in both.
 */
import { extname } from "node:path"

/** Whether this is what was built, and not the sources, which newer Node can read. */
export const isBuilt = extname(new URL(import.meta.url).pathname) !== ".ts"

/** @param path from `src` or `dist`, without its ending: one of the programs of `bundle.mjs` */
export const programAt = (path: string): URL => new URL(`../${path}${isBuilt ? ".js" : ".ts"}`, import.meta.url)

/** @param path from the folder of the package */
export const packageFile = (path: string): URL => new URL(`../../${path}`, import.meta.url)
