/** What the query log writes and where, as data that its thread is sent. */
import { isDeepStrictEqual } from "node:util"
import type { DnstapTarget } from "../../config/codec/dnstap-target.ts"
import type { SlowFrom } from "../../config/codec/slow-from.ts"
import type { SettingName, Settings } from "../../config/schema/settings.ts"

/** When a file is put aside, and how many are kept that were. */
export interface Rotation {
  readonly maxOctets: number
  readonly maxAgeMs: number
  readonly keep: number
}

export type ClientForm = Settings["queryLogClients"]

/** Which queries are logged. */
export interface LogFilter {
  /** A share of all, 0 to 1. */
  readonly sample: number
  readonly only: Settings["queryLogOnly"]
  readonly slowFrom: SlowFrom
  /** In wire form and lower case, with all names below; none means all names. */
  readonly names: ReadonlyArray<Uint8Array>
}

export interface LogPlan {
  readonly file: { readonly path: string; readonly rotation: Rotation } | undefined
  readonly dnstap: { readonly target: DnstapTarget; readonly rotation: Rotation } | undefined
  readonly store: { readonly folder: string; readonly maxOctets: number } | undefined
  readonly filter: LogFilter
  readonly clients: ClientForm
}

export const QUERY_LOG_SETTINGS = [
  "queryLogFile",
  "queryLogMaxMb",
  "queryLogMaxAgeHours",
  "queryLogKeep",
  "queryLogDnstap",
  "queryLogStore",
  "queryLogStoreMaxMb",
  "queryLogSample",
  "queryLogOnly",
  "queryLogNames",
  "queryLogClients",
  "slowQueryMs"
] as const satisfies ReadonlyArray<SettingName>

export type QueryLogSettings = Pick<Settings, (typeof QUERY_LOG_SETTINGS)[number]>

const MIB = 2 ** 20
const HOUR_MS = 3_600_000

/** Whether anything is logged at all. */
export const isLogging = ({
  queryLogFile,
  queryLogDnstap,
  queryLogStore
}: Pick<Settings, "queryLogFile" | "queryLogDnstap" | "queryLogStore">): boolean =>
  queryLogFile !== undefined || queryLogDnstap !== undefined || queryLogStore !== undefined

/** Undefined where nothing is logged. */
export const planOf = (settings: QueryLogSettings): LogPlan | undefined => {
  if (!isLogging(settings)) return undefined
  const { queryLogFile: path, queryLogDnstap: target, queryLogStore: folder } = settings
  const rotation: Rotation = {
    maxOctets: settings.queryLogMaxMb * MIB,
    maxAgeMs: settings.queryLogMaxAgeHours * HOUR_MS,
    keep: settings.queryLogKeep
  }
  return {
    file: path === undefined ? undefined : { path, rotation },
    dnstap: target === undefined ? undefined : { target, rotation },
    store: folder === undefined ? undefined : { folder, maxOctets: settings.queryLogStoreMaxMb * MIB },
    filter: {
      sample: settings.queryLogSample,
      only: settings.queryLogOnly,
      slowFrom: settings.slowQueryMs,
      names: settings.queryLogNames
    },
    clients: settings.queryLogClients
  }
}

export const samePlan = (a: unknown, b: unknown): boolean => isDeepStrictEqual(a, b)
