/**
 * DNS rebinding: a page under a name of an attacker's asks the name again and gets an address of the site's own network,
 * so that the browser takes the printer for the page. Against it private addresses are taken out of what upstreams
 * answer, but for names that may have them.
 *
 * It is the name that was asked for that counts, whatever CNAMEs lead from it: by that name the page is known.
 */
import { Class, Type } from "./codes.ts"
import { isAtOrBelow, MAX_LABEL_LENGTH } from "./name.ts"
import { u8, u16 } from "./wire.ts"

/** A network: as many octets as an address of its kind has. */
export interface AddressRange {
  readonly octets: Uint8Array
  readonly prefixLength: number
}

const ipv4 = (prefixLength: number, ...octets: ReadonlyArray<number>): AddressRange => ({
  octets: Uint8Array.from({ length: 4 }, (_, i) => octets[i] ?? 0),
  prefixLength
})
const ipv6 = (prefixLength: number, ...octets: ReadonlyArray<number>): AddressRange => ({
  octets: Uint8Array.from({ length: 16 }, (_, i) => octets[i] ?? 0),
  prefixLength
})

/** This host, loopback, links, sites, and networks shared with a provider (RFC 6890, RFC 4193, RFC 4291, RFC 6598). */
const PRIVATE: ReadonlyArray<AddressRange> = [
  ipv4(8, 0),
  ipv4(8, 10),
  ipv4(10, 100, 64),
  ipv4(8, 127),
  ipv4(16, 169, 254),
  ipv4(12, 172, 16),
  ipv4(16, 192, 168),
  ipv4(32, 255, 255, 255, 255),
  ipv6(127),
  ipv6(7, 0xfc),
  ipv6(10, 0xfe, 0x80),
  ipv6(10, 0xfe, 0xc0)
]
/** Prefixes of IPv6 addresses with an IPv4 address in them, and where it stands. */
const EMBEDDING: ReadonlyArray<readonly [range: AddressRange, at: number]> = [
  // RFC 4291 §2.5.5, RFC 2765 §2.1.
  [ipv6(96), 12],
  [ipv6(96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff), 12],
  [ipv6(96, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff), 12],
  // RFC 6052 §2.1, RFC 8215, RFC 3056 §2.
  [ipv6(96, 0, 0x64, 0xff, 0x9b), 12],
  [ipv6(48, 0, 0x64, 0xff, 0x9b, 0, 1), 12],
  [ipv6(16, 0x20, 0x02), 2]
]

/** Parameters of SVCB records that hold addresses (RFC 9460 §14.3.2), and how long each is. */
const HINTS: ReadonlyMap<number, number> = new Map([
  [4, 4],
  [6, 16]
])

export class Rebinding {
  private readonly allowedNames: ReadonlyArray<Uint8Array>
  private readonly allowedRanges: ReadonlyArray<AddressRange>

  /** @param allowedNames that may have private addresses, with all below them, in lower case */
  constructor(allowedNames: ReadonlyArray<Uint8Array>, allowedRanges: ReadonlyArray<AddressRange>) {
    this.allowedNames = allowedNames
    this.allowedRanges = allowedRanges
  }

  /** @param name that was asked for, in lower case */
  isAllowed(name: Uint8Array): boolean {
    return this.allowedNames.some((allowed) => isAtOrBelow(name, allowed))
  }

  /** Whether a record of this type and class, its data at `wire[start, end)`, holds a private address. */
  isUnwanted(wire: Uint8Array, type: number, ofClass: number, start: number, end: number): boolean {
    if (ofClass !== Class.IN) return false
    switch (type) {
      case Type.A:
      case Type.AAAA:
        return this.isPrivate(wire, start, end - start)
      case Type.SVCB:
      case Type.HTTPS:
        return this.hasPrivateHint(wire, start, end)
      default:
        return false
    }
  }

  private isPrivate(wire: Uint8Array, at: number, size: number): boolean {
    if (isIn(this.allowedRanges, wire, at, size)) return false
    if (isIn(PRIVATE, wire, at, size)) return true
    if (size !== 16) return false
    return EMBEDDING.some(
      ([{ octets, prefixLength }, offset]) =>
        hasPrefix(wire, at, octets, prefixLength) && this.isPrivate(wire, at + offset, 4)
    )
  }

  /** Priority, target, and parameters (RFC 9460 §2.2). What is not well-formed may hold anything. */
  private hasPrivateHint(wire: Uint8Array, start: number, end: number): boolean {
    let at = start + 2
    while (at < end && u8(wire, at) !== 0) {
      if (u8(wire, at) > MAX_LABEL_LENGTH) return true
      at += u8(wire, at) + 1
    }
    at++
    while (at + 4 <= end) {
      const size = HINTS.get(u16(wire, at))
      const next = at + 4 + u16(wire, at + 2)
      if (next > end) return true
      if (size !== undefined) {
        for (let hint = at + 4; hint + size <= next; hint += size) if (this.isPrivate(wire, hint, size)) return true
      }
      at = next
    }
    return at !== end
  }
}

const isIn = (ranges: ReadonlyArray<AddressRange>, wire: Uint8Array, at: number, size: number): boolean =>
  ranges.some(({ octets, prefixLength }) => octets.length === size && hasPrefix(wire, at, octets, prefixLength))

const hasPrefix = (wire: Uint8Array, at: number, octets: Uint8Array, prefixLength: number): boolean => {
  const whole = prefixLength >> 3
  for (let i = 0; i < whole; i++) if (wire[at + i] !== octets[i]) return false
  const bits = prefixLength & 7
  return bits === 0 || ((wire[at + whole]! ^ octets[whole]!) & (0xff00 >> bits) & 0xff) === 0
}
