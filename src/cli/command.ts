/** What the command line offers: run, check, help, version. */

import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { Console, Effect } from "effect"
import { type Loaded, load, shown } from "../config/configuration.ts"
import { fileKey, settingInfo, settingNames, variableName } from "../config/schema/settings.ts"
import { messageOf } from "../runtime/error-text.ts"

export type Command =
  | { readonly kind: "run"; readonly file: string | undefined }
  | { readonly kind: "check"; readonly file: string | undefined }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "mistake"; readonly message: string }

export const readCommand = (args: ReadonlyArray<string>): Command => {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: "string", short: "c" },
        check: { type: "boolean" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean", short: "v" }
      }
    })
    if (values.help === true) return { kind: "help" }
    if (values.version === true) return { kind: "version" }
    if (values.config === "") return { kind: "mistake", message: "--config needs the name of a file" }
    const [word, ...rest] = positionals
    if (rest.length > 0 || (word !== undefined && word !== "check")) {
      return { kind: "mistake", message: `unknown command: ${positionals.join(" ")}` }
    }
    return { kind: word === "check" || values.check === true ? "check" : "run", file: values.config }
  } catch (cause) {
    // What Node adds is about arguments that begin with a dash: there are none here.
    return {
      kind: "mistake",
      message: messageOf(cause)
        .replace(/\.?\s+To specify .*$/s, "")
        .replace(/\s*\n\s*/g, " ")
    }
  }
}

export const version: string = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version

export const help = (): string => {
  const lines = settingNames.map((name) => {
    const standard = settingInfo[name].default
    return `  ${variableName(name)}\n      ${settingInfo[name].meaning}${standard === undefined || standard === "" ? "" : ` (default: ${standard})`}`
  })
  return `strand ${version}: a caching, forwarding DNS server

Usage: strand [--config FILE]        run the server
       strand check [--config FILE]  validate the configuration and print it
       strand --help | --version

Settings come from the file (YAML, keys in lower case without DNS_SERVER_), and from the environment, which wins:

${lines.join("\n")}`
}

/** Prints the effective configuration, each value with its source. */
export const check = Effect.fnUntraced(function* (file: string | undefined) {
  const { given, warnings }: Loaded = yield* load(file)
  for (const name of settingNames) {
    const { value, place } = given.get(name)!
    yield* Console.log(`${fileKey(name)}: ${shown(name, value) || "(none)"}  # ${place}`)
  }
  for (const warning of warnings) yield* Console.error(`warning: ${warning}`)
})
