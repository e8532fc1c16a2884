/** Numbers of the protocol by the names that IANA gives them, as far as people meet them. */
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
