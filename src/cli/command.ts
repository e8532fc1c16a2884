/** What the command line offers: run, check, what describes the configuration, help, version. */

import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { Console, Effect } from "effect"
import { meaning } from "../config/codec/nearest.ts"
import { differences, type Loaded, load, shown } from "../config/configuration.ts"
import { fileKey, settingInfo, settingNames, variableName } from "../config/schema/settings.ts"
import { packageFile } from "../runtime/entry-points.ts"
import { messageOf } from "../runtime/error-text.ts"

export type Command =
  | { readonly kind: "run"; readonly file: string | undefined }
  | { readonly kind: "check"; readonly file: string | undefined; readonly against?: string }
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
        against: { type: "string" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean", short: "v" }
      }
    })
    if (values.help === true) return { kind: "help" }
    if (values.version === true) return { kind: "version" }
    const isCheck = positionals[0] === "check" || values.check === true
    if (values.against === "" || (values.against !== undefined && !isCheck)) {
      return { kind: "mistake", message: "--against needs the name of a file, and check before it" }
    }
    if (values.config === "") return { kind: "mistake", message: "--config needs the name of a file" }
    const [word, ...rest] = positionals
    if (word === "config") return readDescription(rest)
    if (rest.length > 0 || (word !== undefined && word !== "check")) {
      return { kind: "mistake", message: `unknown command: ${positionals.join(" ")}` }
    }
    if (!isCheck) return { kind: "run", file: values.config }
    return { kind: "check", file: values.config, ...(values.against === undefined ? {} : { against: values.against }) }
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

export const version: string = JSON.parse(readFileSync(packageFile("package.json"), "utf8")).version

export const help = (): string => {
  const lines = settingNames.map((name) => {
    const standard = settingInfo[name].default
    return `  ${variableName(name)}\n      ${settingInfo[name].meaning}${standard === undefined || standard === "" ? "" : ` (default: ${standard})`}`
  })
  return `strand ${version}: a caching, forwarding DNS server

Usage: strand [--config FILE]        run the server
       strand check [--config FILE]  validate the configuration and print it
       strand check [--config FILE] --against OLD
                                     say what would change in a server that runs by OLD, and what that touches
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

/** Prints what would change in a server that runs by another file, and what each change touches. */
export const compare = Effect.fnUntraced(function* (file: string | undefined, against: string) {
  const before = yield* load(against)
  const after = yield* load(file)
  const changed = differences(before.settings, after.settings)
  for (const { name, before: was, after: is, touches } of changed) {
    yield* Console.log(`${fileKey(name)}: ${was ?? "(none)"} -> ${is ?? "(none)"}  # touches ${touches.join(", ")}`)
  }
  if (changed.length === 0) yield* Console.log("nothing would change")
  for (const warning of after.warnings) yield* Console.error(`warning: ${warning}`)
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
