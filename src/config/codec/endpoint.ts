/** Addresses with a port, as people write them. */
import { Result } from "effect"
import { Host, NetAddress } from "effect/net"
import { type Endpoint, formatEndpoint, isWildcard } from "../../io/endpoint.ts"
import { meantAddress } from "./slips.ts"
import type { Read, TextForm } from "./text-form.ts"

export const DNS_PORT = 53

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

/** A plain DNS server that is asked by IP address. */
export const readServerEndpoint = (text: string): Read<Endpoint> =>
  Result.flatMap(readEndpoint(text, DNS_PORT), (endpoint) => {
    return !isWildcard(endpoint) && endpoint.port > 0
      ? Result.succeed(endpoint)
      : Result.fail("the address of a server")
  })

export const serverEndpoint: TextForm<Endpoint> = { read: readServerEndpoint, write: formatEndpoint }
