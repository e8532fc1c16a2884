/** Where the server listens: `127.0.0.1:53`, `udp://127.0.0.1:53`, `tcp://[::1]:53`. */
import { Result } from "effect"
import { type Endpoint, formatEndpoint } from "../../io/endpoint.ts"
import { DNS_PORT, readEndpoint, splitScheme } from "./endpoint.ts"
import type { Read, TextForm } from "./text-form.ts"

/** An address and the protocols that are spoken at it. */
export interface ListenAddress {
  readonly protocols: ReadonlyArray<"udp" | "tcp">
  readonly endpoint: Endpoint
}

export const readListenAddress = (text: string): Read<ListenAddress> => {
  const [scheme, rest] = splitScheme(text)
  if (scheme !== undefined && scheme !== "udp" && scheme !== "tcp") {
    return Result.fail("host:port (UDP and TCP), udp://host:port or tcp://host:port: no other protocol is listened for")
  }
  return Result.map(readEndpoint(rest, DNS_PORT), (endpoint) => ({
    protocols: scheme === undefined ? (["udp", "tcp"] as const) : [scheme],
    endpoint
  }))
}

const writeListenAddress = ({ protocols, endpoint }: ListenAddress): string =>
  `${protocols.length === 1 ? `${protocols[0]}://` : ""}${formatEndpoint(endpoint)}`

export const listenAddress: TextForm<ListenAddress> = { read: readListenAddress, write: writeListenAddress }
