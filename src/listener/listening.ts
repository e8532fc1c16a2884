/** A socket at which clients ask. */
import type { Endpoint } from "../io/endpoint.ts"

export interface Listening {
  readonly protocol: "udp" | "tcp"
  readonly endpoint: Endpoint
  /** Takes no more queries; those under way still get their answers. */
  readonly stop: () => void
}
