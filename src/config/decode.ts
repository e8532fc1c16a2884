/**
 * Decodes settings as they were written, each for itself, so that one mistake hides no other.
 */
import { Effect, Exit, Schema, SchemaIssue } from "effect"
import { readAuthorities } from "./authorities.ts"
import type { Mistake } from "./mistakes.ts"
import { readCertificates, readKey } from "./pem-files.ts"
import { fileKey, type SettingName, Settings, settingInfo, settingNames } from "./schema/settings.ts"
import { shownWrong } from "./shown.ts"
import type { Written } from "./snapshot.ts"
import { type Gathered, type Given, SYSTEM } from "./sources/gather.ts"
import { RESOLV_CONF } from "./sources/resolv-conf.ts"

export interface Decoded {
  readonly written: Written
  /** Of those that are right; of a list, the values that are. */
  readonly settings: Partial<Settings>
  /** Of lists with something wrong in them: for each value that is right, its index among those written. */
  readonly origins: { readonly [Name in SettingName]?: ReadonlyArray<number> }
  readonly mistakes: ReadonlyArray<Mistake>
}

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    const expected = "annotations" in issue ? issue.annotations?.["expected"] : undefined
    if (typeof expected === "string") return expected
    return issue._tag === "MissingKey" ? "at least one" : "a value"
  }
})

/** Decodes all, reading the files that settings name. */
export const decodeAll = Effect.fnUntraced(function* ({ given }: Gathered) {
  const mistakes: Array<Mistake> = []
  const settings: Record<string, unknown> = {}
  const written: Record<string, Written[SettingName]> = {}
  const origins: { [Name in SettingName]?: ReadonlyArray<number> } = {}
  for (const name of settingNames) {
    const said = given.get(name)
    if (said === undefined || said.isBroken === true) continue
    const value = yield* valueOf(name, said, mistakes)
    if (value === unreadable) continue
    written[name] = value
    const { decoded, wrong, origin } = decodeOne(name, value)
    if (origin !== undefined) origins[name] = origin
    // A default that follows another setting's is as wrong as that, which is said there.
    const isOwn = said.source !== "default" || said.place === SYSTEM
    if (isOwn) for (const { item, expected } of wrong) mistakes.push(mistakeOf(name, said, item, expected))
    if (decoded !== nothing) settings[name] = decoded
  }
  return { written: written as Written, settings: settings as Partial<Settings>, origins, mistakes } satisfies Decoded
})

const unreadable: unique symbol = Symbol("unreadable")
const nothing: unique symbol = Symbol("nothing")

/** What is decoded of what was written: the file's content where a file is named. */
const valueOf = (
  name: SettingName,
  said: Given,
  mistakes: Array<Mistake>
): Effect.Effect<Written[SettingName] | typeof unreadable> => {
  const { value } = said
  if (name === "tlsCaFile" && typeof value === "string") {
    return Effect.match(readAuthorities(value), {
      onSuccess: (authorities) => authorities,
      onFailure: (expected) => {
        mistakes.push(mistakeOf(name, said, undefined, expected))
        return unreadable
      }
    })
  }
  const readPem = pemReaders[name]
  if (readPem === undefined || value === undefined) return Effect.succeed(value)
  const isList = settingInfo[name].isList === true
  if (value === "") {
    if (isList) return Effect.succeed(value)
    mistakes.push(mistakeOf(name, said, undefined, "the path of a file in PEM"))
    return Effect.succeed(unreadable)
  }
  const files = pemFilesOf(name, readPem, said, typeof value === "string" ? [value] : value, mistakes)
  if (isList) return files
  return Effect.map(files, (found) => (found === unreadable ? found : found[0]))
}

const pemReaders: { readonly [Name in SettingName]?: typeof readCertificates } = {
  tlsCertificateFile: readCertificates,
  tlsKeyFile: readKey,
  adminTlsCertificateFile: readCertificates,
  adminTlsKeyFile: readKey
}

/** Settings that name files whose content is part of the configuration. */
export const fileSettings: ReadonlyArray<SettingName> = [
  "tlsCaFile",
  ...settingNames.filter((name) => pemReaders[name] !== undefined)
]

const pemFilesOf = Effect.fnUntraced(function* (
  name: SettingName,
  readPem: typeof readCertificates,
  said: Given,
  files: ReadonlyArray<string>,
  mistakes: Array<Mistake>
) {
  const read = yield* Effect.forEach(files, (file, item) =>
    Effect.match(readPem(file), {
      onSuccess: (found) => found,
      onFailure: (expected) => {
        mistakes.push(mistakeOf(name, said, typeof said.value === "string" ? undefined : item, expected))
        return undefined
      }
    })
  )
  const found = read.filter((file) => file !== undefined)
  return found.length === files.length ? found : unreadable
})

interface DecodedOne {
  readonly decoded: unknown
  readonly origin?: ReadonlyArray<number>
  readonly wrong: ReadonlyArray<{ readonly item: number | undefined; readonly expected: string }>
}

const decodeOne = (name: SettingName, value: Written[SettingName]): DecodedOne => {
  const exit = decoders[name](value)
  if (Exit.isSuccess(exit)) return { decoded: exit.value, wrong: [] }
  const wrong = exit.cause.reasons.flatMap((reason) =>
    reason._tag === "Fail"
      ? issuesOf(reason.error.issue).issues.map(({ path, message }) => {
          const item = path?.[0]
          return { item: typeof item === "number" ? item : undefined, expected: message }
        })
      : []
  )
  const isWrong = new Set(wrong.map(({ item }) => item))
  if (!Array.isArray(value) || isWrong.has(undefined)) return { decoded: nothing, wrong }
  const origin = [...value.keys()].filter((i) => !isWrong.has(i))
  const right = decoders[name](origin.map((i) => value[i]))
  return { decoded: Exit.isSuccess(right) ? right.value : nothing, origin, wrong }
}

const decoders = Object.fromEntries(
  settingNames.map((name) => {
    const decode = Schema.decodeUnknownExit(Settings.fields[name] as Schema.Codec<unknown, unknown>)
    return [name, (value: unknown) => decode(value, { errors: "all" })] as const
  })
) as Record<SettingName, (value: unknown) => Exit.Exit<unknown, Schema.SchemaError>>

const mistakeOf = (name: SettingName, given: Given, item: number | undefined, expected: string): Mistake => {
  const { value } = given
  const one = item === undefined ? value : value?.[item]
  const text = typeof one === "string" ? shownWrong(name, one) : undefined
  if (text === undefined)
    return { place: placeOf(name, given), value: undefined, expected: ofNone(name, given) ?? expected }
  return { place: placeOf(name, given, item), value: text, expected }
}

/** Of a list in which there is nothing. */
const ofNone = (name: SettingName, { value, place }: Given): string | undefined => {
  if (settingInfo[name].isList !== true || value?.length !== 0) return undefined
  return place === SYSTEM ? `at least one, or ${RESOLV_CONF} to name one: it names none` : "at least one"
}

/** Where a setting, or one value of its list, was said. */
export const placeOf = (name: SettingName, given: Given, item = 0): string =>
  given.source === "default" ? `${fileKey(name)} (${given.place})` : (given.places?.[item] ?? given.at ?? given.place)
