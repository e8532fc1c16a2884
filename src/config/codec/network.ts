/** Networks: `10.0.0.0/8`, `2001:db8::/32`. */
import { Result } from "effect"
import { IpNetwork, NetAddress } from "effect/net"
import { meantNetwork } from "./slips.ts"
import type { Read, TextForm } from "./text-form.ts"

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

export const network: TextForm<IpNetwork.IpNetwork> = { read: readNetwork, write: IpNetwork.format }
