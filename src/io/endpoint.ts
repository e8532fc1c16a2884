/** Addresses of sockets, as Node writes them. */
import { isIPv6 } from "node:net"

/** An IP address (IPv6 link-local ones with their scope, `fe80::1%eth0`) and a port. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

export const isIPv6Endpoint = (endpoint: Endpoint): boolean => isIPv6(endpoint.address.split("%", 1)[0]!)

/** Whether it is all addresses of this machine. */
export const isWildcard = ({ address }: Endpoint): boolean => address === "0.0.0.0" || isIPv6Wildcard(address)

/** However it is written: `::`, `0::0`, `0:0:0:0:0:0:0:0`. */
const isIPv6Wildcard = (address: string): boolean => isIPv6(address) && /^[0:]+$/.test(address)

/** `192.0.2.1:53`, `[2001:db8::1]:53`. */
export const formatEndpoint = (endpoint: Endpoint): string =>
  isIPv6Endpoint(endpoint) ? `[${endpoint.address}]:${endpoint.port}` : `${endpoint.address}:${endpoint.port}`
