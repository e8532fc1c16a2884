/** What of a question's client its answer depends on. */
import type { Subnet } from "./subnet.ts"

/** Degrees north and east; `NaN` where they are not known. */
export interface Coordinates {
  readonly latitude: number
  readonly longitude: number
}

export interface ClientContext {
  /** The network that the answer is asked for; undefined where upstreams are not told (RFC 7871). */
  readonly subnet: Subnet | undefined
  /** Where the client is: which upstream is nearest depends on it, what is kept does not. */
  readonly coordinates: Coordinates | undefined
}
