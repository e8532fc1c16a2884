/**
 * An upstream whose answers follow from the question alone, so that each answer can be checked by itself: one record
 * with a digest of name and type.
 */
import { createHash } from "node:crypto"
import { octets, pointer, QUESTION_NAME, record } from "../wire/messages.ts"
import type { WireBehaviour } from "./fake-upstream.ts"

const A = 1
const AAAA = 28
const TXT = 16
const ANSWER_TTL = 3600

/** Where the question of an uncompressed query ends. */
export const questionEnd = (wire: Buffer): number => {
  let at = 12
  while (wire[at] !== 0) at += wire[at]! + 1
  return at + 5
}

/** The first label of the name asked for, as text. */
export const nameIn = (wire: Buffer): string => wire.toString("latin1", 13, 13 + wire[12]!)

/** The data that the question in this message, query or reply, deserves. */
export const deservedData = (wire: Buffer): Buffer => {
  const end = questionEnd(wire)
  const type = wire.readUInt16BE(end - 4)
  const digest = createHash("sha256")
    .update(wire.toString("latin1", 12, end - 2).toLowerCase(), "latin1")
    .digest()
  if (type === A) return digest.subarray(0, 4)
  if (type === AAAA) return digest.subarray(0, 16)
  return type === TXT ? Buffer.from([20, ...digest.subarray(0, 20)]) : digest.subarray(0, 20)
}

/** The reply to a query, without OPT. Types whose data holds names are answered with nothing. */
export const mirrorReply = (query: Buffer, flags = 0x8180): Buffer => {
  const end = questionEnd(query)
  const type = query.readUInt16BE(end - 4)
  const hasNames = [2, 5, 6, 12, 15, 33, 35, 39].includes(type)
  const answer = hasNames
    ? []
    : record(pointer(QUESTION_NAME), type === 255 ? A : type, ANSWER_TTL, dataFor(query, type))
  const head = octets(query.subarray(0, 2), [flags >> 8, flags & 255, 0, 1, 0, hasNames ? 0 : 1, 0, 0, 0, 0])
  return Buffer.from(octets(head, query.subarray(12, end), answer))
}

const dataFor = (query: Buffer, type: number): Buffer =>
  type === 255 ? deservedData(query).subarray(0, 4) : deservedData(query)

export const mirror: WireBehaviour = (query) => [{ reply: mirrorReply(query) }]
