/** EDNS Client Subnet (RFC 7871) in tests: what clients send, what comes back, and an upstream that answers by it. */
import packet, { type DecodedPacket, type Packet } from "dns-packet"
import { reply, type WireBehaviour } from "../upstreams/fake-upstream.ts"

export const CLIENT_SUBNET = 8

export interface SubnetOption {
  readonly family: number
  readonly source: number
  readonly scope: number
  /** Hexadecimal. */
  readonly address: string
}

const optionsOf = (message: Packet): ReadonlyArray<{ readonly code: number; readonly data: Buffer }> =>
  (message.additionals ?? []).flatMap((record) =>
    record.type === "OPT" ? (record.options as unknown as ReadonlyArray<{ code: number; data: Buffer }>) : []
  )

/** The option of a message; undefined where it has none. */
export const subnetIn = (message: Packet | DecodedPacket): SubnetOption | undefined => {
  const data = optionsOf(message).find(({ code }) => code === CLIENT_SUBNET)?.data
  if (data === undefined) return undefined
  return { family: data.readUInt16BE(0), source: data[2]!, scope: data[3]!, address: data.toString("hex", 4) }
}

export const subnetData = ({ family, source, scope, address }: SubnetOption): Buffer =>
  Buffer.from([0, family, source, scope, ...Buffer.from(address, "hex")])

/** EDNS for a question of a client in this IPv4 network. */
export const telling = (address: string, source: number) => {
  const octets = address.split(".").map(Number)
  const used = octets.slice(0, Math.ceil(source / 8))
  if (source % 8 !== 0) used[used.length - 1]! &= 0xff00 >> (source % 8)
  const data = Buffer.from([0, 1, source, 0, ...used])
  return { options: [{ code: CLIENT_SUBNET, data }] } as unknown as { options: [] }
}

/**
 * An upstream that puts into its answer, a TXT record, what it was told: `8.8.8/24`, or `-`.
 *
 * @param scopeOf the scope that it answers with; undefined for no option
 * @param change what it makes of its option, where it is to be a wrong one
 */
export const tellingBack =
  (
    seen: Array<SubnetOption | undefined>,
    scopeOf: (told: SubnetOption) => number | undefined,
    change: (option: SubnetOption) => SubnetOption = (option) => option
  ): WireBehaviour =>
  (query) => {
    const asked = packet.decode(query)
    const told = subnetIn(asked)
    seen.push(told)
    const name = asked.questions![0]!.name
    const text = told === undefined ? "-" : `${told.family}:${told.address}/${told.source}`
    const plain = packet.decode(reply(asked, { answers: [{ name, type: "TXT", ttl: 300, data: text }] }))
    const scope = told === undefined ? undefined : scopeOf(told)
    if (told === undefined || scope === undefined) return [{ reply: packet.encode(plain) }]
    const data = subnetData(change({ ...told, scope }))
    const opt = { type: "OPT", name: ".", udpPayloadSize: 1232, flags: 0, options: [{ code: CLIENT_SUBNET, data }] }
    return [{ reply: packet.encode({ ...plain, additionals: [opt as never] }) }]
  }

/** What such an upstream was told when it gave this answer. */
export const toldIn = (answer: DecodedPacket): string => {
  const record = answer.answers?.find(({ type }) => type === "TXT")
  return record?.type === "TXT" ? String([record.data].flat()[0]) : ""
}
