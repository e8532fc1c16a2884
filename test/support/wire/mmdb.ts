/** Small databases in MaxMind's format, with whatever records a test wants (MaxMind DB file format 2.0). */
import { isIPv4 } from "node:net"
import { Result } from "effect"
import { NetAddress } from "effect/net"

type Value = string | number | { readonly [key: string]: Value }

/** Numbers are written as doubles. */
export const geoDatabase = (records: Readonly<Record<string, Value>>): Buffer => {
  const data: Array<number> = []
  const nodes: Array<[number | undefined, number | undefined]> = [[undefined, undefined]]
  const leaves = new Map<string, number>()
  for (const [network, value] of Object.entries(records)) {
    const offset = data.length
    data.push(...encode(value))
    const [address, length] = network.split("/")
    const bits = bitsOf(address!).slice(0, Number(length) + (isIPv4(address!) ? 96 : 0))
    let node = 0
    for (const bit of bits.slice(0, -1)) {
      const next = nodes[node]![bit] ?? nodes.push([undefined, undefined]) - 1
      nodes[node]![bit] = next
      node = next
    }
    leaves.set(`${node} ${bits.at(-1)}`, offset)
  }
  const tree = nodes.flatMap((children, node) =>
    ([0, 1] as const).flatMap((side) => {
      const leaf = leaves.get(`${node} ${side}`)
      return bytes(leaf === undefined ? (children[side] ?? nodes.length) : nodes.length + 16 + leaf, 3)
    })
  )
  const metadata = encodeMap([
    ["node_count", [0xc4, ...bytes(nodes.length, 4)]],
    ["record_size", [0xa2, 0, 24]],
    ["ip_version", [0xa2, 0, 6]],
    ["database_type", encode("Test-City")],
    ["languages", [0x00, 0x04]],
    ["binary_format_major_version", [0xa2, 0, 2]],
    ["binary_format_minor_version", [0xa2, 0, 0]],
    ["build_epoch", [0x04, 0x02, ...bytes(1_767_225_600, 4)]],
    ["description", [0xe0]]
  ])
  return Buffer.from([
    ...tree,
    ...new Array<number>(16).fill(0),
    ...data,
    ...Buffer.from("abcdef4d61784d696e642e636f6d", "hex"),
    ...metadata
  ])
}

/** As MaxMind's databases of cities have it. */
export const city = (country: string, continent: string, latitude: number, longitude: number): Value => ({
  continent: { code: continent },
  country: { iso_code: country },
  location: { latitude, longitude }
})

const bitsOf = (address: string): ReadonlyArray<0 | 1> => {
  const parsed = Result.getOrThrow(NetAddress.ipFromString(address))
  const octets = NetAddress.isIpv4Address(parsed)
    ? [...new Array<number>(12).fill(0), ...NetAddress.ipv4ToOctets(parsed)]
    : [...NetAddress.ipv6ToOctets(parsed)]
  return octets.flatMap((octet) => Array.from({ length: 8 }, (_, i) => ((octet >> (7 - i)) & 1) as 0 | 1))
}

const bytes = (value: number, count: number): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, i) => Math.floor(value / 256 ** (count - 1 - i)) & 255)

const encode = (value: Value): ReadonlyArray<number> => {
  if (typeof value === "string") return [0x40 | value.length, ...Buffer.from(value)]
  if (typeof value === "number") {
    const double = Buffer.alloc(8)
    double.writeDoubleBE(value)
    return [0x68, ...double]
  }
  return encodeMap(Object.entries(value).map(([key, inner]) => [key, encode(inner)]))
}

const encodeMap = (entries: ReadonlyArray<readonly [string, ReadonlyArray<number>]>): ReadonlyArray<number> => [
  0xe0 | entries.length,
  ...entries.flatMap(([key, value]) => [0x40 | key.length, ...Buffer.from(key), ...value])
]
