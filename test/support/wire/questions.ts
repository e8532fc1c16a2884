/** Queries about the names of zones, and about names that are not there, in every shape that a client may give them. */
import { type Octets, octets, opt, option, query, question, seeded, wireName, word } from "./messages.ts"
import type { Random } from "./record-data.ts"
import type { Zone } from "./zones.ts"

export interface Asked {
  readonly wire: Buffer
  readonly transport: "udp" | "tcp"
  readonly type: number
  /** What it looks like, for people. */
  readonly text: string
}

const typeNumbers: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  AAAA: 28,
  LOC: 29,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  CERT: 37,
  DNAME: 39,
  DS: 43,
  SSHFP: 44,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  TLSA: 52,
  CDS: 59,
  CDNSKEY: 60,
  OPENPGPKEY: 61,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  EUI48: 108,
  ANY: 255,
  URI: 256,
  CAA: 257,
  TYPE1234: 1234,
  TYPE65280: 65_280,
  TYPE65535: 65_535
}
const allTypes = Object.keys(typeNumbers)
const usualTypes = ["A", "AAAA", "MX", "TXT", "SRV", "HTTPS", "CNAME", "NS", "SOA", "DS", "ANY"]

const pick = <A>(random: Random, from: ReadonlyArray<A>): A => from[random(from.length)]!

/** The name, or one near it: below it, beside it, above it, as a wildcard would match it. */
const nameNear = (random: Random, owner: string): string => {
  const isWildcard = owner.startsWith("*.")
  const parent = owner.replace(/^([^.\\]|\\.)*\./, "")
  const near = [
    () => owner,
    () => owner,
    () => owner,
    () => `missing${random(1000)}.${parent}`,
    () => `below.${owner}`,
    () => `a.b.c.${parent}`,
    () => parent
  ]
  const asMatched = [() => `m${random(50)}.${parent}`, () => `x.y.${parent}`, () => owner, () => parent]
  return pick(random, isWildcard ? asMatched : near)()
}

/** Letters in either case, at random (RFC 4343): as resolvers send them to be harder to forge. */
const mixCase = (random: Random, name: Uint8Array): Uint8Array =>
  name.map((octet) =>
    ((octet >= 0x41 && octet <= 0x5a) || (octet >= 0x61 && octet <= 0x7a)) && random(2) === 0 ? octet ^ 0x20 : octet
  )

const ednsSizes = [0, 100, 511, 512, 513, 700, 1232, 1233, 1400, 4096, 65_535]
const ednsOptions: ReadonlyArray<Octets> = [
  [],
  [],
  [],
  option(3, []),
  option(10, [1, 2, 3, 4, 5, 6, 7, 8]),
  option(8, [0, 1, 24, 0, 192, 0, 2]),
  option(12, new Uint8Array(30)),
  option(11, []),
  option(65_001, [1, 2, 3]),
  octets(option(3, []), option(10, [1, 2, 3, 4, 5, 6, 7, 8]), option(100, []))
]

/** The same ones for the same seed. */
export const drawQuestions = (zones: ReadonlyArray<Zone>, count: number, seed: number): ReadonlyArray<Asked> => {
  const random = seeded(seed)
  const drawn: Array<Asked> = []
  while (drawn.length < count) {
    const zone = pick(random, zones)
    const owner = pick(random, zone.owners)
    const text = nameNear(random, owner.name)
    const type = pick(random, [...owner.types, ...owner.types, pick(random, usualTypes), pick(random, allTypes)])
    let name: Uint8Array
    try {
      name = wireName(text)
    } catch {
      // Too long by what was put before it.
      continue
    }
    const flags =
      (random(30) === 0 ? 0 : 0x0100) |
      (random(5) === 0 ? 0x20 : 0) |
      (random(5) === 0 ? 0x10 : 0) |
      (random(20) === 0 ? 0x40 : 0)
    const hasOpt = random(3) > 0
    const size = pick(random, ednsSizes)
    const dnssecOk = random(3) === 0
    const transport = random(5) === 0 ? "tcp" : "udp"
    const options = pick(random, ednsOptions)
    const spelled = random(3) === 0 ? mixCase(random, name) : name
    const wire = query({
      id: drawn.length & 0xffff,
      flags,
      questions: [question(spelled, typeNumbers[type]!)],
      additionals: hasOpt ? [opt({ size, flags: dnssecOk ? 0x8000 : 0, options })] : []
    })
    const edns = hasOpt
      ? ` edns ${size}${dnssecOk ? " DO" : ""} options ${Buffer.from(octets(options)).toString("hex")}`
      : ""
    drawn.push({
      wire: Buffer.from(wire),
      transport,
      type: typeNumbers[type]!,
      text: `${text} ${type} ${transport} flags ${Buffer.from(word(flags)).toString("hex")}${edns}`
    })
  }
  return drawn
}
