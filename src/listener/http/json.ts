/** Answers in JSON, in the form that public resolvers have (`application/dns-json`). Off the hot path. */
import packet, { type Answer } from "dns-packet"
import { Flag } from "../../dns/codes.ts"
import { shownType } from "../../dns/presentation/packet-type.ts"
import { dataText } from "../../dns/presentation/record-data.ts"
import { nameText } from "../../dns/presentation/zone-text.ts"
import { typeNumber } from "../../dns/record-types.ts"
import { u16 } from "../../dns/wire.ts"

/** Undefined where a record's data is not of its type's form: such is passed on as it is, and has no text. */
export const messageInJson = (message: Uint8Array): Uint8Array | undefined => {
  try {
    return jsonOf(message)
  } catch {
    return undefined
  }
}

const jsonOf = (message: Uint8Array): Uint8Array => {
  const flags = u16(message, 2)
  const has = (flag: number): boolean => (flags & flag) !== 0
  const { answers, authorities, questions = [] } = packet.decode(Buffer.from(message))
  const [answer, authority] = [recordsOf(answers), recordsOf(authorities)]
  return Buffer.from(
    JSON.stringify({
      Status: flags & Flag.RcodeMask,
      TC: has(Flag.TC),
      RD: has(Flag.RD),
      RA: has(Flag.RA),
      AD: has(Flag.AD),
      CD: has(Flag.CD),
      Question: questions.map(({ name, type }) => ({ name: nameText(name), type: typeNumber(shownType(type)) })),
      ...(answer.length > 0 ? { Answer: answer } : {}),
      ...(authority.length > 0 ? { Authority: authority } : {})
    })
  )
}

const recordsOf = (records: ReadonlyArray<Answer> = []) =>
  records.flatMap((record) =>
    record.type === "OPT"
      ? []
      : [
          {
            name: nameText(record.name),
            type: typeNumber(shownType(record.type)),
            TTL: record.ttl ?? 0,
            data: dataText(record)
          }
        ]
  )
