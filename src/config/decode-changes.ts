/**
 * Settings of what was written, where those before are known: only what differs is decoded, and long lists in slices, so
 * that a thread that decodes a hundred thousand of them goes on answering queries.
 */
import { isDeepStrictEqual } from "node:util"
import { type Effect, Schema } from "effect"
import { inSlices } from "../runtime/slices.ts"
import { type SettingName, Settings, settingNames } from "./schema/settings.ts"
import type { Written } from "./snapshot.ts"

/** Values of a list that are decoded at once, in about a millisecond. */
const SLICE = 50

/** A configuration as it was written and as it is. */
export interface Known {
  readonly written: Written
  readonly settings: Settings
}

/** What is not decoded anew is the same value as before. */
export const decodeChanges = (known: Known, written: Written): Effect.Effect<Settings> =>
  inSlices(function* () {
    const next: Record<string, unknown> = {}
    for (const name of settingNames) {
      next[name] = isDeepStrictEqual(known.written[name], written[name])
        ? known.settings[name]
        : yield* decodeOne(name, written[name])
    }
    return next as Settings
  })

function* decodeOne(name: SettingName, value: Written[SettingName]): Generator<void, unknown> {
  const decode = Schema.decodeUnknownSync(Settings.fields[name] as Schema.Codec<unknown, unknown>)
  if (!Array.isArray(value) || value.length <= SLICE) return decode(value)
  const decoded: Array<unknown> = []
  for (let at = 0; at < value.length; at += SLICE) {
    decoded.push(...(decode(value.slice(at, at + SLICE)) as ReadonlyArray<unknown>))
    yield
  }
  return decoded
}
