/** Data of records for zone files, drawn at random, type by type. */

/** A number from 0 up to below its argument. */
export type Random = (below: number) => number

const hex = (random: Random, octets: number): string =>
  Array.from({ length: octets }, () => random(256).toString(16).padStart(2, "0")).join("")

const letters = "abcdefghijklmnopqrstuvwxyz0123456789"

const word = (random: Random, length: number): string =>
  Array.from({ length }, () => letters[random(letters.length)]).join("")

const quoted = (random: Random, length: number): string => `"${word(random, length)}"`

/** One text, some, or so many that the answer does not fit a datagram. */
const text = (random: Random): string => {
  const sizes = [[0], [1], [20], [255], [255, 255], [0, 5, 0], Array(6).fill(150), Array(20).fill(random(255))]
  return sizes[random(sizes.length)]!.map((size: number) => quoted(random, size)).join(" ")
}

const base64 = (random: Random, octets: number): string => Buffer.from(hex(random, octets), "hex").toString("base64")

const ipv6 = (random: Random): string => `2001:db8:${random(65536).toString(16)}::${random(65536).toString(16)}`

const signature = (random: Random, type: string): string =>
  `${type} 13 2 3600 20300101000000 20200101000000 ${random(65536)} @ ${base64(random, 64)}`

/** By type: the data of one record; `name` gives a name to point to. */
export const dataMakers: Readonly<Record<string, (random: Random, name: () => string) => string>> = {
  A: (random) => `192.0.2.${random(256)}`,
  AAAA: ipv6,
  MX: (random, name) => `${random(100)} ${name()}`,
  TXT: text,
  SPF: text,
  SRV: (random, name) => `${random(9)} ${random(9)} ${random(65536)} ${name()}`,
  PTR: (_random, name) => name(),
  NAPTR: (random, name) => `${random(9)} ${random(9)} "u" "E2U+sip" "!^.*$!sip:${word(random, 8)}@x.test!" ${name()}`,
  CAA: (random) => `0 issue "${word(random, 12)}.test"`,
  TLSA: (random) => `3 1 1 ${hex(random, 32)}`,
  SSHFP: (random) => `4 2 ${hex(random, 32)}`,
  HINFO: (random) => `${quoted(random, 5)} ${quoted(random, 7)}`,
  RP: (_random, name) => `${name()} ${name()}`,
  AFSDB: (_random, name) => `1 ${name()}`,
  KX: (_random, name) => `10 ${name()}`,
  LOC: (random) => `${random(90)} 30 15.000 N ${random(180)} 15 30.000 E 12.00m 1.00m 100.00m 10.00m`,
  URI: (random) => `10 1 "https://${word(random, 9)}.test/"`,
  HTTPS: (random, name) => (random(3) === 0 ? `0 ${name()}` : `1 . alpn=h2,h3 ipv4hint=192.0.2.${random(256)}`),
  SVCB: (random, name) => `${1 + random(5)} ${name()} alpn=dot port=${random(65536)}`,
  DS: (random) => `${random(65536)} 13 2 ${hex(random, 32)}`,
  CDS: (random) => `${random(65536)} 13 2 ${hex(random, 32)}`,
  DNSKEY: (random) => `257 3 13 ${base64(random, 64)}`,
  CDNSKEY: (random) => `257 3 13 ${base64(random, 64)}`,
  CERT: (random) => `1 ${random(65536)} 8 ${base64(random, 90)}`,
  OPENPGPKEY: (random) => base64(random, 200),
  EUI48: (random) => hex(random, 6).match(/../g)!.join("-"),
  TYPE65280: (random) => {
    const octets = random(40)
    return `\\# ${octets} ${hex(random, octets)}`
  },
  TYPE1234: () => "\\# 0",
  RRSIG: (random) => signature(random, ["A", "TXT", "MX"][random(3)]!)
}

/** Types by which the names of zones are mostly known. */
export const commonTypes = ["A", "AAAA", "MX", "TXT", "SRV", "HTTPS"] as const

export const rareTypes: ReadonlyArray<string> = Object.keys(dataMakers).filter(
  (type) => !(commonTypes as ReadonlyArray<string>).includes(type) && type !== "RRSIG"
)
