#!/usr/bin/env node
/**
 * The way in: everything else is loaded once it is known that this Node can run it.
 *
 * An older Node reads this file and what it imports by `import … from`, so that it can say what is wrong: no syntax
 * newer than Node 16 here.
 */
import "./process/start/node-version.ts"
import "./process/start/compile-cache.ts"
import "./process/signals.ts"

await import("./program.ts")
