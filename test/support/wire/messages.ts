/** Messages for tests: well-formed ones by dns-packet, and others octet by octet, so that one sees what is wrong. */
import packet, { type DecodedPacket, type Packet } from "dns-packet"
import type { TtlBounds } from "../../../src/dns/classify-response.ts"
import { parseName } from "../../../src/dns/name.ts"
import { Query, readQuery } from "../../../src/dns/query.ts"
import type { Question } from "../../../src/dns/question.ts"
import type { AnswerMessage } from "../../../src/dns/reply.ts"
import { joinAnswers, normalise, type Response } from "../../../src/dns/response.ts"

export type Octets = ReadonlyArray<number> | Uint8Array

export const octets = (...parts: ReadonlyArray<number | Octets>): Uint8Array => {
  const joined = new Uint8Array(
    parts.reduce<number>((sum, part) => sum + (typeof part === "number" ? 1 : part.length), 0)
  )
  let at = 0
  for (const part of parts) {
    if (typeof part === "number") joined[at++] = part
    else {
      joined.set(part, at)
      at += part.length
    }
  }
  return joined
}

export const word = (value: number): ReadonlyArray<number> => [(value >>> 8) & 255, value & 255]

export const long = (value: number): ReadonlyArray<number> => [...word(value >>> 16), ...word(value & 0xffff)]

export const wireName = (text: string): Uint8Array => {
  const name = parseName(text)
  if (name === undefined) throw new Error(`not a name: ${text}`)
  return name
}

/** A name compressed to nothing but a pointer. */
export const pointer = (offset: number): Uint8Array => octets(word(0xc000 | offset))

/** A name ended by a pointer. */
export const withPointer = (text: string, offset: number): Uint8Array =>
  octets(wireName(text).subarray(0, -1), pointer(offset))

export const QUESTION_NAME = 12

export const record = (owner: Octets, type: number, ttl: number, data: Octets, length = data.length): Uint8Array =>
  octets(owner, word(type), word(1), long(ttl), word(length), data)

export const option = (code: number, data: Octets, length = data.length): Uint8Array =>
  octets(word(code), word(length), data)

export const opt = (
  fields: {
    readonly owner?: Octets
    readonly size?: number
    readonly upperRcode?: number
    readonly version?: number
    readonly flags?: number
    readonly options?: Octets
    readonly length?: number
  } = {}
): Uint8Array => {
  const options = fields.options ?? []
  return octets(
    fields.owner ?? [0],
    word(41),
    word(fields.size ?? 1232),
    fields.upperRcode ?? 0,
    fields.version ?? 0,
    word(fields.flags ?? 0),
    word(fields.length ?? options.length),
    options
  )
}

export const question = (name: string | Octets, type = 1, klass = 1): Uint8Array =>
  octets(typeof name === "string" ? wireName(name) : name, word(type), word(klass))

export interface Parts {
  readonly id?: number
  readonly flags?: number
  readonly questions?: ReadonlyArray<Octets>
  readonly answers?: ReadonlyArray<Octets>
  readonly authorities?: ReadonlyArray<Octets>
  readonly additionals?: ReadonlyArray<Octets>
  /** Octets behind the last record. */
  readonly after?: Octets
}

export const message = (parts: Parts): Uint8Array => {
  const sections = [parts.questions, parts.answers, parts.authorities, parts.additionals].map((part) => part ?? [])
  return octets(
    word(parts.id ?? 0x1234),
    word(parts.flags ?? 0x0100),
    ...sections.map((section) => word(section.length)),
    ...sections.flat(),
    parts.after ?? []
  )
}

/** A query for www.example.com A with RD, unless told otherwise. */
export const query = (parts: Parts = {}): Uint8Array => message({ questions: [question("www.example.com")], ...parts })

/** A response to `www.example.com A`. */
export const response = (parts: Parts = {}): Uint8Array => query({ flags: 0x8180, ...parts })

export const read = (wire: Uint8Array): { readonly verdict: number; readonly query: Query } => {
  const into = new Query()
  return { verdict: readQuery(into, wire, wire.length), query: into }
}

export const asked = (name: string, type = 1, flags: { readonly dnssecOk?: boolean; readonly cd?: boolean } = {}) =>
  ({
    name: wireName(name),
    type,
    class: 1,
    dnssecOk: flags.dnssecOk ?? false,
    checkingDisabled: flags.cd ?? false,
    view: 0,
    clientContext: undefined
  }) satisfies Question

export const WWW = asked("www.example.com")
export const ANY_TTL: TtlBounds = { minSeconds: 0, maxSeconds: 86_400, maxNegativeSeconds: 86_400 }

export const normalised = (wire: Uint8Array, to: Question = WWW, ttl: TtlBounds = ANY_TTL): Response => {
  const rewritten = normalise(wire, wire.length, to, ttl)
  if (rewritten === undefined) throw new Error("the response was rejected")
  return rewritten
}

/** All records of a well-formed message in the form in which answers are kept, to do with its question or not. */
export const rewritten = (wire: Uint8Array, to: Question = WWW): Uint8Array => {
  const before = message({ flags: 0x81a0, questions: [question(to.name, to.type, to.class)] })
  const joined = joinAnswers(before, wire, to)
  if (joined === undefined) throw new Error("the response was rejected")
  return joined
}

export const answerMessage = (wire: Uint8Array, fields: Partial<AnswerMessage> = {}): AnswerMessage => ({
  wire,
  length: wire.length,
  ageSeconds: 0,
  rotation: 0,
  scope: 0,
  ...fields
})

export const encode = (fields: Packet): Uint8Array => new Uint8Array(packet.encode(fields))

export const decode = (wire: Uint8Array): DecodedPacket => packet.decode(Buffer.from(wire))

/** SOA data with names by pointer to the question, and this MINIMUM. */
export const soaData = (minimum: number): Uint8Array =>
  octets(pointer(QUESTION_NAME), pointer(QUESTION_NAME), long(1), long(2), long(3), long(4), long(minimum))

/** A generator of numbers from 0 up to below `below`, the same for the same seed (mulberry32). */
export const seeded = (seed: number): ((below: number) => number) => {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * below)
  }
}
