/**
 * A question as it is asked upstream and kept by: everything on which an answer depends.
 *
 * Name in lower case, type, class, DO and CD (RFC 4035 §4.7, RFC 6840 §5.9), which upstreams are asked, and the
 * client's network where they are told of it (RFC 7871). Not RD, not AD, not the transport.
 */

import type { ClientContext } from "./client-context.ts"
import { Flag, OPTION_PADDING, Type } from "./codes.ts"
import { formatName, lowerCased, sameName } from "./name.ts"
import type { Query } from "./query.ts"
import { typeName } from "./record-types.ts"
import { sameSubnet } from "./subnet.ts"
import { copyOctets, HEADER_SIZE, putU16, putU32 } from "./wire.ts"

/**
 * What is asked upstream.
 *
 * **When to use**
 *
 * Use as what a step around the upstreams, or an upstream of one's own, is asked. {@link formatName} makes its name a text.
 */
export interface Question {
  /** Uncompressed, in lower case. */
  readonly name: Uint8Array
  readonly type: number
  readonly class: number
  readonly dnssecOk: boolean
  readonly checkingDisabled: boolean
  /** Whose answer it is: the fingerprint of the upstreams that are asked; 0 for those that everybody asks. */
  readonly view: number
  /** Where it comes from; undefined where that makes no difference, as for most. */
  readonly clientContext: ClientContext | undefined
}

export const questionOf = (query: Query, view = 0, clientContext: ClientContext | undefined = undefined): Question => ({
  name: lowerCased(query.wire, HEADER_SIZE, query.nameLength),
  type: query.type,
  class: query.class,
  dnssecOk: query.dnssecOk,
  checkingDisabled: query.checkingDisabled,
  view,
  clientContext
})

/** Whether an answer to one is an answer to the other. */
export const sameQuestion = (a: Question, b: Question): boolean =>
  a.type === b.type &&
  a.class === b.class &&
  a.dnssecOk === b.dnssecOk &&
  a.checkingDisabled === b.checkingDisabled &&
  a.view === b.view &&
  (a.clientContext === b.clientContext || sameSubnet(a.clientContext?.subnet, b.clientContext?.subnet)) &&
  a.name.length === b.name.length &&
  sameName(a.name, 0, b.name, 0, a.name.length)

/** One text for equal questions, another for different ones: a key for maps off the hot path. */
export const questionKey = (question: Question): string =>
  Buffer.from(question.name).toString("latin1") +
  String.fromCharCode(
    question.type,
    question.class,
    (question.dnssecOk ? 1 : 0) | (question.checkingDisabled ? 2 : 0),
    question.view & 0xffff,
    question.view >>> 16
  ) +
  (question.clientContext?.subnet === undefined ? "" : Buffer.from(question.clientContext.subnet).toString("latin1"))

/**
 * `www.example.com A`, for people.
 *
 * **When to use**
 *
 * Use to log a question.
 *
 * **Example** (A line of a log)
 *
 * ```ts
 * import { formatQuestion, type Question } from "strand-dns"
 *
 * const lineFor = (question: Question): string => `asked: ${formatQuestion(question)}`
 * ```
 */
export const formatQuestion = (question: Question): string => `${formatName(question.name)} ${typeName(question.type)}`

/** Name, type and class as they stand in a message, written at `at`; returns the offset past them. */
export const writeQuestion = (out: Uint8Array, question: Question, at: number): number => {
  copyOctets(question.name, 0, question.name.length, out, at)
  const end = at + question.name.length
  putU16(out, end, question.type)
  putU16(out, end + 2, question.class)
  return end + 4
}

/** An EDNS option of a message of ours. */
export interface Option {
  readonly code: number
  readonly data: Uint8Array
}

/** Octets of which queries under encryption are a multiple, so that their length says little (RFC 8467 §4.1). */
export const PADDED_BLOCK = 128
/** RFC 7830 §3. */

/**
 * Writes the message that asks an upstream into `out`: RD and AD set (RFC 6840 §5.7), CD and DO as in the question, our
 * OPT with the options given, unless `edns` is false.
 *
 * @param out at least 290 octets and the options, and a block more
 * @param block octets of which the message becomes a multiple by padding, where there is an OPT; 1 for none
 * @returns the message's length
 */
export const writeQuery = (
  out: Uint8Array,
  id: number,
  question: Question,
  udpSize: number,
  edns: boolean,
  options: ReadonlyArray<Option>,
  block = 1
): number => {
  putU16(out, 0, id)
  putU16(out, 2, Flag.RD | Flag.AD | (question.checkingDisabled ? Flag.CD : 0))
  putU16(out, 4, 1)
  putU32(out, 6, 0)
  putU16(out, 10, edns ? 1 : 0)
  let at = writeQuestion(out, question, HEADER_SIZE)
  if (!edns) return at
  out[at] = 0
  putU16(out, at + 1, Type.OPT)
  putU16(out, at + 3, udpSize)
  putU16(out, at + 5, 0)
  putU16(out, at + 7, question.dnssecOk ? 0x8000 : 0)
  const lengthAt = at + 9
  at += 11
  for (const { code, data } of options) {
    putU16(out, at, code)
    putU16(out, at + 2, data.length)
    copyOctets(data, 0, data.length, out, at + 4)
    at += 4 + data.length
  }
  if (block > 1) {
    const end = Math.ceil((at + 4) / block) * block
    putU16(out, at, OPTION_PADDING)
    putU16(out, at + 2, end - at - 4)
    out.fill(0, at + 4, end)
    at = end
  }
  putU16(out, lengthAt, at - lengthAt - 2)
  return at
}
