/** Times as OpenTelemetry has them. */
import type { HrTime } from "@opentelemetry/api"

const NANOS = 1e6

/** @param ms milliseconds since 1970 */
export const hrTime = (ms: number): HrTime => {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.round((ms - seconds * 1000) * NANOS)]
}
