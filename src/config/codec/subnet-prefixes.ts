/** How much of a client's address upstreams are told (RFC 7871): `24/56`. */
import { Result } from "effect"
import type { Read, TextForm } from "./text-form.ts"

/** Bits of the address, by family. */
export interface SubnetPrefixes {
  readonly ipv4: number
  readonly ipv6: number
}

/** RFC 7871 §11.1. */
const usual: SubnetPrefixes = { ipv4: 24, ipv6: 56 }

/** `ecs`, `ecs=24/56`. */
export const readSubnetPrefixes = (word: string): Read<SubnetPrefixes> => {
  if (word === "ecs") return Result.succeed(usual)
  const [, ipv4, ipv6] = /^ecs=(\d{1,2})\/(\d{1,3})$/.exec(word) ?? []
  const prefixes = { ipv4: Number(ipv4), ipv6: Number(ipv6) }
  return prefixes.ipv4 >= 1 && prefixes.ipv4 <= 32 && prefixes.ipv6 >= 1 && prefixes.ipv6 <= 128
    ? Result.succeed(prefixes)
    : Result.fail("ecs, or ecs=24/56 with prefix lengths of IPv4 (1 to 32) and IPv6 (1 to 128)")
}

export const subnetPrefixes: TextForm<SubnetPrefixes> = {
  read: readSubnetPrefixes,
  write: ({ ipv4, ipv6 }) => `ecs=${ipv4}/${ipv6}`
}
