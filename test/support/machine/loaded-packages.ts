/** Loaded into the server before its own code: says of each package in which thread it is loaded, once. */
import { writeSync } from "node:fs"
import { registerHooks } from "node:module"
import { threadId } from "node:worker_threads"

const said = new Set<string>()

registerHooks({
  load: (url, context, next) => {
    const name = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(url)?.[1]
    if (name !== undefined && !said.has(name)) {
      said.add(name)
      writeSync(2, `thread ${threadId} loads ${name}\n`)
    }
    return next(url, context)
  }
})
