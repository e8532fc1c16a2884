/** An answer as `strand query` prints it: what is no record stands behind `;;`, as in a zone file. */
import { milliseconds } from "../text/amounts.ts"
import { printable } from "../text/printable.ts"
import type { Style } from "../text/style.ts"
import type { Edns, ShownMessage, ShownRecord } from "./message.ts"

interface Circumstances {
  readonly server: string
  readonly protocol: string
  readonly tookMs: number
}

export const answerLines = (
  message: ShownMessage,
  { server, protocol, tookMs }: Circumstances,
  paint: Style
): ReadonlyArray<string> => {
  const { question, rcode, flags, edns, errors } = message
  const paintRcode = rcode === "NOERROR" ? paint.green : rcode === "NXDOMAIN" ? paint.yellow : paint.red
  const asked = question === null ? "none" : `${question.name} ${question.class} ${question.type}`
  return [
    `;; question: ${paint.bold(printable(asked))}`,
    `;; status: ${paintRcode(rcode)}; flags: ${flags.join(" ")}; id: ${message.id}`,
    ...(edns === null ? [] : [`;; EDNS: ${ednsText(edns)}`]),
    ...errors.map(({ code, name, text }) =>
      paint.yellow(`;; EDE ${code} (${name})${text === "" ? "" : `: ${printable(text)}`}`)
    ),
    ...section("answer", message.answer, paint),
    ...section("authority", message.authority, paint),
    ...section("additional", message.additional, paint),
    "",
    paint.dim(`;; ${milliseconds(tookMs)} ms, ${message.octets} octets, by ${protocol} from ${printable(server)}`)
  ]
}

const ednsText = ({ version, udpPayloadSize, dnssecOk, subnet, options }: Edns): string =>
  [
    `version ${version}`,
    `UDP ${udpPayloadSize}`,
    ...(dnssecOk ? ["DO"] : []),
    ...(subnet === null ? [] : [`subnet ${subnet}`]),
    ...options.map(printable)
  ].join(", ")

const section = (title: string, records: ReadonlyArray<ShownRecord>, paint: Style): ReadonlyArray<string> => {
  if (records.length === 0) return []
  const widths = [width(records, ({ name }) => name), width(records, ({ ttl }) => String(ttl))] as const
  const typeWidth = width(records, ({ type }) => type)
  return [
    "",
    paint.dim(`;; ${title}`),
    ...records.map(({ name, ttl, class: is, type, data }) =>
      [
        printable(name).padEnd(widths[0]),
        String(ttl).padStart(widths[1]),
        is,
        type.padEnd(typeWidth),
        printable(data)
      ].join(" ")
    )
  ]
}

const width = (records: ReadonlyArray<ShownRecord>, text: (record: ShownRecord) => string): number =>
  Math.max(...records.map((record) => printable(text(record)).length))

/** The data of the answer, one line each. */
export const shortLines = ({ answer }: ShownMessage): ReadonlyArray<string> => answer.map(({ data }) => printable(data))
