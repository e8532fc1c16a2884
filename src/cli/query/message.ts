/** A DNS message read for people. */
import packet, { type Answer, type OptAnswer } from "dns-packet"
import { shownType } from "../../dns/presentation/packet-type.ts"
import { dataText } from "../../dns/presentation/record-data.ts"
import { nameText } from "../../dns/presentation/zone-text.ts"
import { rcodeName } from "./codes.ts"
import { readExtendedErrors } from "./extended-errors.ts"

export interface ShownRecord {
  readonly name: string
  readonly ttl: number
  readonly class: string
  readonly type: string
  readonly data: string
}

export interface ShownError {
  readonly code: number
  readonly name: string
  readonly text: string
}

export interface Edns {
  readonly version: number
  readonly udpPayloadSize: number
  readonly dnssecOk: boolean
  /** Options that are neither errors nor a subnet. */
  readonly options: ReadonlyArray<string>
  /** The network that the answer is for, with the bits that it holds for behind the second `/` (RFC 7871). */
  readonly subnet: string | null
}

export interface ShownMessage {
  readonly id: number
  readonly rcode: string
  readonly flags: ReadonlyArray<string>
  readonly question: { readonly name: string; readonly class: string; readonly type: string } | null
  readonly edns: Edns | null
  readonly errors: ReadonlyArray<ShownError>
  readonly answer: ReadonlyArray<ShownRecord>
  readonly authority: ReadonlyArray<ShownRecord>
  readonly additional: ReadonlyArray<ShownRecord>
  readonly octets: number
}

const FLAGS = ["qr", "aa", "tc", "rd", "ra", "ad", "cd"] as const

/** Throws where the octets are no message. */
export const readMessage = (wire: Uint8Array): ShownMessage => {
  const octets = Buffer.from(wire.buffer, wire.byteOffset, wire.length)
  const read = packet.decode(octets)
  const opt = read.additionals?.find((record): record is OptAnswer => record.type === "OPT")
  const [question] = read.questions ?? []
  return {
    id: octets.readUInt16BE(0),
    rcode: rcodeName(((opt?.extendedRcode ?? 0) << 4) | (octets[3]! & 0x0f)),
    flags: FLAGS.filter((flag) => read[`flag_${flag}`]),
    question:
      question === undefined
        ? null
        : { name: nameText(question.name), class: question.class ?? "IN", type: shownType(question.type) },
    edns: opt === undefined ? null : ednsOf(opt),
    errors: opt === undefined ? [] : readExtendedErrors(opt),
    answer: shown(read.answers),
    authority: shown(read.authorities),
    additional: shown(read.additionals),
    octets: wire.length
  }
}

const shown = (records: ReadonlyArray<Answer> | undefined): ReadonlyArray<ShownRecord> =>
  (records ?? []).flatMap((record) =>
    record.type === "OPT"
      ? []
      : [
          {
            name: nameText(record.name),
            ttl: record.ttl ?? 0,
            class: record.class ?? "IN",
            type: shownType(record.type),
            data: dataText(record)
          }
        ]
  )

const SUBNET = 8
const EXTENDED_ERROR = 15

const ednsOf = (opt: OptAnswer): Edns => {
  const subnet = opt.options.find(({ code }) => (code as number) === SUBNET) as
    | { readonly ip?: string; readonly sourcePrefixLength?: number; readonly scopePrefixLength?: number }
    | undefined
  return {
    version: opt.ednsVersion,
    udpPayloadSize: opt.udpPayloadSize,
    dnssecOk: opt.flag_do,
    subnet:
      subnet === undefined ? null : `${subnet.ip}/${subnet.sourcePrefixLength ?? 0}/${subnet.scopePrefixLength ?? 0}`,
    options: opt.options
      .filter(({ code }) => (code as number) !== SUBNET && (code as number) !== EXTENDED_ERROR)
      .map(
        ({ code, type, data }) => `${type ?? `OPTION_${code}`}${data === undefined ? "" : ` ${data.toString("hex")}`}`
      )
  }
}
