/** Numbers of the protocol by the names that IANA gives them, as far as people meet them. */

const types: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ...{ A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, HINFO: 13, MX: 15, TXT: 16, RP: 17, AFSDB: 18, AAAA: 28, LOC: 29 },
    ...{ SRV: 33, NAPTR: 35, KX: 36, CERT: 37, DNAME: 39, APL: 42, DS: 43, SSHFP: 44, IPSECKEY: 45, RRSIG: 46 },
    ...{ NSEC: 47, DNSKEY: 48, DHCID: 49, NSEC3: 50, NSEC3PARAM: 51, TLSA: 52, SMIMEA: 53, HIP: 55, CDS: 59 },
    ...{ CDNSKEY: 60, OPENPGPKEY: 61, CSYNC: 62, ZONEMD: 63, SVCB: 64, HTTPS: 65, SPF: 99, EUI48: 108, EUI64: 109 },
    ...{ ANY: 255, URI: 256, CAA: 257, RESINFO: 261 }
  })
)

export const typeNames: ReadonlyArray<string> = [...types.keys()]

/** The number of a type: `MX`, `TYPE65280` (RFC 3597 §5); undefined where it is none. */
export const typeNumber = (text: string): number | undefined => {
  const name = text.toUpperCase()
  const number = Number(/^TYPE(\d{1,5})$/.exec(name)?.[1] ?? types.get(name))
  return number > 0 && number <= 0xffff ? number : undefined
}

/** How dns-packet calls a type that it does not name, and takes any. */
const UNNAMED = "UNKNOWN_"

export const packetType = (type: number): string => `${UNNAMED}${type}`

/** @param name as dns-packet gives it: `A`, `UNKNOWN_65` */
export const shownType = (name: string): string => {
  if (!name.startsWith(UNNAMED)) return name
  const number = Number(name.slice(UNNAMED.length))
  return typeNames.find((each) => types.get(each) === number) ?? `TYPE${number}`
}

/** RFC 1035, 2136, 2845, 6891, 7873. */
const rcodes =
  "NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP REFUSED YXDOMAIN YXRRSET NXRRSET NOTAUTH NOTZONE DSOTYPENI".split(" ")

export const rcodeName = (rcode: number): string =>
  rcodes[rcode] ?? (rcode === 16 ? "BADVERS" : rcode === 23 ? "BADCOOKIE" : `RCODE${rcode}`)

/** Extended DNS Errors (RFC 8914 §4 and IANA's registry), by their numbers. */
const errors: ReadonlyArray<string> = [
  "Other",
  "Unsupported DNSKEY Algorithm",
  "Unsupported DS Digest Type",
  "Stale Answer",
  "Forged Answer",
  "DNSSEC Indeterminate",
  "DNSSEC Bogus",
  "Signature Expired",
  "Signature Not Yet Valid",
  "DNSKEY Missing",
  "RRSIGs Missing",
  "No Zone Key Bit Set",
  "NSEC Missing",
  "Cached Error",
  "Not Ready",
  "Blocked",
  "Censored",
  "Filtered",
  "Prohibited",
  "Stale NXDOMAIN Answer",
  "Not Authoritative",
  "Not Supported",
  "No Reachable Authority",
  "Network Error",
  "Invalid Data",
  "Signature Expired before Valid",
  "Too Early",
  "Unsupported NSEC3 Iterations Value",
  "Unable to conform to policy",
  "Synthesized"
]

export const errorName = (code: number): string => errors[code] ?? "unknown"
