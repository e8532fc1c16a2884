/** What the command line offers: run, check, what describes the configuration, help, version. */

import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { Console, Effect } from "effect"
import { meaning } from "../config/codec/nearest.ts"
import { type Loaded, load, shown } from "../config/configuration.ts"
import { fileKey, settingInfo, settingNames, variableName } from "../config/schema/settings.ts"
import { messageOf } from "../runtime/error-text.ts"

export type Command =
  | { readonly kind: "run"; readonly file: string | undefined }
  | { readonly kind: "check"; readonly file: string | undefined }
  | { readonly kind: "describe"; readonly what: Description }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "mistake"; readonly message: string }

/** What `strand config` prints. */
const DESCRIPTIONS = ["example", "schema"] as const
type Description = (typeof DESCRIPTIONS)[number]

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
    if (word === "config") return readDescription(rest)
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

const readDescription = (words: ReadonlyArray<string>): Command => {
  const what = DESCRIPTIONS.find((word) => word === words[0])
  if (what !== undefined && words.length === 1) return { kind: "describe", what }
  const said = words.length === 0 ? "" : `, not ${words.join(" ")}${meaning(words[0]!, DESCRIPTIONS)}`
  return { kind: "mistake", message: `config needs one word behind it: ${DESCRIPTIONS.join(" or ")}${said}` }
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
       strand config example         print a file of all settings, with their meanings, limits and defaults
       strand config schema          print the JSON Schema of the file, for editors
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

/** Loaded by those who ask for it: a server describes nothing. */
export const describe = (what: Description): Effect.Effect<void> =>
  what === "example"
    ? Effect.flatMap(
        Effect.promise(() => import("../config/describe/example.ts")),
        ({ example }) => Console.log(example())
      )
    : Effect.flatMap(
        Effect.promise(() => import("../config/describe/json-schema.ts")),
        ({ jsonSchema }) => Console.log(JSON.stringify(jsonSchema(), null, 2))
      )
