/** A server that queries are forwarded to: its address, and what all resolvers know of it together. */
import { formatUpstream, type UpstreamAddress } from "../config/upstream-address.ts"
import type { Endpoint } from "../io/endpoint.ts"
import { Breaker } from "./breaker.ts"
import { Latency } from "./latency.ts"

/** How long an upstream that cannot read EDNS is asked without. */
const PLAIN_FOR_MS = 600_000

export class Upstream {
  readonly name: string
  readonly address: UpstreamAddress
  /** Its `address` is a name where the upstream is known by one. */
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
    this.address = address
    this.endpoint = address.endpoint
    this.name = formatUpstream(address)
    const host = address.endpoint.address
    const isLoopback = host === "::1" || host.startsWith("127.")
    const isAuthenticated = address.protocol === "tls" || address.protocol === "https"
    this.isTrusted = trustAuthenticData || isLoopback || isAuthenticated
    this.isNear = isLoopback || /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|f[cd]|fe[89ab])/i.test(host)
  }

  /** What the first message goes by. */
  get transport(): "udp" | "tcp" {
    return this.address.protocol === "udp" ? "udp" : "tcp"
  }

  speaksEdns(nowMs: number): boolean {
    return nowMs >= this.plainUntilMs
  }

  /** It answered a query with OPT by an error without (RFC 6891 §7). */
  rememberPlain(nowMs: number): void {
    this.plainUntilMs = nowMs + PLAIN_FOR_MS
  }
}
