/** The settings that bound how long answers live, as the wire needs them: as they are when they are looked at. */
import type { TtlBounds } from "../dns/response.ts"
import type { Configuration } from "./live-configuration.ts"

export const ttlBoundsOf = ({ current }: Configuration["Service"]): TtlBounds => ({
  get minSeconds() {
    return current().cacheMinTtlSecs
  },
  get maxSeconds() {
    return current().cacheMaxTtlSecs
  },
  get maxNegativeSeconds() {
    return current().cacheMaxNegativeTtlSecs
  }
})
