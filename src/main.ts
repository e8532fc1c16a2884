#!/usr/bin/env node
/**
 * The way in: everything else is loaded once it is known that this Node can run it, and what is asked for: the server,
 * or another command.
 *
 * An older Node reads this file and what it imports by `import … from`, so that it can say what is wrong: no syntax
 * newer than Node 16 here.
 */
import "./process/start/node-version.ts"
import "./process/signals.ts"
import { readServing, type Serving } from "./cli/serving.ts"
import { loadProgram } from "./runtime/load-program.ts"

const serve = async (serving: Serving): Promise<void> => {
  const { start } = await loadProgram<typeof import("./program.ts")>("program")
  start(serving)
}

const args = process.argv.slice(2)
const serving = readServing(args)

if (serving !== undefined) {
  await serve(serving)
} else {
  const { runCommandLine } = await loadProgram<typeof import("./cli/command-line.ts")>("cli/command-line")
  runCommandLine(args, serve)
}
