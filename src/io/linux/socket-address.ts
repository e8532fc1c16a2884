/**
 * `struct sockaddr_in` and `sockaddr_in6`, written and read in place (ip(7), ipv6(7)).
 */
import { networkInterfaces } from "node:os"
import { Result } from "effect"
import { NetAddress } from "effect/net"
import { type Endpoint, isIPv6Endpoint } from "../endpoint.ts"
import { AF_INET, AF_INET6 } from "./libc.ts"

/** Octets kept for either kind. */
export const ADDRESS_ROOM = 32
const IPV4_SIZE = 16
const IPV6_SIZE = 28

/** Writes the endpoint at `at`; returns the structure's size. */
export const writeSocketAddress = (memory: Uint8Array, at: number, endpoint: Endpoint): number => {
  const isIPv6 = isIPv6Endpoint(endpoint)
  const size = isIPv6 ? IPV6_SIZE : IPV4_SIZE
  const [host = "", scope = ""] = endpoint.address.split("%", 2)
  memory.fill(0, at, at + size)
  memory[at] = isIPv6 ? AF_INET6 : AF_INET
  memory[at + 2] = endpoint.port >>> 8
  memory[at + 3] = endpoint.port
  const parsed = Result.getOrThrow(NetAddress.ipFromString(host))
  if (NetAddress.isIpv4Address(parsed)) {
    memory.set(NetAddress.ipv4ToOctets(parsed), at + 4)
  } else {
    memory.set(NetAddress.ipv6ToOctets(parsed), at + 8)
    if (scope !== "") new DataView(memory.buffer, memory.byteOffset).setUint32(at + 24, scopeId(scope), true)
  }
  return size
}

export const portAt = (memory: Uint8Array, at: number): number => (memory[at + 2]! << 8) | memory[at + 3]!

export const isIPv4At = (memory: Uint8Array, at: number): boolean => memory[at] === AF_INET

/** The address as text, IPv6 link-local ones with their scope: `fe80::1%eth0`. */
export const addressAt = (memory: Uint8Array, at: number): string => {
  if (isIPv4At(memory, at)) return `${memory[at + 4]}.${memory[at + 5]}.${memory[at + 6]}.${memory[at + 7]}`
  const text = NetAddress.formatIp(NetAddress.ipv6FromBytesUnsafe(memory.slice(at + 8, at + 24)))
  const scope = new DataView(memory.buffer, memory.byteOffset).getUint32(at + 24, true)
  return scope === 0 ? text : `${text}%${scopeName(scope)}`
}

const interfaces = (): Array<readonly [name: string, scope: number]> =>
  Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).flatMap((address) => (address.family === "IPv6" ? [[name, address.scopeid] as const] : []))
  )

/** Names of interfaces and their numbers are both in use as scopes (RFC 4007 §11.2). */
const scopeId = (scope: string): number =>
  /^\d+$/.test(scope) ? Number(scope) : (interfaces().find(([name, id]) => name === scope && id !== 0)?.[1] ?? 0)

const scopeName = (id: number): string => interfaces().find(([, scope]) => scope === id)?.[0] ?? String(id)
