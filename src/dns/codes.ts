/**
 * The numbers that IANA assigned to DNS and that this server acts on.
 * Types it does not name pass through untouched (RFC 3597).
 */

/**
 * Response codes.
 *
 * **When to use**
 *
 * Use with {@link messageFor} and {@link sendError}.
 *
 * **Example** (No such name)
 *
 * ```ts
 * import { messageFor, type Question, Rcode } from "strand-dns"
 *
 * const denied = (question: Question): Uint8Array => messageFor(question, [], Rcode.NXDomain)
 * ```
 */
export const Rcode = {
  NoError: 0,
  FormErr: 1,
  ServFail: 2,
  NXDomain: 3,
  NotImp: 4,
  Refused: 5,
  YXDomain: 6,
  /** Twelve bits long: its upper eight travel in the OPT (RFC 6891 §6.1.3). */
  BadVers: 16,
  /** The same; the cookie that comes with it is to be shown (RFC 7873 §5.2.4). */
  BadCookie: 23
} as const

/**
 * Types of records. Those that are not named here are given as numbers.
 *
 * **When to use**
 *
 * Use to look at what a question asks for, and to make records.
 *
 * **Example** (Questions for addresses)
 *
 * ```ts
 * import { type Question, Type } from "strand-dns"
 *
 * const isForAddress = ({ type }: Question): boolean => type === Type.A || type === Type.AAAA
 * ```
 */
export const Type = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AFSDB: 18,
  RT: 21,
  SIG: 24,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  NSEC3: 50,
  SVCB: 64,
  HTTPS: 65,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255
} as const

/** CH holds what servers say of themselves (RFC 4892). */
export const Class = { IN: 1, CH: 3 } as const

/** Bits of the header's second 16-bit word (RFC 1035 §4.1.1, RFC 4035 §3). */
export const Flag = {
  QR: 0x8000,
  OpcodeMask: 0x7800,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  AD: 0x0020,
  CD: 0x0010,
  RcodeMask: 0x000f
} as const

/** Extended DNS Errors (RFC 8914 §4). */
export const ExtendedError = {
  Other: 0,
  StaleAnswer: 3,
  CachedError: 13,
  Blocked: 15,
  Prohibited: 18,
  StaleNXDomainAnswer: 19,
  NoReachableAuthority: 22,
  NetworkError: 23
} as const

/** EDNS options that clients and upstreams are spoken to by. */
export const OPTION_NSID = 3
export const OPTION_COOKIE = 10
export const OPTION_KEEPALIVE = 11
export const OPTION_PADDING = 12
export const OPTION_EXTENDED_ERROR = 15

const rcodeNames: ReadonlyMap<number, string> = new Map(
  Object.entries(Rcode).map(([name, value]) => [value, name.toUpperCase()] as const)
)

/** `NOERROR`, `SERVFAIL`, …; `RCODE11` where the code has no name here. */
export const rcodeName = (rcode: number): string => rcodeNames.get(rcode) ?? `RCODE${rcode}`

/** The EDNS option that marks this server's own queries: from the range for local use (RFC 6891 §9). */
export const LOOP_MARK = 65_314
