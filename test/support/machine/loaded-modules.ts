/**
 * Loaded into a program before its own code: says of each package, and of each of Strand's modules, in which thread it
 * is loaded, once. A built file names what it is made of in comments.
 */
import { writeSync } from "node:fs"
import { registerHooks } from "node:module"
import vm from "node:vm"
import { threadId } from "node:worker_threads"

const said = new Set<string>()

const say = (name: string): void => {
  if (said.has(name)) return
  said.add(name)
  const line = Buffer.from(`thread ${threadId} loads ${name}\n`)
  for (let done = 0; done < line.length; ) done += written(line.subarray(done))
}

/** The pipe does not block, and whoever reads it may have no processor for a moment. */
const written = (octets: Uint8Array): number => {
  try {
    return writeSync(2, octets)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EAGAIN") throw cause
    return 0
  }
}

const sayAll = (source: string): void => {
  for (const [, name, module] of source.matchAll(/^\/\/ (?:node_modules\/((?:@[^/]+\/)?[^/]+)\/.*|(src\/.*))$/gm)) {
    say(name ?? module!)
  }
}

registerHooks({
  load: (url, context, next) => {
    const loaded = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(url)?.[1]
    if (loaded !== undefined) say(loaded)
    return next(url, context)
  }
})

vm.Script = class extends vm.Script {
  constructor(source: string, options?: vm.ScriptOptions) {
    super(source, options)
    sayAll(source)
  }
}
