/** Types of records by the names that IANA gives them, as far as people meet them. */

const numbers: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ...{ A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, HINFO: 13, MX: 15, TXT: 16, RP: 17, AFSDB: 18, RT: 21, SIG: 24 },
    ...{ AAAA: 28, LOC: 29, SRV: 33, NAPTR: 35, KX: 36, CERT: 37, DNAME: 39, OPT: 41, APL: 42, DS: 43, SSHFP: 44 },
    ...{ IPSECKEY: 45, RRSIG: 46, NSEC: 47, DNSKEY: 48, DHCID: 49, NSEC3: 50, NSEC3PARAM: 51, TLSA: 52, SMIMEA: 53 },
    ...{ HIP: 55, CDS: 59, CDNSKEY: 60, OPENPGPKEY: 61, CSYNC: 62, ZONEMD: 63, SVCB: 64, HTTPS: 65, SPF: 99 },
    ...{ EUI48: 108, EUI64: 109, TSIG: 250, IXFR: 251, AXFR: 252, ANY: 255, URI: 256, CAA: 257, RESINFO: 261 }
  })
)

const names: ReadonlyMap<number, string> = new Map([...numbers].map(([name, number]) => [number, name] as const))

/** Names of types, in the order of their numbers. */
export const typeNames: ReadonlyArray<string> = [...numbers.keys()]

/** `A`, `MX`, …; `TYPE65280` where the type has no name here (RFC 3597 §5). */
export const typeName = (type: number): string => names.get(type) ?? `TYPE${type}`

/** The number of a type: of `mx`, `TYPE65280` (RFC 3597 §5), `28`; undefined where the text is none. */
export const typeNumber = (text: string): number | undefined => {
  const name = text.trim().toUpperCase()
  const number = Number(/^(?:TYPE)?(\d{1,5})$/.exec(name)?.[1] ?? numbers.get(name))
  return number > 0 && number <= 0xffff ? number : undefined
}
