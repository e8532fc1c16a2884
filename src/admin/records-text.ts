/** Records of a message, for people. Off the hot path: read by dns-packet. */
import packet, { type Answer } from "dns-packet"
import { shownType } from "../dns/presentation/packet-type.ts"
import { dataText } from "../dns/presentation/record-data.ts"
import { nameText } from "../dns/presentation/zone-text.ts"
import type { ResourceRecord } from "./api/cache.ts"

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
              name: nameText(record.name),
              type: shownType(record.type),
              ttl: (record.ttl ?? 0) - ageSeconds,
              data: dataText(record)
            }
          ]
    )
  return [
    ...of("answer", message.answers),
    ...of("authority", message.authorities),
    ...of("additional", message.additionals)
  ]
}

/** `www.example.com. 300 A 192.0.2.1` */
export const recordLine = ({ name, ttl, type, data }: typeof ResourceRecord.Type): string =>
  `${name} ${ttl} ${type} ${data}`
