/** What the API answers with, by its own schemas. */
import type { CacheState } from "../api/cache.ts"
import type { Changed, Configuration, HistoryEntry, Saved, Setting } from "../api/config.ts"
import type { WrongSettings } from "../api/errors.ts"
import type { Explanation, Query, Step, TopEntry, Trace } from "../api/queries.ts"
import type { Rates, Second, Status } from "../api/system.ts"
import type { Upstream } from "../api/upstreams.ts"

export type CacheShape = typeof CacheState.Type
export type ChangedShape = typeof Changed.Type
export type ConfigurationShape = typeof Configuration.Type
export type ExplanationShape = typeof Explanation.Type
export type HistoryShape = ReadonlyArray<typeof HistoryEntry.Type>
export type MistakesShape = Pick<WrongSettings, "mistakes">
export type QueryShape = typeof Query.Type
export type RatesShape = typeof Rates.Type
export type SavedShape = typeof Saved.Type
export type SecondShape = typeof Second.Type
export type SettingShape = typeof Setting.Type
export type StatusShape = typeof Status.Type
export type StepShape = typeof Step.Type
export type TopShape = {
  readonly seconds: number
  readonly total: number
  readonly entries: ReadonlyArray<typeof TopEntry.Type>
}
export type TraceShape = typeof Trace.Type
export type UpstreamShape = typeof Upstream.Type
