/** `strand check`: what the configuration comes to, and what a change of it would change. */
import { Console, Effect } from "effect"
import { differences, type Loaded, load, shown } from "../config/configuration.ts"
import { fileKey, settingNames } from "../config/schema/settings.ts"

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
