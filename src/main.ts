#!/usr/bin/env node
/**
 * The way in: everything else is loaded once it is known that this Node can run it, and what is asked for: the server,
 * or another command.
 *
 * An older Node reads this file and what it imports by `import … from`, so that it can say what is wrong: no syntax
 * newer than Node 16 here.
 */
import "./process/start/node-version.ts"
import "./process/start/compile-cache.ts"
import "./process/signals.ts"
import { readServing, type Serving } from "./cli/serving.ts"
import { programAt } from "./runtime/entry-points.ts"

const serve = async (serving: Serving): Promise<void> => {
  const { start } = await import("./program.ts")
  start(serving)
}

const args = process.argv.slice(2)
const serving = readServing(args)

if (serving !== undefined) {
  await serve(serving)
} else {
  // A program of its own, so that none of it lies in the files of the server.
  const { href } = programAt("cli/command-line")
  const { runCommandLine } = (await import(href)) as typeof import("./cli/command-line.ts")
  runCommandLine(args, serve)
}
