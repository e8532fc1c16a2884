/** A server that queries are forwarded to: its address, and what all resolvers know of it together. */
import type { UpstreamAddress } from "../config/values.ts"
import { type Endpoint, formatEndpoint } from "../io/endpoint.ts"
import { Breaker } from "./breaker.ts"
import { Latency } from "./latency.ts"

/** How long an upstream that cannot read EDNS is asked without. */
const PLAIN_FOR_MS = 600_000

export class Upstream {
  readonly name: string
  readonly protocol: "udp" | "tcp"
  readonly endpoint: Endpoint
  /** Whether its AD bit is believed: a path that nobody can tamper with, or the user's word. */
  readonly isTrusted: boolean
  /** On loopback or a private network: only there a query can come back round to us. */
  readonly isNear: boolean
  readonly breaker = new Breaker()
  readonly latency = new Latency()
  /** Exchanges under way. */
  inFlight = 0
  private plainUntilMs = 0

  constructor(address: UpstreamAddress, trustAuthenticData: boolean) {
    this.protocol = address.protocol
    this.endpoint = address.endpoint
    this.name = `${address.protocol}://${formatEndpoint(address.endpoint)}`
    const host = address.endpoint.address
    const isLoopback = host === "::1" || host.startsWith("127.")
    this.isTrusted = trustAuthenticData || isLoopback
    this.isNear = isLoopback || /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|f[cd]|fe[89ab])/i.test(host)
  }

  speaksEdns(nowMs: number): boolean {
    return nowMs >= this.plainUntilMs
  }

  /** It answered a query with OPT by an error without (RFC 6891 §7). */
  rememberPlain(nowMs: number): void {
    this.plainUntilMs = nowMs + PLAIN_FOR_MS
  }
}
