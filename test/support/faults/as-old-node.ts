/** Loaded before a program: it takes this Node for another one, and what that could not load ends it. */
import { registerHooks } from "node:module"
import vm from "node:vm"

const version = process.env["STRAND_TEST_NODE_VERSION"]!
Object.defineProperty(process, "versions", { value: { ...process.versions, node: version } })

/** What is read before the version is known. */
const readable = /^node:|^file:.*\/dist\/(main|cli\/demo\/main|runtime\/[^/]+)\.js$/

registerHooks({
  resolve: (specifier, context, next) => {
    const resolved = next(specifier, context)
    if (!readable.test(resolved.url)) throw new SyntaxError(`an old Node cannot load ${resolved.url}`)
    return resolved
  }
})

Object.assign(vm, {
  Script: function Script(_source: string, { filename }: vm.ScriptOptions) {
    throw new SyntaxError(`an old Node cannot load ${filename}`)
  }
})
