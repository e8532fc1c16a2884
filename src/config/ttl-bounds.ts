/** The settings that bound how long answers live, as the wire needs them. */
import type { TtlBounds } from "../dns/response.ts"
import type { Settings } from "./schema/settings.ts"

export const ttlBoundsOf = (
  settings: Pick<Settings, "cacheMinTtlSecs" | "cacheMaxTtlSecs" | "cacheMaxNegativeTtlSecs">
): TtlBounds => ({
  minSeconds: settings.cacheMinTtlSecs,
  maxSeconds: settings.cacheMaxTtlSecs,
  maxNegativeSeconds: settings.cacheMaxNegativeTtlSecs
})
