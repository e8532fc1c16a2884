/** Networks in settings. */
import { network } from "../codec/network.ts"
import { NETWORK_PATTERN } from "./patterns.ts"
import { fromText } from "./setting.ts"

/** @param examples for editors */
export const networkLike = (...examples: ReadonlyArray<string>) =>
  fromText(network, { kind: "text", pattern: `^${NETWORK_PATTERN}$`, ...(examples.length === 0 ? {} : { examples }) })
