/**
 * What an answer is kept under in Redis: all on which it depends (`dns/question.ts`), the group by its fingerprint.
 *
 * | octets | what |
 * | --- | --- |
 * | 9 | `strand:1:`, 1 being the format of keys and values |
 * | 8 | fingerprint of the group |
 * | 1 | DO and CD, one bit each |
 * | 2, 2 | type, class |
 * | 1 – 255 | the name, uncompressed, in lower case |
 */
import type { Question } from "../../../dns/question.ts"
import { copyOctets, putU16 } from "../../../dns/wire.ts"

const PREFIX = Buffer.from("strand:1:")

/** @param fingerprint of the group (`group-fingerprint.ts`) */
export const redisKeyOf = (question: Question, fingerprint: Uint8Array): Buffer => {
  const { name } = question
  const at = PREFIX.length + fingerprint.length
  const key = Buffer.allocUnsafe(at + 5 + name.length)
  copyOctets(PREFIX, 0, PREFIX.length, key, 0)
  copyOctets(fingerprint, 0, fingerprint.length, key, PREFIX.length)
  key[at] = (question.dnssecOk ? 1 : 0) | (question.checkingDisabled ? 2 : 0)
  putU16(key, at + 1, question.type)
  putU16(key, at + 3, question.class)
  copyOctets(name, 0, name.length, key, at + 5)
  return key
}
