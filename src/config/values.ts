/**
 * The values of settings that are more than a number or a word, each read from one text.
 *
 * A reader returns what was expected where it cannot read the text: the words stand in the list of mistakes.
 */
import { Result } from "effect"
import { Host, IpNetwork, NetAddress } from "effect/net"
import { type Endpoint, isWildcard } from "../io/endpoint.ts"
import { meantAddress, meantNetwork } from "./slips.ts"

export type Read<A> = Result.Result<A, string>

export const DNS_PORT = 53

/** The end of a URI template by which questions go by GET (RFC 8484 §4.1.1); without it they go by POST. */
export const TEMPLATE_END = "{?dns}"

/** An address and the protocols that are spoken at it. */
export interface ListenAddress {
  readonly protocols: ReadonlyArray<"udp" | "tcp">
  readonly endpoint: Endpoint
}

/** Which queries leave a trace; failed and slow ones do in any case, unless it is `never`. */
export type Sampling =
  | { readonly kind: "always" }
  | { readonly kind: "never" }
  /** A share of all queries, 0 to 1. */
  | { readonly kind: "ratio"; readonly ratio: number }
  /** Up to so many queries a second. */
  | { readonly kind: "rate"; readonly perSecond: number }

/** The one spelling of an address, an IPv4 address in IPv6 clothes as what it is; undefined where it is none. */
const canonicalAddress = (text: string): string | undefined => {
  const address = NetAddress.ipFromString(text)
  if (Result.isSuccess(address)) return NetAddress.formatIp(NetAddress.toCanonical(address.success))
  const scoped = NetAddress.scopedIpv6LiteralFromString(text)
  return Result.isSuccess(scoped) ? scoped.success : undefined
}

/** `192.0.2.1`, `192.0.2.1:53`, `2001:db8::1`, `[2001:db8::1]:53`, `[fe80::1%eth0]:53`. */
export const readEndpoint = (text: string, defaultPort: number): Read<Endpoint> => {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text
  const alone = canonicalAddress(bare)
  if (alone !== undefined) return Result.succeed({ address: alone, port: defaultPort })
  const parsed = Host.hostPortFromString(text)
  if (Result.isFailure(parsed)) {
    return Result.fail(`an IP address, with or without a port (IPv6 as [address]:port)${meantAddress(text)}`)
  }
  const address = canonicalAddress(Host.formatHost(parsed.success.host))
  return address === undefined
    ? Result.fail(`an IP address: host names are not looked up${meantAddress(text)}`)
    : Result.succeed({ address, port: parsed.success.port })
}

/** What stands before `://`, in lower case, and what follows. */
export const splitScheme = (text: string): readonly [scheme: string | undefined, rest: string] => {
  const end = text.indexOf("://")
  return end < 0 ? [undefined, text] : [text.slice(0, end).toLowerCase(), text.slice(end + 3)]
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

/** A plain DNS server that is asked by IP address. */
export const readServerEndpoint = (text: string): Read<Endpoint> =>
  Result.flatMap(readEndpoint(text, DNS_PORT), (endpoint) => {
    return !isWildcard(endpoint) && endpoint.port > 0
      ? Result.succeed(endpoint)
      : Result.fail("the address of a server")
  })

/** Bits before the IPv4 address in one that is mapped into IPv6 (RFC 4291 §2.5.5.2). */
const MAPPED_PREFIX = 96

/** IPv4 networks in IPv6 clothes as what they are, for so are the clients' addresses. */
const canonicalNetwork = (network: IpNetwork.IpNetwork): Result.Result<IpNetwork.IpNetwork, unknown> => {
  const { address, prefixLength } = network
  const canonical = NetAddress.toCanonical(address)
  return canonical === address || prefixLength < MAPPED_PREFIX
    ? Result.succeed(network)
    : IpNetwork.make(canonical, prefixLength - MAPPED_PREFIX)
}

/** `10.0.0.0/8`, `fd00::/8`; an address alone is a network of one. */
export const readNetwork = (text: string): Read<IpNetwork.IpNetwork> => {
  const network = text.includes("/")
    ? IpNetwork.fromString(text)
    : Result.flatMap(NetAddress.ipFromString(text), (address) => IpNetwork.make(address, NetAddress.width(address)))
  return Result.mapError(
    Result.flatMap(network, canonicalNetwork),
    () => `a network such as 192.0.2.0/24 or 2001:db8::/32, or an address${meantNetwork(text)}`
  )
}

export const readSampling = (text: string): Read<Sampling> => {
  if (text === "always" || text === "never") return Result.succeed({ kind: text })
  const [kind, number = ""] = text.split(":", 2)
  const value = /^\d+(\.\d+)?$/.test(number) ? Number(number) : Number.NaN
  if (kind === "ratio" && value >= 0 && value <= 1) return Result.succeed({ kind, ratio: value })
  if (kind === "rate" && value >= 0 && value <= 1_000_000) return Result.succeed({ kind, perSecond: value })
  return Result.fail("always, never, ratio:0.01 or rate:200 (a second)")
}
