/**
 * Zones for NSD, drawn at random by a seed: each kind of owner that a zone can have, in shares that differ from zone to
 * zone.
 */
import { seeded } from "./messages.ts"
import { commonTypes, dataMakers, type Random, rareTypes } from "./record-data.ts"

export interface ZoneShape {
  /** Without the dot at its end. */
  readonly origin: string
  readonly seed: number
  readonly owners: number
  /** Shares of the kinds of owners, in any unit. */
  readonly shares: Partial<Record<OwnerKind, number>>
  /** Names of other zones for aliases to lead to. */
  readonly elsewhere?: ReadonlyArray<string>
}

export interface Zone {
  readonly origin: string
  readonly text: string
  /** Every owner in it, absolute, as it would be asked for; wildcards with their `*`. */
  readonly owners: ReadonlyArray<ConnectionEvents>
}

export type OwnerKind =
  | "hosts"
  | "rare"
  | "crowds"
  | "escapes"
  | "deep"
  | "wildcards"
  | "aliases"
  | "strays"
  | "redirects"
  | "delegations"
  | "signed"

export interface ConnectionEvents {
  readonly name: string
  readonly kind: OwnerKind | "apex"
  /** That its records have. */
  readonly types: ReadonlyArray<string>
}

const labels = ["www", "mail", "ns", "a", "b", "x1", "_tcp", "_sip", "_dmarc", "xn--bcher-kva", "0", "42", "Mixed-Case"]
/** Octets that mislead whoever treats names as text (RFC 4343 §2.1, RFC 2181 §11). */
const oddLabels = [
  "a\\.b",
  "sp\\032ace",
  "nul\\000",
  "\\255\\254",
  'q\\"uote',
  "back\\\\slash",
  "at\\@",
  "\\195\\188",
  "\\*",
  "dollar\\$"
]

const pick = <A>(random: Random, from: ReadonlyArray<A>): A => from[random(from.length)]!

const label = (random: Random): string =>
  random(3) === 0 ? pick(random, labels) : `${pick(random, labels)}${random(10_000)}`

/** As long as names get: labels of 63 octets down to the zone's origin (RFC 1035 §2.3.4). */
const longName = (random: Random, origin: string): string => {
  const room = 253 - origin.length - 1
  const parts: Array<string> = []
  for (let left = room; left > 0; left -= 64) {
    const length = Math.min(63, left)
    parts.push(Array.from({ length }, () => String.fromCharCode(97 + random(26))).join(""))
  }
  return [...parts, origin].join(".")
}

export const makeZone = ({ origin, seed, owners: count, shares, elsewhere = [] }: ZoneShape): Zone => {
  const random = seeded(seed)
  const owners: Array<ConnectionEvents> = []
  const lines = [
    `$ORIGIN ${origin}.`,
    `$TTL ${60 + random(7000)}`,
    `@ SOA ns.${origin}. host.${origin}. 1 3600 600 86400 ${30 + random(600)}`,
    "@ NS ns",
    "ns A 127.0.0.1"
  ]
  const taken = new Set<string>([origin, `ns.${origin}`])
  const kinds = Object.entries(shares).flatMap(([kind, share]) => Array<OwnerKind>(share).fill(kind as OwnerKind))
  const known = (): string => (owners.length === 0 ? `ns.${origin}.` : `${pick(random, owners).name}.`)

  const write = (
    name: string,
    kind: ConnectionEvents["kind"],
    records: ReadonlyArray<readonly [type: string, data: string]>
  ): void => {
    owners.push({ name, kind, types: [...new Set(records.map(([type]) => type))] })
    const ttls = new Map(records.map(([type]) => [type, random(4) === 0 ? random(100_000) : 3600]))
    for (const [type, data] of records) lines.push(`${name}. ${ttls.get(type)} ${type} ${data}`)
  }
  const make = (type: string): readonly [string, string] => [type, dataMakers[type]!(random, known)]
  const freshName = (base: string): string => {
    let name = base
    while (taken.has(name.toLowerCase())) name = `${label(random)}.${origin}`
    taken.add(name.toLowerCase())
    return name
  }

  write(origin, "apex", [make("MX"), make("TXT"), make("A"), make("CAA")])
  const writers: Record<OwnerKind, () => void> = {
    hosts: () =>
      write(freshName(`${label(random)}.${origin}`), "hosts", [
        make("A"),
        ...Array.from({ length: random(4) }, () => make(pick(random, commonTypes)))
      ]),
    rare: () =>
      write(
        freshName(`${label(random)}.${origin}`),
        "rare",
        Array.from({ length: 1 + random(3) }, () => make(pick(random, rareTypes)))
      ),
    crowds: () => {
      const type = pick(random, ["A", "AAAA", "TXT", "MX", "SRV", "TYPE65280"])
      // Three hundred texts are more than a message can hold: nobody can be given those.
      const size = pick(random, [3, 10, 28, 29, 30, 60, 75, 120, 300])
      write(
        freshName(`${label(random)}.${origin}`),
        "crowds",
        Array.from({ length: size }, () => make(type))
      )
    },
    escapes: () => {
      const name = `${pick(random, oddLabels)}${random(100)}.${random(2) === 0 ? "" : `${pick(random, oddLabels)}.`}${origin}`
      write(freshName(name), "escapes", [make("A"), make("TXT")])
    },
    deep: () => {
      const name =
        random(4) === 0
          ? longName(random, origin)
          : [...Array.from({ length: 2 + random(30) }, () => pick(random, "abcdefgh0123".split(""))), origin].join(".")
      write(freshName(name), "deep", [make("A"), make(pick(random, rareTypes))])
    },
    wildcards: () =>
      write(
        freshName(`*.${label(random)}.${random(3) === 0 ? `${label(random)}.` : ""}${origin}`),
        "wildcards",
        random(4) === 0 ? [["CNAME", known()]] : [make("A"), make(pick(random, commonTypes)), make("MX")]
      ),
    // Chains grow, for what an alias leads to may be an alias.
    aliases: () => write(freshName(`${label(random)}.${origin}`), "aliases", [["CNAME", known()]]),
    strays: () => {
      const target =
        random(3) === 0 ? `${label(random)}.nobody-serves.example.` : `${pick(random, [...elsewhere, origin])}.`
      const missing = random(2) === 0 ? `missing${random(99)}.` : ""
      write(freshName(`${label(random)}.${origin}`), "strays", [["CNAME", `${missing}${target}`]])
    },
    // Under a name of its own, for nothing may stand below a DNAME (RFC 6672 §2.4).
    redirects: () =>
      write(freshName(`dname${owners.length}.${origin}`), "redirects", [
        ["DNAME", pick(random, [`${origin}.`, known()])]
      ]),
    delegations: () => {
      const name = freshName(`cut${owners.length}.${origin}`)
      const glue = `ns.${name}`
      write(name, "delegations", [["NS", `${glue}.`], ...(random(2) === 0 ? [make("DS")] : [])])
      lines.push(`${glue}. A 127.0.0.${1 + random(250)}`)
    },
    signed: () =>
      write(freshName(`${label(random)}.${origin}`), "signed", [
        make("A"),
        make("TXT"),
        ["RRSIG", dataMakers["RRSIG"]!(random, known)]
      ])
  }
  for (let i = 0; i < count; i++) writers[pick(random, kinds)]()
  if (shares.signed !== undefined) {
    lines.push(`@ DNSKEY ${dataMakers["DNSKEY"]!(random, known)}`)
    lines.push(`@ RRSIG ${dataMakers["RRSIG"]!(random, known).replace(/^\w+/, "SOA")}`)
    lines.push(`@ RRSIG ${dataMakers["RRSIG"]!(random, known).replace(/^\w+/, "DNSKEY")}`)
  }
  return { origin, text: `${lines.join("\n")}\n`, owners }
}
