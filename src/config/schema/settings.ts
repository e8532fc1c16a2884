/**
 * The whole configuration: every setting with its schema, its default and what it is for, section by section.
 *
 * A setting `maxQueuedQueries` is `max_queued_queries` in the file and `DNS_SERVER_MAX_QUEUED_QUERIES` in the
 * environment. Every value is read from text, whichever source it comes from; lists from comma-separated text, or from
 * a list in the file.
 */
import { Schema } from "effect"
import { admin } from "./admin.ts"
import { attempts } from "./attempts.ts"
import { cache } from "./cache.ts"
import { clients } from "./clients.ts"
import { defence } from "./defence.ts"
import { load } from "./load.ts"
import { localAnswers } from "./local-answers.ts"
import { processSettings } from "./process.ts"
import { queryLog } from "./query-log.ts"
import { redis } from "./redis.ts"
import { routing } from "./routing.ts"
import type { Section, Setting, SettingInfo } from "./setting.ts"
import { tcp } from "./tcp.ts"
import { telemetry } from "./telemetry.ts"
import { tls } from "./tls.ts"
import { upstreams } from "./upstreams.ts"

export type { SettingInfo, Touch } from "./setting.ts"

const all = {
  ...clients.settings,
  ...defence.settings,
  ...upstreams.settings,
  ...routing.settings,
  ...localAnswers.settings,
  ...load.settings,
  ...attempts.settings,
  ...cache.settings,
  ...redis.settings,
  ...tcp.settings,
  ...tls.settings,
  ...processSettings.settings,
  ...telemetry.settings,
  ...queryLog.settings,
  ...admin.settings
}

/** In the order in which people read them. */
export const sections: ReadonlyArray<Section<Readonly<Record<string, Setting<Schema.Top>>>>> = [
  clients,
  defence,
  upstreams,
  routing,
  localAnswers,
  load,
  attempts,
  cache,
  redis,
  tcp,
  tls,
  processSettings,
  telemetry,
  queryLog,
  admin
]

export type SettingName = keyof typeof all

type Fields = { readonly [Name in SettingName]: (typeof all)[Name]["schema"] }

export const settingNames = Object.keys(all) as ReadonlyArray<SettingName>

/**
 * All settings, by the names that they have in code.
 *
 * **When to use**
 *
 * Use {@link load} to get them: it says where each mistake is. The schema is for programs that make settings of data.
 *
 * **Example** (A setting in code)
 *
 * ```ts
 * import type { Settings } from "strand-dns"
 *
 * const secondsOf = ({ queryTimeoutSecs }: Settings): number => queryTimeoutSecs
 * ```
 */
export const Settings = Schema.Struct(
  Object.fromEntries(settingNames.map((name) => [name, all[name].schema])) as unknown as Fields
)

export type Settings = typeof Settings.Type

export const settingInfo: { readonly [Name in SettingName]: SettingInfo } = all

/** The setting's name in the file. */
export const fileKey = (name: SettingName): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** The setting's name in the environment. */
export const variableName = (name: SettingName): string =>
  settingInfo[name].variable ?? `DNS_SERVER_${fileKey(name).toUpperCase()}`
