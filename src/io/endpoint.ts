/** Addresses of sockets, as Node writes them. */
import { Result } from "effect"
import { NetAddress } from "effect/net"

/** An IP address (IPv6 link-local ones with their scope, `fe80::1%eth0`) and a port. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

/** No name has a colon in it, and nothing but an address comes here. */
export const isIPv6Endpoint = (endpoint: Endpoint): boolean => endpoint.address.includes(":")

/** Whether it is the unspecified address, at which a socket receives for all addresses of this machine. */
export const isWildcard = ({ address }: Endpoint): boolean => address === "0.0.0.0" || isIPv6Wildcard(address)

/** However it is written: `::`, `0::0`, `0:0:0:0:0:0:0:0`. */
const isIPv6Wildcard = (address: string): boolean => /^[0:]*:[0:]*$/.test(address)

/** `192.0.2.1:53`, `[2001:db8::1]:53`. */
export const formatEndpoint = (endpoint: Endpoint): string =>
  isIPv6Endpoint(endpoint) ? `[${endpoint.address}]:${endpoint.port}` : `${endpoint.address}:${endpoint.port}`

/** The address without its scope; undefined for a name, whatever it begins with. */
const ipOf = (host: string): NetAddress.IpAddress | undefined => {
  const read = NetAddress.ipFromString(host.split("%", 1)[0]!)
  return Result.isSuccess(read) ? NetAddress.toCanonical(read.success) : undefined
}

/** Whether a host is a loopback address (RFC 6890). A name never is, not even `localhost` or `127.example`. */
export const isLoopback = (host: string): boolean => {
  const ip = ipOf(host)
  return ip !== undefined && NetAddress.isLoopback(ip)
}

/** Whether a host is an address for private or link-local use (RFC 1918, RFC 3927, RFC 4193, RFC 4291 §2.5.6). */
export const isPrivate = (host: string): boolean => {
  const ip = ipOf(host)
  if (ip === undefined) return false
  return (
    NetAddress.isLinkLocal(ip) ||
    (NetAddress.isIpv4Address(ip) ? NetAddress.isPrivate(ip) : NetAddress.isUniqueLocal(ip))
  )
}
