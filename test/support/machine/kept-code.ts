/** Loaded into a program before its own code: says of each file that it loads whether V8 took kept code of it. */
import { writeSync } from "node:fs"
import { basename } from "node:path"
import vm from "node:vm"

vm.Script = class extends vm.Script {
  constructor(source: string, options: vm.ScriptOptions) {
    super(source, options)
    const isTaken = options.cachedData !== undefined && this.cachedDataRejected === false
    writeSync(2, `${basename(options.filename!)} is ${isTaken ? "taken" : "compiled"}\n`)
  }
}
