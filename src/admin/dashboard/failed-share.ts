/** How much of what an upstream is asked comes to nothing. */
import type { UpstreamShape } from "./shapes.ts"

/** Attempts from which a share says something. */
const ENOUGH = 20

/** Of all attempts since the server was started; 0 where they are few. */
export const failedShare = ({ attempts, failures }: Pick<UpstreamShape, "attempts" | "failures">): number =>
  attempts < ENOUGH ? 0 : Object.values(failures).reduce((sum, count) => sum + count, 0) / attempts
