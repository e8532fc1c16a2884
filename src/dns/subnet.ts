/**
 * The networks of clients, as EDNS Client Subnet carries them (RFC 7871 §6).
 *
 * A network is 18 octets: family, prefix length, the address filled up with 0 behind its prefix. So two are the same
 * when their octets are, and what is kept for one is compared with another octet by octet.
 */
import { u8, u16 } from "./wire.ts"

export type Subnet = Uint8Array

export const SUBNET_SIZE = 18
export const OPTION_CLIENT_SUBNET = 8

export const Family = { None: 0, IPv4: 1, IPv6: 2 } as const

/**
 * Set in the family's octet of a network that is wider than what is usually told of a client: an answer meant for a
 * part of it is good for no other network but this very one (RFC 7871 §7.3.1).
 */
export const ALONE = 0x80
const FAMILY_MASK = 0x7f
const ADDRESS_AT = 2

/** A scope by which an answer is for the network that was asked for, and for no wider one. */
export const SCOPE_OF_SOURCE = 255

export const familyOf = (subnet: Subnet): number => subnet[0]! & FAMILY_MASK
export const prefixOf = (subnet: Subnet): number => subnet[1]!

/** Of clients whose address is not to be told, private ones: no option is sent for them. */
export const NOWHERE: Subnet = new Uint8Array(SUBNET_SIZE)
NOWHERE[0] = Family.None | ALONE

/** Of clients that asked not to be told of: an option without an address says so (RFC 7871 §7.1.2). */
export const OPTED_OUT: Subnet = new Uint8Array(SUBNET_SIZE)
OPTED_OUT[0] = Family.IPv4 | ALONE

/**
 * Reads the option's data, `length` octets from `at` in a query.
 *
 * @returns undefined where it is not as RFC 7871 §6 wants it: an unknown family, a prefix too long for it, a scope, too
 *   many or too few octets, a bit set behind the prefix
 */
export const readSubnet = (wire: Uint8Array, at: number, length: number): Subnet | undefined => {
  if (length < 4) return undefined
  const family = u16(wire, at)
  const prefix = u8(wire, at + 2)
  if (u8(wire, at + 3) !== 0 || length !== 4 + octetsOf(prefix)) return undefined
  // Some clients leave the family out where there is no address.
  if (prefix === 0) return family <= Family.IPv6 ? OPTED_OUT : undefined
  if (prefix > widthOf(family)) return undefined
  const subnet = new Uint8Array(SUBNET_SIZE)
  subnet[0] = family
  subnet[1] = prefix
  for (let i = 0; i < length - 4; i++) subnet[ADDRESS_AT + i] = u8(wire, at + 4 + i)
  return (subnet[ADDRESS_AT + length - 5]! & ~maskOfLast(prefix)) === 0 ? subnet : undefined
}

/**
 * The network of an address.
 *
 * @param words the address: IPv4 in `words[3]`, IPv6 in all four
 */
export const subnetOfAddress = (words: Uint32Array, isIPv4: boolean, prefix: number): Subnet => {
  const subnet = new Uint8Array(SUBNET_SIZE)
  for (let i = isIPv4 ? 3 : 0, at = ADDRESS_AT; i < 4; i++, at += 4) {
    const word = words[i]!
    subnet[at] = word >>> 24
    subnet[at + 1] = word >>> 16
    subnet[at + 2] = word >>> 8
    subnet[at + 3] = word
  }
  subnet[0] = isIPv4 ? Family.IPv4 : Family.IPv6
  widen(subnet, subnet, prefix)
  return subnet
}

/** Puts the address with which the network begins into `words`; whether it is an IPv4 address. */
export const readSubnetWords = (subnet: Subnet, words: Uint32Array): boolean => {
  const isIPv4 = familyOf(subnet) === Family.IPv4
  for (let i = isIPv4 ? 3 : 0, at = ADDRESS_AT; i < 4; i++, at += 4) {
    words[i] = ((subnet[at]! << 24) | (subnet[at + 1]! << 16) | (subnet[at + 2]! << 8) | subnet[at + 3]!) >>> 0
  }
  return isIPv4
}

/** Writes into `out` the network of a shorter prefix, or the same, that holds this one. */
export const widen = (subnet: Subnet, out: Subnet, prefix: number): void => {
  const whole = prefix >>> 3
  out[0] = familyOf(subnet)
  out[1] = prefix
  for (let i = 0; i < SUBNET_SIZE - ADDRESS_AT; i++) {
    const mask = i < whole ? 0xff : i === whole && (prefix & 7) !== 0 ? maskOfLast(prefix) : 0
    out[ADDRESS_AT + i] = subnet[ADDRESS_AT + i]! & mask
  }
}

export const sameSubnet = (a: Subnet | undefined, b: Subnet | undefined): boolean => {
  if (a === b) return true
  if (a === undefined || b === undefined) return false
  for (let i = 0; i < SUBNET_SIZE; i++) if (a[i] !== b[i]) return false
  return true
}

/** Whether an answer of that scope, to a query for this network, is for everybody (RFC 7871 §7.3.1). */
export const isForAll = (subnet: Subnet, scope: number): boolean => scope === 0 && prefixOf(subnet) > 0

/**
 * Writes into `out` the network that an answer is good for, which is not for everybody.
 *
 * A scope narrower than what was asked for says nothing of other networks: it is good for what was asked for.
 */
export const writeScope = (subnet: Subnet, scope: number, out: Subnet): void => {
  if (prefixOf(subnet) > 0 && scope <= prefixOf(subnet)) widen(subnet, out, scope)
  else out.set(subnet)
}

/** The option's data by which an upstream is asked for this network; undefined where none is to be sent. */
export const optionOf = (subnet: Subnet): Uint8Array | undefined => {
  const family = familyOf(subnet)
  if (family === Family.None) return undefined
  const octets = octetsOf(prefixOf(subnet))
  const option = new Uint8Array(4 + octets)
  option[1] = family
  option[2] = prefixOf(subnet)
  option.set(subnet.subarray(ADDRESS_AT, ADDRESS_AT + octets), 4)
  return option
}

/**
 * The scope that an upstream's option gives, `length` octets of data from `at`.
 *
 * @returns -1 where it speaks of another network than was asked for (RFC 7871 §7.3), or has a scope that there is not
 */
export const readScope = (wire: Uint8Array, at: number, length: number, subnet: Subnet): number => {
  const prefix = prefixOf(subnet)
  if (length < 4 + octetsOf(prefix) || u8(wire, at + 2) !== prefix) return -1
  const scope = u8(wire, at + 3)
  if (prefix === 0) return scope
  if (u16(wire, at) !== familyOf(subnet) || scope > widthOf(familyOf(subnet))) return -1
  const last = octetsOf(prefix) - 1
  for (let i = 0; i <= last; i++) {
    const mask = i === last ? maskOfLast(prefix) : 0xff
    if (((u8(wire, at + 4 + i) ^ subnet[ADDRESS_AT + i]!) & mask) !== 0) return -1
  }
  return scope
}

/** Bits of the family's addresses; -1 of a family that is not known. */
const widthOf = (family: number): number => (family === Family.IPv4 ? 32 : family === Family.IPv6 ? 128 : -1)

const octetsOf = (prefix: number): number => (prefix + 7) >>> 3

/** The bits of a prefix in its last octet. */
const maskOfLast = (prefix: number): number => (0xff00 >>> (((prefix - 1) & 7) + 1)) & 0xff
