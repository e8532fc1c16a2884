/**
 * Special-use domain names and locally served zones, which are answered here and not asked for (RFC 6761, RFC 6303 and
 * the registries that these made).
 *
 * Each has a word, by which `special_names` lists those that are answered here; `private` and `reserved` are the
 * reverse zones of networks for private use and of networks that are not in use.
 */
import { range } from "effect/Array"

/** What a zone's names are answered with. */
export type SpecialKind =
  /** No such name, the zone's own included. */
  | "absent"
  /** A zone without names, but for its own (RFC 6303 §3). */
  | "empty"
  /** The addresses of the loopback interface, for the name and all below it (RFC 6761 §6.3). */
  | "loopback"
  /** The name of 127.0.0.1 (RFC 6303 §4.2), or of ::1. */
  | "loopback-reverse"
  /** Nothing, whatever is asked: NODATA (RFC 9462 §4). */
  | "nothing"

export interface SpecialZone {
  readonly name: string
  readonly kind: SpecialKind
}

const of = (kind: SpecialKind, ...names: ReadonlyArray<string>): ReadonlyArray<SpecialZone> =>
  names.map((name) => ({ name, kind }))

const reverseIPv4 = (...networks: ReadonlyArray<string>): ReadonlyArray<string> =>
  networks.map((network) => `${network.split(".").reverse().join(".")}.in-addr.arpa`)

const reverseIPv6 = (...nibbles: ReadonlyArray<string>): ReadonlyArray<string> =>
  nibbles.map((network) => `${[...network].reverse().join(".")}.ip6.arpa`)

const zones = {
  localhost: [
    ...of("loopback", "localhost"),
    ...of("loopback-reverse", ...reverseIPv4("127"), ...reverseIPv6("1".padStart(32, "0")))
  ],
  /** RFC 6761 §6.4, RFC 7686 §2, RFC 9476 §3. */
  invalid: of("absent", "invalid"),
  onion: of("absent", "onion"),
  alt: of("absent", "alt"),
  "resolver.arpa": of("nothing", "resolver.arpa"),
  /** RFC 8375 §4. */
  "home.arpa": of("empty", "home.arpa"),
  /** RFC 9665 §10. */
  "service.arpa": of("empty", "service.arpa"),
  /** Networks that are not in use, or for documentation only (RFC 6303 §4.2–4.6). */
  reserved: of(
    "empty",
    ...reverseIPv4("0", "255.255.255.255", "192.0.2", "198.51.100", "203.0.113"),
    ...reverseIPv6("0".repeat(32), "20010db8")
  ),
  /** Networks for private use (RFC 6303 §4.1, §4.4–4.5, RFC 7793). */
  private: of(
    "empty",
    ...reverseIPv4(
      "10",
      "192.168",
      "169.254",
      ...range(16, 31).map((octet) => `172.${octet}`),
      ...range(64, 127).map((octet) => `100.${octet}`)
    ),
    ...reverseIPv6("fd", "fe8", "fe9", "fea", "feb")
  ),
  /** RFC 6761 §6.2, RFC 6762 §22.1: not answered here by default, for an upstream may serve them. */
  test: of("absent", "test"),
  local: of("absent", "local")
} as const

export type SpecialName = keyof typeof zones

/** All words that there are for them. */
export const specialNames = Object.keys(zones) as ReadonlyArray<SpecialName>

/** The word of `special_names` by which none is answered here. */
export const NO_SPECIAL_NAMES = "none"

/** All but those that many sites serve themselves. */
export const DEFAULT_SPECIAL_NAMES = specialNames.filter((name) => name !== "test" && name !== "local")

/** The same where the system's resolvers are asked: they may know the names of the site's own networks. */
export const SPECIAL_NAMES_BESIDE_SYSTEM_RESOLVERS = DEFAULT_SPECIAL_NAMES.filter(
  (name) => name !== "private" && name !== "home.arpa"
)

/** The zones that these words stand for. */
export const specialZones = (
  names: ReadonlyArray<SpecialName | typeof NO_SPECIAL_NAMES>
): ReadonlyArray<SpecialZone> =>
  names.includes(NO_SPECIAL_NAMES) ? [] : names.flatMap((name) => (name === NO_SPECIAL_NAMES ? [] : zones[name]))
