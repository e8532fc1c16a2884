/** Records of a message, for people. Off the hot path: read by dns-packet. */
import packet, { type Answer } from "dns-packet"
import { typeName } from "../dns/record-types.ts"
import type { ResourceRecord } from "./api/cache.ts"

/** Types by their numbers: what dns-packet has no name for is `UNKNOWN_65`. */
const typeText = (type: string): string => {
  const [, number] = /^UNKNOWN_(\d+)$/.exec(type) ?? []
  return number === undefined ? type : typeName(Number(number))
}

/** @param ageSeconds taken from each TTL */
export const recordsOf = (wire: Uint8Array, ageSeconds: number): ReadonlyArray<typeof ResourceRecord.Type> => {
  const message = packet.decode(Buffer.from(wire))
  const of = (section: (typeof ResourceRecord.Type)["section"], records: ReadonlyArray<Answer> | undefined) =>
    (records ?? []).flatMap((record) =>
      record.type === "OPT"
        ? []
        : [
            {
              section,
              name: record.name === "" ? "." : `${record.name}.`,
              type: typeText(record.type),
              ttl: ("ttl" in record && typeof record.ttl === "number" ? record.ttl : 0) - ageSeconds,
              data: dataText("data" in record ? record.data : undefined)
            }
          ]
    )
  return [
    ...of("answer", message.answers),
    ...of("authority", message.authorities),
    ...of("additional", message.additionals)
  ]
}

/** `10 mail.example.com` for an MX: the fields in their order. */
const dataText = (data: unknown): string => {
  if (data instanceof Uint8Array) {
    const text = Buffer.from(data).toString("utf8")
    return /^[\x20-\x7e]*$/.test(text)
      ? JSON.stringify(text)
      : `\\# ${data.length} ${Buffer.from(data).toString("hex")}`
  }
  if (Array.isArray(data)) return data.map(dataText).join(" ")
  if (typeof data === "object" && data !== null) {
    return Object.entries(data)
      .map(
        ([name, value]) =>
          `${name}=${value instanceof Uint8Array ? Buffer.from(value).toString("base64") : String(value)}`
      )
      .join(" ")
  }
  return String(data ?? "")
}

/** `www.example.com. 300 A 192.0.2.1` */
export const recordLine = ({ name, ttl, type, data }: typeof ResourceRecord.Type): string =>
  `${name} ${ttl} ${type} ${data}`
