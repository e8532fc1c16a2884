/**
 * The configuration as data: texts that another thread can be sent, that can be kept, and compared.
 *
 * What was read from files stands in it, so that nobody has to read them again.
 */
import { createHash } from "node:crypto"
import { Schema } from "effect"
import type { Authorities } from "./authorities.ts"
import type { PemFile } from "./pem-files.ts"
import { type SettingName, Settings, settingInfo, settingNames, type Touch } from "./schema/settings.ts"
import { shown } from "./shown.ts"

/** Settings as data that another thread can be sent, what was read from files included. */
export type Written = {
  readonly [Name in SettingName]?:
    | string
    | ReadonlyArray<string>
    | Authorities
    | PemFile
    | ReadonlyArray<PemFile>
    | undefined
}

/** Every setting, in the one spelling by which its value is known: `decodeSettings` makes the same settings of it. */
export type Snapshot = typeof Settings.Encoded

/** Settings that were found to be right, read again from what was written: in another thread. */
export const decodeSettings: (written: Written) => Settings = Schema.decodeUnknownSync(Settings)

export const encodeSettings: (settings: Settings) => Snapshot = Schema.encodeSync(Settings)

/** A setting that is not what it was. */
export interface Difference {
  readonly name: SettingName
  /** As people may see it; the same as `after` where only a secret in it is another. Undefined where there is none. */
  readonly before: string | undefined
  readonly after: string | undefined
  /** What has to be built anew. */
  readonly touches: ReadonlyArray<Touch>
}

/** What has changed, in the order of the settings; how something is written is no change. */
export const differences = (before: Settings, after: Settings): ReadonlyArray<Difference> => {
  const [old, fresh] = [encodeSettings(before), encodeSettings(after)]
  return settingNames
    .filter((name) => JSON.stringify(old[name]) !== JSON.stringify(fresh[name]))
    .map((name) => ({
      name,
      before: shownOf(name, old[name]),
      after: shownOf(name, fresh[name]),
      touches: settingInfo[name].touches
    }))
}

const shownOf = (name: SettingName, value: Snapshot[SettingName]): string | undefined => {
  if (value === undefined || typeof value === "string") return shown(name, value)
  if ("certificates" in value) return shownAuthorities(value)
  if ("pem" in value) return shownPem(value)
  return arePemFiles(value) ? value.map(shownPem).join(", ") : shown(name, value)
}

const arePemFiles = (value: ReadonlyArray<unknown>): value is ReadonlyArray<PemFile> => typeof value[0] === "object"

/** A private key is not shown, but its digest may be. */
const shownPem = ({ file, pem }: PemFile): string => `${file} (sha256 ${digestOf(pem)}…)`

/** The file's name stays when other certificates are written into it. */
const shownAuthorities = ({ file, certificates }: Authorities): string => {
  return `${file} (${certificates.length} of sha256 ${digestOf(certificates.join("\n"))}…)`
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 8)
